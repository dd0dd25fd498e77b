"""The point at which figures are compared: a partition's progress, once the sink has written what came of it."""

import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from schemas.codec import decode_rate_card
from schemas.progress import PROGRESS_KEY, BookedProgress, decode_progress
from schemas.topics import TopicNames
from sinks.reconcile.log import Log
from sinks.reconcile.prices import CardRow

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.25

Say = Callable[[str], None]


class SinkBehindError(Exception):
    """ClickHouse does not have yet what is booked: nothing can be said of it."""


def read_cards(log: Log, topic: str) -> list[CardRow]:
    """The last row of every rate card; what is none is used by nobody, and told."""
    latest: dict[tuple[str, str], CardRow] = {}
    for message in log.records(topic, 0, *log.bounds(topic, 0)):
        try:
            card = decode_rate_card(message.value() or b"")
        except msgspec.MsgspecError as error:
            logger.warning("%s/0/%s is no rate card: %s", topic, message.offset(), error)
        else:
            latest[card.line, card.version] = CardRow(card, message.timestamp()[1])
    return list(latest.values())


def read_progress(log: Log, topic: str, partition: int) -> BookedProgress | None:
    """The last checkpoint of a partition; None if it was never booked."""
    found = None
    first, end = log.bounds(topic, partition)
    for message in log.records(topic, partition, first, end):
        value = message.value()
        if message.key() == PROGRESS_KEY and value is not None:
            found = decode_progress(value)
    return found


def await_sink(log: Log, topics: TopicNames, partition: int, wait_seconds: float, say: Say) -> None:
    """Returns once all that is committed now in the outputs of a partition is in ClickHouse.

    SinkBehindError after `wait_seconds`, with what is behind by how much.
    """
    deadline = time.monotonic() + wait_seconds
    outputs = (topics.charges, topics.rollups, topics.dead_letters, topics.balances_changelog, topics.ledger)
    ends = {topic: log.bounds(topic, partition) for topic in outputs}
    said = ""
    while behind := _behind(log, ends, partition):
        if (told := ", ".join(behind)) != said:
            say(f"partition {partition}: waiting for the sink, {told}")
            said = told
        if time.monotonic() >= deadline:
            raise SinkBehindError(
                f"partition {partition}: after {wait_seconds:g} s the sink is still behind what is booked: {told}. "
                "Start it, or give it time by --wait."
            )
        time.sleep(_PAUSE_SECONDS)


def _behind(log: Log, ends: dict[str, tuple[int, int]], partition: int) -> Sequence[str]:
    found = []
    for topic, (first, end) in ends.items():
        committed = log.committed(topic, partition)
        # Where nothing is kept there was nothing to commit.
        if first < end and committed < end:
            found.append(f"{end - max(committed, first):,} of {topic}")
    return found
