"""Seeded load: usage records by the million, with duplicates, late and malformed ones among them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, cycle

from producers.malformed import KINDS, Record, malformed
from producers.workload_draws import CHANNELS, NODE_NAMES, draws
from producers.workload_settings import WorkloadSettings

_LARGEST_RECORDS = 4
_RECENT = 512
_DUPLICATES_PER_REUSED_ID = 10
_TOKEN_NODES = frozenset({NODE_NAMES.index(b"llm_prompt"), NODE_NAMES.index(b"llm_completion")})
_SECONDS_KEPT = 100_000
_MICROSECONDS = 1_000_000

_EVENT = (
    b'{"id":"%s-%d","source":"workload/%d","subject":"%s","time":"%s.%06dZ","data":{"agent":"agent-%d",'
    b'"conversation":"%s-%d","channel":"%s","node":"%s","quantity":%d},"specversion":"1.0",'
    b'"type":"creditstream.usage","datacontenttype":"application/json"}'
)


def workload_records(settings: WorkloadSettings) -> Iterator[Record]:
    """Records as (key, value, partition or None), as many as `settings.events`, else without end.

    A duplicate is a record sent within the last 512 good ones, byte for byte; one in ten has its identity and
    another quantity. Malformed ones take every kind in turn; of those of 2 MB there are at most four.
    """
    run, seed = settings.run.encode(), settings.seed
    kinds = _kinds(settings)
    # A ring of what was sent: the oldest is replaced, so that a duplicate comes some events later.
    recent: list[tuple[bytes, bytes]] = []
    duplicates, reused = settings.duplicates, count(1)
    late_from, malformed_from = duplicates, duplicates + settings.late
    special = malformed_from + settings.malformed
    moment, second_texts = _moments(settings), _SecondTexts()
    span_us = settings.late_hours * 3600 * _MICROSECONDS
    numbers = count() if settings.events is None else range(settings.events)
    for number, (account, agent, conversation, channel, node, tokens, fate) in zip(
        numbers, draws(settings), strict=False
    ):
        if fate < duplicates and recent:
            key, value = recent[tokens % len(recent)]
            if next(reused) % _DUPLICATES_PER_REUSED_ID == 0:
                value = _with_other_quantity(value)
            yield key, value, None
            continue
        occurred_us = moment(number, tokens)
        if late_from <= fate < malformed_from:
            # The rest of fate is as random as any: it says how late.
            occurred_us -= int((fate - late_from) / settings.late * span_us)
        second, micros = divmod(occurred_us, _MICROSECONDS)
        key = b"account-%d" % account
        value = _EVENT % (
            run,
            number,
            seed,
            key,
            second_texts[second],
            micros,
            agent,
            key,
            conversation,
            CHANNELS[channel],
            NODE_NAMES[node],
            tokens if node in _TOKEN_NODES else 1,
        )
        if malformed_from <= fate < special:
            now = datetime.fromtimestamp(second, UTC)
            yield malformed(next(kinds), key, value, now, settings.partitions)
            continue
        if len(recent) < _RECENT:
            recent.append((key, value))
        else:
            recent[number % _RECENT] = key, value
        yield key, value, None


class _SecondTexts(dict[int, bytes]):
    """Seconds since 1970 as text, each written once: that is half of a record's cost otherwise."""

    def __missing__(self, second: int) -> bytes:
        if len(self) >= _SECONDS_KEPT:
            self.clear()
        text = self[second] = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return text


def _moments(settings: WorkloadSettings) -> Callable[[int, int], int]:
    """When an event happens, in microseconds since 1970, by its number and a random number."""
    start_us = (settings.started_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if settings.rate is not None:
        rate = settings.rate
        return lambda number, _: start_us + number * _MICROSECONDS // rate
    span_us = settings.span_seconds * _MICROSECONDS
    # A stride that shares no factor with the span visits it evenly, and costs less than a random number.
    stride_us = 611_953_337
    return lambda number, chance: start_us - (number * stride_us + chance) % span_us


def _kinds(settings: WorkloadSettings) -> Iterator[str]:
    large = 0
    for kind in cycle(KINDS):
        if kind == "wrong_partition" and settings.partitions == 1:
            continue
        if kind == "too_large":
            large += 1
            if large > _LARGEST_RECORDS:
                continue
        yield kind


def _with_other_quantity(value: bytes) -> bytes:
    before, _, after = value.partition(b'"quantity":')
    quantity, _, rest = after.partition(b"}")
    return b'%s"quantity":%d}%s' % (before, int(quantity) + 1, rest)
