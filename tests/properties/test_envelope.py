"""Whatever bytes come in, the answer is an event or a reason, and the reason is the oracle's."""

import json
from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from schemas.examples import examples
from stream.rules.command_envelope import diagnose_command
from stream.rules.commands import read_command
from stream.rules.outcome import FIXES, Reject
from stream.rules.usage import read_usage
from stream.rules.usage_envelope import diagnose_usage
from tests.simulation.oracle_checks import read_command as oracle_reads_command
from tests.simulation.oracle_checks import read_usage as oracle_reads_usage
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_records import OracleSettings, RawRecord, TopicKind
from tests.unit.booking_scene import NOON_MS, JsonObject, grant, top_up, usage

ONE_PARTITION = OracleSettings(partitions=1)
LARGEST_DEAD_LETTER_NAME = 256

hostile = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False).map(float),
    st.text(max_size=5),
    st.integers(254, 259).map(lambda length: "é" * length),
    st.sampled_from([[], {}, "1e999999999", "NaN", "1.0000001", "2025-02-30T00:00:00Z", "\ud800", "EUR\n"]),
    st.sampled_from(["2025-11-22T13:00:00.1234567+01:00", "2025-11-22 12:00:00Z", "2025-11-22T12:00:00"]),
)
usage_places = [("e", name) for name in ("specversion", "type", "id", "source", "subject", "time", "data")]
usage_places += [("d", name) for name in ("agent", "conversation", "channel", "node", "quantity", "unknown")]
usage_places += [("e", "datacontenttype"), ("e", "unknown")]
command_places = usage_places[:7] + [("d", name) for name in ("kind", "grant", "credits", "reason", "payment")]
payment_places = [("p", name) for name in ("reference", "amount_minor", "currency")]
COMMANDS = [grant(), top_up(), *examples("command")]
ABSENT = object()

nearly_right = st.sampled_from(
    [
        *(
            "0",
            "-1",
            "0.000001",
            "1.0000001",
            "1e9",
            "1000000001",
            "NaN",
            "",
            None,
            True,
            [],
            {},
            0,
            1,
            8,
            100,
            101,
            -1,
        ),
        *(2**31, 2**63 - 1, 2**63, 10**15, 10**15 + 1, 1.5, "p" * 64, "p" * 65, "l" * 33, "EUR", "eur", "off", "keep"),
        *("waive", "owe", "once", "period_end", "billed", "carried", "refused", "on_payment", "observe", "enforce"),
        *("1969-12-31T23:59:59Z", "2025-12-01T00:00:00Z", "2026-03-01T01:00:00+01:00", "2025-12-01", "2025-02-29"),
        *([{"credits": "5"}, {"credits": "5.0"}], [{"percent": 20}] * 9, [{"percent": 20, "credits": "1"}], [{}, 5]),
        *({"cap_credits": "5"}, {"mode": "billed"}, {"mode": "carried", "limit_credits": "7"}, {"below_credits": "1"}),
    ]
)
"""What some field may hold, and other fields may not."""


def _changed(event: JsonObject, changes: dict[tuple[str, str], Any]) -> bytes:
    """The event with those fields replaced, as JSON."""
    event = deepcopy(event)
    data = event["data"]
    parts = {"d": data, "p": data.get("payment", {}), "e": event}
    for (place, name), value in changes.items():
        if value is ABSENT:
            parts[place].pop(name, None)
        else:
            parts[place][name] = value
    return json.dumps(event).encode()


def _raw(kind: TopicKind, value: bytes) -> RawRecord:
    return RawRecord(kind, 0, 0, NOON_MS, _key(value), value)


def _key(value: bytes) -> bytes:
    """The subject's, so that what is asked is the body."""
    return str(json.loads(value).get("subject")).encode(errors="replace")


def changes_of(places: list[tuple[str, str]]) -> st.SearchStrategy[dict[tuple[str, str], Any]]:
    """One to three fields with what they become."""
    return st.dictionaries(st.sampled_from(places), hostile | st.just(ABSENT), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(changes_of(usage_places))
def test_a_usage_event_with_any_fields_changed_is_judged_as_the_oracle_judges_it(
    changes: dict[tuple[str, str], Any],
) -> None:
    """The same first reason, or an event."""
    value = _changed(usage(), changes)
    found = read_usage(value, _key(value))
    wanted = _reason_of_the_oracle(oracle_reads_usage, _raw("usage", value))
    assert (found.reason if isinstance(found, Reject) else None) == wanted


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_command_with_any_fields_changed_is_judged_as_the_oracle_judges_it(data: st.DataObject) -> None:
    """Whatever its kind: the same first reason, or a command."""
    command = deepcopy(data.draw(st.sampled_from(COMMANDS)))
    for _ in range(data.draw(st.integers(1, 3))):
        _change_somewhere(command, data)
    value = json.dumps(command).encode()
    found = read_command(value, _key(value))
    wanted = _reason_of_the_oracle(oracle_reads_command, _raw("commands", value))
    assert (found.reason if isinstance(found, Reject) else None) == wanted


def _change_somewhere(part: JsonObject, data: st.DataObject) -> None:
    """Go down from object to object, and change a field of one."""
    within = [inner for inner in _objects_in(part) if inner]
    goes_down = data.draw(st.integers(0, 3)) > 0
    if goes_down and within:
        _change_somewhere(data.draw(st.sampled_from(within)), data)
        return
    name = data.draw(st.sampled_from([*part, "unknown"]))
    changed = data.draw(nearly_right | hostile | st.just(ABSENT))
    if changed is ABSENT:
        part.pop(name, None)
    else:
        part[name] = deepcopy(changed)


def _objects_in(part: JsonObject) -> list[JsonObject]:
    lists = [value for value in part.values() if isinstance(value, list)]
    return [each for each in (*part.values(), *chain(*lists)) if isinstance(each, dict)]


def _reason_of_the_oracle(read: Callable[[RawRecord, OracleSettings], object], record: RawRecord) -> Reason | None:
    try:
        read(record, ONE_PARTITION)
    except Rejected as rejected:
        return rejected.reason
    return None


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 20), st.sampled_from([usage(), *COMMANDS]))
def test_any_bytes_are_an_event_or_a_reject_with_a_fix(noise: bytes, place: int, lost: int, event: JsonObject) -> None:
    """Noise in the middle of a good record, or nothing but noise, never raises."""
    good = json.dumps(event).encode()
    for value in (noise, good[:place] + noise + good[place + lost :]):
        for found in (read_usage(value, b"acme"), read_command(value, b"acme")):
            if isinstance(found, Reject):
                _is_fit_for_a_dead_letter(found)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_the_slow_path_always_finds_something(value: bytes) -> None:
    """It is asked only about what the decoder refused, and need not be right about good events."""
    for found in (diagnose_usage(value), diagnose_command(value)):
        _is_fit_for_a_dead_letter(found)


def _is_fit_for_a_dead_letter(found: Reject) -> None:
    assert FIXES[found.reason]
    assert 0 < len(found.detail) < 1_000
    assert len(found.account) <= LARGEST_DEAD_LETTER_NAME
