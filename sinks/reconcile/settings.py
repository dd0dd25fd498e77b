"""What reconciling can be told by settings: the worker's, as far as they change what is booked."""

from typing import Annotated

from msgspec import Meta

from schemas.settings import KafkaSettings

FUTURE_TOLERANCE_MS = 5 * 60_000
_MS_PER_MINUTE = 60_000
_MS_PER_HOUR = 60 * _MS_PER_MINUTE


class ReconcileSettings(KafkaSettings, frozen=True, kw_only=True):
    """Dedup window and horizon must be the worker's, or duplicates and late events are judged otherwise."""

    dedup_window_hours: Annotated[int, Meta(ge=1, le=35 * 24)] = 24
    horizon_minutes: Annotated[int, Meta(ge=1, le=35 * 24 * 60)] | None = None

    @property
    def window_ms(self) -> int:
        return self.dedup_window_hours * _MS_PER_HOUR

    @property
    def horizon_ms(self) -> int:
        """How old usage may be when it is appended."""
        given = self.horizon_minutes
        return self.window_ms - FUTURE_TOLERANCE_MS if given is None else given * _MS_PER_MINUTE

    @property
    def sink_group(self) -> str:
        """The group whose commits say what is in ClickHouse."""
        return f"{self.topic_prefix}{self.app}-sink"
