"""A reporter over a producer that does what a test tells it to."""

from collections.abc import Callable
from typing import cast

from confluent_kafka import KafkaError, Producer

from producers import DeliveryError, UsageReporter
from schemas.codec import decode_usage_event
from schemas.usage import UsageEvent

USAGE = {
    "account": "acme",
    "agent": "support",
    "conversation": "c-17",
    "channel": "widget",
    "node": "llm_prompt",
}


class FailedMessage:
    """What librdkafka tells of a message that was not delivered."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def value(self) -> bytes:
        return self._value


class ScriptedProducer:
    """Stands where librdkafka does: has `room` for so many records, and delivers or fails when it is polled."""

    def __init__(self, config: dict[str, object], room: int) -> None:
        self.config = config
        self.room = room
        self.sent: list[tuple[str, bytes, str, list[tuple[str, bytes]]]] = []
        self.failing: list[bytes] = []
        self.waiting: list[bytes] = []
        self.room_per_poll = 0

    def produce(self, topic: str, value: bytes, key: str, headers: list[tuple[str, bytes]]) -> None:
        if len(self.waiting) >= self.room:
            raise BufferError("Local: Queue full")
        self.sent.append((topic, value, key, headers))
        self.waiting.append(value)

    def poll(self, _: float) -> int:
        self.room += self.room_per_poll
        tell = cast("Callable[[KafkaError, FailedMessage], None]", self.config["on_delivery"])
        failing, self.failing = self.failing, []
        for value in failing:
            tell(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), FailedMessage(value))
        return len(failing)

    def flush(self, timeout: float) -> int:
        self.poll(timeout)
        return len(self.waiting)

    def purge(self) -> None:
        self.failing, self.waiting = self.waiting, []

    def __len__(self) -> int:
        return len(self.waiting)


class Scene:
    """A reporter over a scripted producer."""

    def __init__(self, **options: object) -> None:
        room = cast("int", options.pop("room", 1_000_000))
        self.failures: list[DeliveryError] = []
        self.producers: list[ScriptedProducer] = []

        def make(config: dict[str, object]) -> Producer:
            self.producers.append(ScriptedProducer(config, room))
            return cast("Producer", self.producers[-1])

        self.make_producer = make
        given = {"on_error": self.failures.append, "make_producer": make, "source": "runtime/1", **options}
        self.reporter = UsageReporter(bootstrap_servers="nowhere:1", **given)  # type: ignore[arg-type]

    @property
    def producer(self) -> ScriptedProducer:
        return self.producers[0]

    def report(self, **changed: object) -> str:
        return self.reporter.report(**{**USAGE, **changed})  # type: ignore[arg-type]

    def events(self) -> list[UsageEvent]:
        return [decode_usage_event(value) for _, value, _, _ in self.producer.sent]
