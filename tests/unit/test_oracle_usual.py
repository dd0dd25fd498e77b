"""The oracle's fast reading of usage says what its checks say."""

from datetime import UTC, datetime

import pytest

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from tests.simulation.oracle import OracleSettings, RawRecord
from tests.simulation.oracle_checks import Usage, read_usage
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_numbers import java_partition
from tests.simulation.oracle_usual import read_usual

PARTITIONS = 4
SETTINGS = OracleSettings(partitions=PARTITIONS)
KEY = b"acme"
USUAL = (
    b'{"id":"run-1","source":"workload/1","subject":"acme","time":"2026-11-22T12:00:00.000001Z","data":{"agent":"a",'
    b'"conversation":"c","channel":"api","node":"message","quantity":7},"specversion":"1.0",'
    b'"type":"creditstream.usage","datacontenttype":"application/json"}'
)


def record(value: bytes, key: bytes | None = KEY, partition: int | None = None) -> RawRecord:
    """Where its key belongs, unless told otherwise."""
    belongs = java_partition(key or b"", PARTITIONS)
    return RawRecord("usage", belongs if partition is None else partition, 0, 0, key, value)


def checked(made: RawRecord) -> Usage | None:
    try:
        return read_usage(made, SETTINGS)
    except Rejected:
        return None


def test_what_is_read_fast_is_what_the_checks_read() -> None:
    """Over every kind of event that a workload has, and most of them are read fast."""
    workload = WorkloadSettings(
        events=5_000,
        duplicates=0.1,
        malformed=0.3,
        partitions=PARTITIONS,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    fast = 0
    for key, value, partition in workload_records(workload):
        made = record(value, key, partition)
        usual = read_usual(made, SETTINGS)
        if usual is not None:
            fast += 1
            assert usual == checked(made)
    assert fast > 3_000


def test_the_usual_form_is_read_fast() -> None:
    assert read_usual(record(USUAL), SETTINGS) == checked(record(USUAL))
    assert read_usual(record(USUAL), SETTINGS) is not None


@pytest.mark.parametrize(
    ("part", "other"),
    [
        (b'"quantity":7', b'"quantity":0'),
        (b'"quantity":7', b'"quantity":7.5'),
        (b'"quantity":7', b'"quantity":"7"'),
        (b'"run-1"', b'"run\\u002d1"'),
        (b'"run-1"', b'""'),
        (b'"run-1"', b'"' + b"x" * 257 + b'"'),
        (b"2026-11-22T12", b"2026-11-31T12"),
        (b"2026-11-22T12", b"2026-11-22T24"),
        (b'"api"', b'"carrier_pigeon"'),
        (b'"1.0"', b'"0.3"'),
        (b'"agent":"a"', b'"agent":"\xff"'),
    ],
)
def test_anything_else_is_left_to_the_checks(part: bytes, other: bytes) -> None:
    assert read_usual(record(USUAL.replace(part, other)), SETTINGS) is None


def test_a_wrong_key_or_partition_is_left_to_the_checks() -> None:
    own = java_partition(KEY, PARTITIONS)
    assert read_usual(record(USUAL, b"other"), SETTINGS) is None
    assert read_usual(record(USUAL, None), SETTINGS) is None
    assert read_usual(record(USUAL, partition=(own + 1) % PARTITIONS), SETTINGS) is None
