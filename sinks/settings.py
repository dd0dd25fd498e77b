"""What the sink can be told: what is read, how much is written at once, and where it tells how it is."""

from typing import Annotated

from msgspec import Meta

from schemas.clickhouse_settings import ClickHouseSettings as ClickHouseSettings
from schemas.http_token import HttpToken
from schemas.settings import KafkaSettings


class SinkSettings(KafkaSettings, frozen=True, kw_only=True):
    """What is read, when it is written (whichever bound is met first), and where the sink tells how it is.

    Twice `sink_flush_rows` and `sink_flush_bytes` are held at most: one batch is written, the next fills.
    """

    http_host: str = "0.0.0.0"  # noqa: S104 - Prometheus asks from another machine
    http_port: Annotated[int, Meta(ge=0, le=65535)] = 8002
    http_token: HttpToken = ""
    sink_flush_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    sink_flush_bytes: Annotated[int, Meta(ge=1 << 10, le=1 << 30)] = 16 << 20
    sink_flush_interval_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1_000
    sink_rewind_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 15

    @property
    def group(self) -> str:
        """The consumer group; installations that share a cluster have prefixes of their own."""
        return f"{self.topic_prefix}{self.app}-sink"
