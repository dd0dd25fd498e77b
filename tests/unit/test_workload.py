"""A workload is the same for the same settings, and holds every kind of bad input."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
import pytest

from producers.malformed import KINDS, Record, malformed
from producers.workload import workload_records
from producers.workload_settings import NODES, WorkloadSettings
from schemas.codec import decode_usage_event
from schemas.dead_letter import Reason
from schemas.partitioning import murmur2, partition_of
from schemas.usage import UsageEvent
from tests.simulation.oracle import OracleSettings, RawRecord, expect

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
PARTITIONS = 4
RATE_CARD = msgspec.json.encode(
    {
        "version": "v",
        "effective_at": "2026-01-01T00:00:00Z",
        "prices": {node: {"unit": "unit", "tiers": [{"credits_per_unit": "1"}]} for node in NODES},
    }
)
GOOD = {"duplicates": 0.0, "late": 0.0, "malformed": 0.0}


def _records(**settings: object) -> list[Record]:
    given = {"events": 5_000, "started_at": START, "partitions": PARTITIONS, **settings}
    return list(workload_records(msgspec.convert(given, WorkloadSettings)))


def _events(**settings: object) -> list[UsageEvent]:
    return [decode_usage_event(value) for _, value, _ in _records(**{**GOOD, **settings})]


def _raw(records: list[Record]) -> list[RawRecord]:
    return [
        RawRecord("usage", _partition(key, partition), offset, START_MS, key, value)
        for offset, (key, value, partition) in enumerate(records)
    ]


def _partition(key: bytes | None, partition: int | None) -> int:
    if partition is not None:
        return partition
    return 0 if key is None else partition_of(key, PARTITIONS)


def test_the_same_settings_make_the_same_records() -> None:
    """To the byte; another seed makes others."""
    assert _records() == _records()
    assert _records() != _records(seed=2)


def test_good_records_are_usage_events_keyed_by_their_account() -> None:
    """All of them decode, with ids that differ and every channel and node among them."""
    records = _records(**GOOD)
    events = [decode_usage_event(value) for _, value, _ in records]
    assert [key for key, _, _ in records] == [event.subject.encode() for event in events]
    assert len({event.id for event in events}) == 5_000
    assert {event.data.node for event in events} == set(NODES)
    assert len({event.data.channel for event in events}) == 6


def test_another_run_has_other_ids() -> None:
    """So that the same workload sent again is booked again."""
    runs = [{event.id for event in _events(run=run)} for run in ("a", "b")]
    assert not runs[0] & runs[1]


def test_zipf_is_steep_and_uniform_is_flat() -> None:
    """The busiest account of a thousand has many times the events of a middling one, or about as many."""
    zipf, uniform = (
        Counter(event.subject for event in _events(distribution=distribution, events=20_000))
        for distribution in ("zipf", "uniform")
    )
    assert zipf["account-0"] > 50 * zipf["account-300"]  # type: ignore[index]
    assert max(uniform.values()) < 60
    assert len(uniform) == 1_000


def test_at_a_rate_events_happen_when_they_are_sent() -> None:
    """Event number i happens i / rate seconds after the start."""
    times = [event.time for event in _events(rate=1_000, events=2_001)]
    assert times == [START + timedelta(milliseconds=number) for number in range(2_001)]


def test_flat_out_events_happened_within_the_span() -> None:
    """Spread over all of it, and never after the start."""
    times = [event.time for event in _events(span_seconds=600)]
    assert START - timedelta(seconds=600) <= min(times) < START - timedelta(seconds=590)
    assert START - timedelta(seconds=10) < max(times) <= START


def test_late_events_happened_hours_before() -> None:
    """As many as asked for, up to the hours asked for."""
    times = [event.time for event in _events(late=0.5, late_hours=20)]
    late = [time for time in times if time < START - timedelta(hours=1)]
    assert 2_000 < len(late) < 2_700
    assert min(late) >= START - timedelta(hours=21)


def test_duplicates_are_earlier_records_and_some_have_other_content() -> None:
    """A tenth of them keep the identity and change the quantity."""
    records = _records(**{**GOOD, "duplicates": 0.2})
    seen: dict[bytes, bytes] = {}
    same = other = 0
    for _, value, _ in records:
        event_id = decode_usage_event(value).id.encode()
        if event_id not in seen:
            seen[event_id] = value
        elif seen[event_id] == value:
            same += 1
        else:
            other += 1
    assert 800 < same + other < 1_200
    assert other == (same + other) // 10


def test_malformed_records_take_every_kind_in_turn() -> None:
    """Of those of 2 MB there are four, however many the others are."""
    records = _records(**{**GOOD, "malformed": 0.5})
    large = [value for _, value, _ in records if len(value) > 1 << 20]
    assert len(large) == 4
    letters = expect(_raw(records), [RATE_CARD], OracleSettings(partitions=PARTITIONS)).dead_letters
    assert set(letters.values()) == {reason.value for reason in KINDS.values()}
    assert 2_200 < len(letters) < 2_800


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_record_is_rejected_for_its_reason(kind: str) -> None:
    """The independent oracle rejects it for exactly what the kind says."""
    key, value, _ = _records(**GOOD)[0]
    assert key is not None
    records = [malformed(kind, key, value, START, PARTITIONS)]
    letters = expect(_raw(records), [RATE_CARD], OracleSettings(partitions=PARTITIONS)).dead_letters
    assert list(letters.values()) == [KINDS[kind].value]


def test_an_id_with_other_content_is_rejected() -> None:
    """The oracle sees the reused ids of a workload, and nothing else wrong with it."""
    records = _records(**{**GOOD, "duplicates": 0.1})
    letters = expect(_raw(records), [RATE_CARD], OracleSettings(partitions=PARTITIONS)).dead_letters
    assert set(letters.values()) == {Reason.EVENT_ID_REUSED.value}


def test_one_partition_has_no_wrong_one() -> None:
    """Every record of a single partition goes where its key goes."""
    assert all(partition is None for _, _, partition in _records(partitions=1, malformed=0.5))
    assert any(partition is not None for _, _, partition in _records(malformed=0.5))


def test_without_an_end_there_are_always_more() -> None:
    """More than are drawn at a time."""
    endless = workload_records(WorkloadSettings(started_at=START))
    assert len(list(islice(endless, 20_000))) == 20_000


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"accounts": 0}, "accounts"),
        ({"malformed": 1.5}, "malformed"),
        ({"distribution": "normal"}, "distribution"),
        ({"run": "a b"}, "run"),
    ],
)
def test_a_bad_setting_is_named(setting: dict[str, object], told: str) -> None:
    """A workload is not made with it."""
    with pytest.raises(msgspec.ValidationError, match=told):
        _records(**setting)


@pytest.mark.parametrize(
    ("key", "signed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_a_partition_is_javas(key: bytes, signed: int) -> None:
    """The vectors are those of Kafka's own test of murmur2."""
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert partition_of(key, 7) == (signed & 0x7FFFFFFF) % 7
