"""One replay: reads the dead letters that are meant, feeds those back that would be booked now, tells the rest."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from schemas.codec import decode_rate_card
from schemas.topics import TopicNames
from stream.replay.choice import Chooser, Chosen, Feed, Identity, Skip
from stream.replay.feeder import MOST_BYTES, MOST_EVENTS, Feeder, replayed_places
from stream.replay.letters import LetterPlace, read_letters
from stream.rules.rate_cards import RateCards
from stream.settings import WorkerSettings
from stream.topic_reader import TopicReader

_SECONDS_BETWEEN_LINES = 2.0
_MOST_TOLD = 20


class Outcome(Struct):
    """What a replay did: how many by reason, how many it left out and why, the first of them in full."""

    replayed: Counter[str]
    skipped: Counter[str]
    told: list[Skip]
    not_looked_up: list[Identity]
    unknown_repairs: list[LetterPlace]
    read: int = 0


class Replay:
    """What is meant, the repairs, and what ClickHouse said of identities."""

    def __init__(
        self,
        settings: WorkerSettings,
        chosen: Chosen,
        repairs: Mapping[LetterPlace, bytes],
        charged: Mapping[Identity, bool],
        *,
        dry: bool,
        quiet: bool,
    ) -> None:
        self._settings = settings
        self._topics: TopicNames = settings.topics
        self._chosen = chosen
        self._repairs = repairs
        self._charged = charged
        self._dry = dry
        self._quiet = quiet
        self._outcome = Outcome(Counter(), Counter(), [], [], [])
        self._said_at = time.monotonic()

    def run(self) -> Outcome:
        """Feeds batch by batch; ReplayFailedError, and all that was fed so far stays fed."""
        reader = TopicReader(self._settings.kafka, f"{self._topics.replays}-reader")
        feeder = None if self._dry else Feeder(self._settings.kafka, self._topics)
        if feeder is not None:
            feeder.open()
        chooser = Chooser(
            self._topics.usage_events,
            _rate_cards(reader, self._topics.rate_cards),
            self._settings.horizon_us,
            lambda: time.time_ns() // 1_000,
            self._repairs,
            replayed_places(reader, self._topics),
            self._charged,
        )
        batch: list[Feed] = []
        for feed in self._feeds(reader, chooser):
            batch.append(feed)
            if len(batch) >= MOST_EVENTS or sum(len(each.value) for each in batch) >= MOST_BYTES:
                self._send(feeder, batch)
                batch = []
        self._send(feeder, batch)
        return self._outcome

    def _feeds(self, reader: TopicReader, chooser: Chooser) -> Iterator[Feed]:
        outcome, unmet = self._outcome, set(self._repairs)
        for letter in read_letters(reader, self._topics.dead_letters):
            outcome.read += 1
            self._say()
            unmet.discard(letter.place)
            if not self._chosen.has(letter):
                continue
            found = chooser.choose(letter)
            if isinstance(found, Feed) and found.must_be_looked_up:
                outcome.not_looked_up.append(found.identity)
                found = Skip(found.place, "not looked up", f"{found.identity.source} {found.identity.id!r}")
            if isinstance(found, Skip):
                outcome.skipped[found.why] += 1
                if len(outcome.told) < _MOST_TOLD:
                    outcome.told.append(found)
            else:
                yield found
        outcome.unknown_repairs = sorted(unmet)

    def _send(self, feeder: Feeder | None, batch: list[Feed]) -> None:
        if not batch:
            return
        if feeder is not None:
            feeder.feed(batch)
        self._outcome.replayed.update(feed.reason.value for feed in batch)
        self._say()

    def _say(self) -> None:
        now = time.monotonic()
        if self._quiet or now - self._said_at < _SECONDS_BETWEEN_LINES:
            return
        self._said_at = now
        done, skipped = self._outcome.replayed.total(), self._outcome.skipped.total()
        print(
            f"{self._outcome.read:,} dead letters read, {done:,} replayed, {skipped:,} left out",
            file=sys.stderr,
            flush=True,
        )


def _rate_cards(reader: TopicReader, topic: str) -> RateCards:
    cards = RateCards()
    for message in reader.records(topic):
        # What is no rate card is used by no worker either, which tells it.
        with contextlib.suppress(msgspec.MsgspecError):
            cards = cards.with_card(decode_rate_card(message.value() or b""))
    return cards
