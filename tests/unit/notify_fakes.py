"""A Kafka, endpoints and clocks of plain values, for the notifier's unit tests."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.codec import encode_json
from schemas.identifiers import Account
from schemas.notice_events import AlertData, NoticeEvent, RefillRequestData
from schemas.undelivered_notice import UndeliveredNotice
from sinks.dead_letters import DeadLettersAwayError
from sinks.intake import CommitFailedError, Committed, End, Listener
from sinks.notify.answers import Answer
from sinks.notify.clock import Clock
from sinks.notify.courier import Answered
from sinks.notify.metrics import NotifyMetrics
from sinks.notify.notices import Held
from sinks.notify.notifier import Notifier
from sinks.notify.settings import Endpoint, NotifySettings
from sinks.records import Place, Record

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERTS, REFILLS = Place("credits.alerts", 0), Place("credits.refill-requests", 0)
UNDELIVERED = Place("sinks.undelivered-notices", 0)
START_MS = 1_790_000_000_000
DELIVERED, FAILED, REFUSED = Answer(200), Answer(500), Answer(410)


def alert_value(account: str, identity: str) -> bytes:
    """An alert of an account that has nothing left."""
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=START_MS)
    data = AlertData("blocked", Decimal(0), "enforce")
    return encode_json(NoticeEvent(identity, "creditstream/0", Account(account), time, data, 1))


def refill_value(account: str, identity: str, attempt: int = 1) -> bytes:
    """A request for 100 credits."""
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=START_MS)
    data = RefillRequestData(identity, 1, Decimal(100), attempt, Decimal(3))
    event = NoticeEvent(identity, "creditstream/0", Account(account), time, data, 1, type="creditstream.refill_request")
    return encode_json(event)


def record(value: bytes, offset: int, place: Place = ALERTS, at_ms: int = START_MS) -> Record:
    """A record, written when the tests begin unless said otherwise."""
    return Record(place, offset, at_ms, b"key", value)


def settings(**changes: Any) -> NotifySettings:
    """Alerts and refill requests go somewhere, bills do not."""
    return NotifySettings(
        **{
            "notify_alerts_url": "https://alerts.test/hook",
            "notify_alerts_secret": SECRET,
            "notify_refill_requests_url": "https://refills.test/hook",
            "notify_refill_requests_secret": SECRET,
            **changes,
        }
    )


class FakeClock(Clock):
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return START_MS + int(self.seconds * 1_000)


class FakeCourier:
    """Endpoints that answer as `answer` says; None is silence until `reply` breaks it."""

    def __init__(self, clock: FakeClock) -> None:
        self.sent: list[tuple[float, str]] = []
        self.headers: list[dict[str, str]] = []
        self.open: list[Held] = []
        self.answer: Callable[[Held], Answer | None] = lambda _held: DELIVERED
        self._clock = clock
        self._answered: list[Answered] = []

    def send(self, held: Held, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        assert endpoint.url.startswith("https://")
        self.sent.append((self._clock.seconds, headers["webhook-id"]))
        self.headers.append(dict(headers))
        answer = self.answer(held)
        if answer is None:
            self.open.append(held)
        else:
            self._answered.append(Answered(held, answer))

    def reply(self, answer: Answer = DELIVERED) -> None:
        """To everything that is awaited."""
        self._answered += [Answered(held, answer) for held in self.open]
        self.open.clear()

    def answers(self, seconds: float) -> list[Answered]:
        if not self._answered:
            self._clock.seconds += seconds
        answered, self._answered = self._answered, []
        return answered

    @property
    def ids(self) -> list[str]:
        """What was sent, in order."""
        return [identity for _, identity in self.sent]


class FakeSource:
    """Partitions of lists, from which held ones give nothing."""

    def __init__(self) -> None:
        self.records: list[Record | End] = []
        self.held: set[Place] = set()
        self.commits: list[dict[Place, tuple[int, str]]] = []
        self.commit_fails = False
        self.closed = False
        self.topics: list[str] = []

    def poll(self, count: int, seconds: float) -> list[Record | End]:  # noqa: ARG002 - as NoticeSource has it
        given = [item for item in self.records if item.place not in self.held][:count]
        self.records = [item for item in self.records if item not in given]
        return given

    def hold(self, places: Iterable[Place]) -> None:
        self.held.update(places)

    def release(self, places: Iterable[Place]) -> None:
        self.held.difference_update(places)

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        if self.commit_fails:
            raise CommitFailedError("a rebalance is in progress")
        self.commits.append(dict(offsets))

    def committed(self, place: Place) -> Committed:
        """As the next notifier of the group finds it."""
        offset, metadata = [commit[place] for commit in self.commits if place in commit][-1]
        return Committed(offset, None, 0, metadata)

    def close(self) -> None:
        self.closed = True


class FakeLetters:
    """The topic of undelivered notices."""

    def __init__(self) -> None:
        self.letters: list[UndeliveredNotice] = []
        self.away = False

    def publish(self, letters: Iterable[Any]) -> None:
        if self.away:
            raise DeadLettersAwayError("no broker")
        self.letters += letters


class NotifyScene:
    """A notifier on fakes, which turns when it is told to; its waits are the whole step, as nothing is drawn."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock()
        self.courier = FakeCourier(self.clock)
        self.source = FakeSource()
        self.letters = FakeLetters()
        self.metrics = NotifyMetrics()
        self.settings = settings(**changes)
        self.notifier = self.next()
        self.notifier.assigned({place: Committed(0, None, 0) for place in (ALERTS, REFILLS, UNDELIVERED)})

    def next(self) -> Notifier:
        """Another notifier on the same Kafka."""
        return Notifier(
            self.settings,
            open_source=self._open,
            courier=self.courier,
            publisher=self.letters,
            metrics=self.metrics,
            clock=self.clock,
            draw=lambda _low, high: high,
        )

    def _open(self, topics: Iterable[str], _listener: Listener) -> FakeSource:
        self.source.topics = list(topics)
        return self.source

    def turn(self, *records: Record | End, times: int = 3) -> None:
        """Hands records over, and turns some times without any time going by."""
        self.source.records += records
        for _ in range(times):
            self.notifier.turn()

    def run_for(self, seconds: float, step: float = 1.0) -> None:
        """Turns while time goes by."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.seconds += step
            self.turn(times=2)

    def value(self, name: str, **labels: str) -> float:
        """A metric's value now, 0 if it was never set."""
        return self.metrics.registry.get_sample_value(f"creditstream_notify_{name}", labels) or 0
