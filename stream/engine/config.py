"""What the engine is told: where Kafka is, which topics play which part, and how often it checkpoints."""

from pathlib import Path

from msgspec import Struct


class EngineConfig(Struct, frozen=True, kw_only=True):
    """`kafka` is librdkafka's configuration; `inputs` are the many and the few, merged by append time; `notices`
    are outputs with keys."""

    app: str
    kafka: dict[str, str | int | float | bool]
    inputs: tuple[str, str]
    outputs: tuple[str, ...]
    notices: tuple[str, ...] = ()
    progress_topic: str
    broadcast_topic: str
    state_topics: tuple[str, ...]
    checkpoint_interval_seconds: float = 0.25
    merge_grace_seconds: float = 0.05
    session_timeout_seconds: float = 10.0
    accept_new_state: bool = False
    cache_folder: Path | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """Everything whose identity a partition's state belongs to."""
        return (
            *self.inputs,
            *self.outputs,
            *self.notices,
            self.progress_topic,
            self.broadcast_topic,
            *self.state_topics,
        )
