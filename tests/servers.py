"""Where the Kafka and the ClickHouse of a test session are."""

from msgspec import Struct


class KafkaServer(Struct, frozen=True):
    """A broker that all tests share: topics must have names of their own."""

    bootstrap_servers: str


class ClickHouseServer(Struct, frozen=True):
    """A ClickHouse that all tests share: databases must have names of their own. The reader may write nothing."""

    host: str
    port: int
    user: str
    password: str
    reader_user: str
    reader_password: str
