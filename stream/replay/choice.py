"""Whether a dead letter is fed back, as what, or why not: what would be rejected again is not sent."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.dead_letter import Reason
from schemas.rate_card import DEFAULT_LINE
from stream.replay.letters import Letter, LetterPlace
from stream.rules.outcome import Reject
from stream.rules.pricing import CostTooLargeError
from stream.rules.rate_cards import RateCards
from stream.rules.usage import FUTURE_TOLERANCE_US, Received, microseconds, quantity_in_micros, read_usage, wrong_time

# One that its age refused was perhaps charged before, under an identity that the worker has forgotten.
_BY_AGE = Reason.OLDER_THAN_DEDUP_WINDOW


class Identity(NamedTuple):
    """What makes two events the same."""

    account: str
    source: str
    id: str


class Chosen(NamedTuple):
    """Which dead letters are meant: empty and None leave out a condition. Times are in milliseconds, by rejection."""

    reasons: frozenset[str] = frozenset()
    account: str = ""
    from_ms: int | None = None
    until_ms: int | None = None
    places: frozenset[LetterPlace] = frozenset()

    def has(self, letter: Letter) -> bool:
        """Whether every condition holds."""
        told = letter.letter
        return (
            (not self.reasons or told.reason.value in self.reasons)
            and (not self.account or told.account == self.account)
            and (self.from_ms is None or told.booked_at_ms >= self.from_ms)
            and (self.until_ms is None or told.booked_at_ms < self.until_ms)
            and (not self.places or letter.place in self.places)
        )


class Feed(NamedTuple):
    """An event to send; its key is its account. One that was not looked up among the charges yet must be first."""

    place: LetterPlace
    reason: Reason
    identity: Identity
    value: bytes
    must_be_looked_up: bool


class Skip(NamedTuple):
    """A dead letter that is not fed back: `why` is counted, `detail` told."""

    place: LetterPlace
    why: str
    detail: str = ""


class _Subject(Struct):
    subject: str


class _Original(Struct):
    """What the event was that got rejected, as far as it can be read."""

    time: datetime | None = None
    source: str = ""
    id: str = ""


_subject_of = msgspec.json.Decoder(_Subject).decode
_original_of = msgspec.json.Decoder(_Original).decode


class Chooser:
    """Decides about letters one by one, as the worker would decide about their events now."""

    def __init__(
        self,
        usage_topic: str,
        cards: RateCards,
        horizon_us: int,
        now_us: Callable[[], int],
        repairs: Mapping[LetterPlace, bytes],
        replayed: Collection[LetterPlace],
        charged: Mapping[Identity, bool],
    ) -> None:
        self._usage_topic = usage_topic
        self._cards = cards
        self._horizon_us = horizon_us
        self._now_us = now_us
        self._repairs = repairs
        self._replayed = replayed
        self._charged = charged

    def choose(self, letter: Letter) -> Feed | Skip:
        """What becomes of a letter that is meant."""
        place, told = letter
        if place in self._replayed:
            return Skip(place, "replayed before")
        if told.topic != self._usage_topic:
            return Skip(place, "not usage", f"it came from {told.topic}: send it there again by hand")
        repaired = self._repairs.get(place)
        if repaired is None and told.value_bytes > len(told.value):
            return Skip(place, "cut", f"{told.value_bytes} bytes were received, {len(told.value)} are kept: repair it")
        value = told.value if repaired is None else repaired
        event = self._event(value)
        if isinstance(event, Reject):
            return Skip(place, f"still {event.reason}", event.detail)
        identity = Identity(event.subject, event.source, event.id)
        original = _original(told.value)
        if told.reason is Reason.EVENT_ID_REUSED and (original.source, original.id) == identity[1:]:
            return Skip(place, f"still {told.reason}", "another event has its id: repair it with an id of its own")
        # Within the window the worker knows an event again, as long as it says the same time.
        must_be_looked_up = told.reason is _BY_AGE or (repaired is not None and original.time != event.time)
        if must_be_looked_up and self._charged.get(identity):
            return Skip(place, "charged before", f"ClickHouse has a charge of {event.source} {event.id!r}")
        return Feed(place, told.reason, identity, value, must_be_looked_up and identity not in self._charged)

    def _event(self, value: bytes) -> Received | Reject:
        """The event as the worker would book it now, or why it would not."""
        try:
            key = _subject_of(value).subject.encode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            key = b""
        event = read_usage(value, key)
        if isinstance(event, Reject):
            return event
        if event.subject.startswith("\0"):
            return Reject(Reason.INVALID_FIELD, "subject begins with a zero character", event.subject)
        occurred_at_us, now_us = microseconds(event.time), self._now_us()
        if not now_us - self._horizon_us <= occurred_at_us <= now_us + FUTURE_TOLERANCE_US:
            return wrong_time(event, occurred_at_us, now_us, self._horizon_us)
        return self._unpriced(event, occurred_at_us) or event

    def _unpriced(self, event: Received, occurred_at_us: int) -> Reject | None:
        card = self._cards.card_at(DEFAULT_LINE, occurred_at_us)
        if card is None:
            return Reject(Reason.NO_RATE_CARD, f"no rate card is effective at {event.time.isoformat()}")
        price = card.prices.get(event.data.node)
        if price is None:
            return Reject(Reason.UNKNOWN_NODE, f"{card.version} has no price for {event.data.node!r}")
        try:
            price.cost_microcredits(quantity_in_micros(event.data.quantity))
        except CostTooLargeError as error:
            return Reject(Reason.COST_TOO_LARGE, str(error))
        return None


def _original(value: bytes) -> _Original:
    try:
        return _original_of(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _Original()
