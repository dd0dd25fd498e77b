"""The worker's settings; each is `CREDITSTREAM_` and its name in the environment."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from schemas.http_token import HttpToken
from schemas.settings import BadSettingError, KafkaSettings, load_settings
from schemas.topics import TopicSpec, topic_specs
from stream.engine.config import EngineConfig

_FUTURE_TOLERANCE_MINUTES = 5
_MINUTES_PER_HOUR = 60


class WorkerSettings(KafkaSettings, frozen=True, kw_only=True):
    """What a worker may be told; units are in the names."""

    partitions: Annotated[int, Meta(ge=1, le=1024)] = 12
    replication: Annotated[int, Meta(ge=1, le=9)] = 3
    single_node: bool = False
    accept_new_state: bool = False
    http_port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    http_host: str = "127.0.0.1"
    http_token: HttpToken = ""
    data_folder: str = ".data/worker"
    checkpoint_interval_ms: Annotated[int, Meta(ge=20, le=10_000)] = 250
    merge_grace_ms: Annotated[int, Meta(ge=0, le=5_000)] = 50
    dedup_window_hours: Annotated[int, Meta(ge=1, le=35 * 24)] = 24
    horizon_minutes: Annotated[int, Meta(ge=1, le=35 * 24 * 60)] | None = None
    """How old usage may be when it is ingested; 5 minutes less than the dedup window unless given."""
    dedup_memory_mb: Annotated[int, Meta(ge=16, le=1 << 20)] = 1024
    """The most that the dedup window of one partition may take; a start that needs more is refused."""
    session_timeout_seconds: Annotated[int, Meta(ge=6, le=300)] = 10
    instance_id: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,248})?$")] = ""
    """The worker's name in its group, kept over restarts and its own alone; none: any other worker is as good."""
    watched_accounts: str = ""
    """Accounts with a balance gauge of their own, separated by commas."""
    log_level: Annotated[str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"

    @property
    def horizon_us(self) -> int:
        minutes = self.horizon_minutes or self.dedup_window_hours * _MINUTES_PER_HOUR - _FUTURE_TOLERANCE_MINUTES
        return minutes * 60_000_000

    @property
    def engine(self) -> EngineConfig:
        names = self.topics
        return EngineConfig(
            app=f"{self.topic_prefix}{self.app}",
            kafka=self.kafka,
            inputs=(names.usage_events, names.commands),
            outputs=(names.charges, names.rollups, names.ledger, names.dead_letters, names.dedup_log),
            notices=(names.alerts, names.refill_requests, names.bills),
            progress_topic=names.progress,
            broadcast_topic=names.rate_cards,
            state_topics=(
                names.balances_changelog,
                names.lots_changelog,
                names.commands_changelog,
                names.corrections_changelog,
            ),
            checkpoint_interval_seconds=self.checkpoint_interval_ms / 1_000,
            merge_grace_seconds=self.merge_grace_ms / 1_000,
            session_timeout_seconds=self.session_timeout_seconds,
            accept_new_state=self.accept_new_state,
            cache_folder=Path(self.data_folder) / "cache",
        )

    @property
    def kafka(self) -> dict[str, str | int | float | bool]:
        """librdkafka's configuration that every client of the worker shares."""
        return {**self.client, "client.id": self.app, "log_level": 4}

    @property
    def inquiry_group(self) -> str:
        """What readers who only ask are called; a group that nobody joins."""
        return f"{self.topic_prefix}{self.app}-inquiry"

    @property
    def specs(self) -> list[TopicSpec]:
        return topic_specs(
            self.topics,
            partitions=self.partitions,
            replication=self.replication,
            dedup_window_hours=self.dedup_window_hours,
        )


def load_worker_settings(**overrides: object) -> WorkerSettings:
    """The settings, checked together as well as one by one."""
    settings = load_settings(WorkerSettings, None, **overrides)
    window_minutes = settings.dedup_window_hours * _MINUTES_PER_HOUR
    horizon = settings.horizon_minutes
    if horizon is not None and horizon + _FUTURE_TOLERANCE_MINUTES > window_minutes:
        raise BadSettingError(
            f"setting CREDITSTREAM_HORIZON_MINUTES is {horizon}: with {_FUTURE_TOLERANCE_MINUTES} minutes more it must "
            f"be at most the dedup window, {window_minutes} minutes, or a late duplicate would be booked twice."
        )
    return settings
