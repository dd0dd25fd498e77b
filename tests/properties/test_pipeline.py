"""However its input is cut into batches and checkpoints, a partition books what the oracle expects."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.codec import encode_json
from schemas.rate_card_file import read_rate_card
from stream.engine.lane import FEW, MANY
from stream.engine.murmur2 import partition_for
from tests.simulation.oracle import Expected, Figures, OracleSettings, RawRecord, differences, expect
from tests.unit.booked_figures import charges_in, figures_in
from tests.unit.booking_scene import (
    CARD,
    DAY_MS,
    HOUR_MS,
    INPUTS,
    NOON_MS,
    JsonObject,
    Scene,
    command_record,
    grant,
    in_merge_order,
    top_up,
    usage,
    usage_record,
)

MINUTE_MS = 60_000
PARTITIONS = 4
RATE_CARD = Path(__file__).parents[2] / "deploy" / "rate-cards" / "2026-01.toml"
MOST_DRAWN = 40
"""Records, and cuts."""

CARDS = (
    CARD,
    CARD.replace("v1", "v2").replace("2025", "2035").replace('"2"', '"0.000001"'),
    CARD.replace("v1", "v3").replace("2025", "2036").replace('"2"', '"30.5"').replace("gold", "silver"),
)
accounts = st.sampled_from(["acme", "bolt"])
steps_ms = st.sampled_from([0, 0, 1, MINUTE_MS, HOUR_MS, DAY_MS - 5 * MINUTE_MS, DAY_MS, DAY_MS + 1])
command_steps_ms = st.sampled_from([90 * DAY_MS, 90 * DAY_MS + 5 * MINUTE_MS, 90 * DAY_MS + 5 * MINUTE_MS + 1])
ages_ms = st.sampled_from([-5 * MINUTE_MS - 1, -5 * MINUTE_MS, 0, 1, HOUR_MS, DAY_MS - 5 * MINUTE_MS, DAY_MS])
events = st.fixed_dictionaries(
    {
        "e_subject": accounts,
        "e_id": st.sampled_from("123"),
        "node": st.sampled_from(["answer", "search", "gold", "teleport"]),
        "quantity": st.sampled_from([1, 2, "2.0", "0.5", "10.000001", 0, 10**12]),
        "age_ms": ages_ms,
    }
)
commands = st.fixed_dictionaries(
    {
        "e_subject": accounts,
        "e_id": st.sampled_from("12"),
        "grant": st.sampled_from(["g1", "g2"]),
        "credits": st.sampled_from(["100", "0.000001", "0", "1000000000.1"]),
        "age_ms": ages_ms | st.sampled_from([90 * DAY_MS, 90 * DAY_MS + 1]),
    }
)
corrections = st.fixed_dictionaries(
    {
        "e_subject": accounts,
        "e_id": st.sampled_from("123456789"),
        "of": st.integers(0, 5),
        "credits": st.sampled_from(["0", "0.5", "0.000001", "1000000"]),
        "rate_card": st.sampled_from(["v1", "v2", "v3", "v4"]),
        "wrong": st.sampled_from([*[""] * 12, "source", "id", "partition", "offset", "subject"]),
        "age_ms": st.just(0),
    }
)
USAGE, GRANTS = ("usage", "usage", "usage"), ("grant", "top_up")
CORRECTIONS = ("void", "void a part", "reprice", "reprice")
entries = st.tuples(
    st.sampled_from([*USAGE, *GRANTS, *CORRECTIONS]),
    events,
    commands,
    corrections,
    steps_ms | command_steps_ms,
)
good_events = st.fixed_dictionaries(
    {
        "e_subject": st.sampled_from(["acme", "acme", "bolt"]),
        "e_id": st.sampled_from("123456789"),
        "node": st.sampled_from(["answer", "search"]),
        "quantity": st.sampled_from([1, "0.5", 100, 400]),
        "age_ms": st.sampled_from([0, HOUR_MS]),
    }
)
good_corrections = st.fixed_dictionaries(
    {
        "e_subject": accounts,
        "e_id": st.uuids().map(str),
        "of": st.integers(0, 5),
        "credits": st.sampled_from(["0.5", "0.000001", "150"]),
        "rate_card": st.sampled_from(["v1", "v2", "v3"]),
        "wrong": st.just(""),
        "age_ms": st.just(0),
    }
)
corrected_entries = st.tuples(
    st.sampled_from([*USAGE, "grant", *CORRECTIONS]),
    good_events,
    commands,
    good_corrections,
    st.sampled_from([0, 1, MINUTE_MS, HOUR_MS]),
)
Drawn = tuple[str, JsonObject, JsonObject, JsonObject, int]
"""What kind it is, what each kind would say, and how long it came after the one before."""
cuts = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["go on", "checkpoint", "take over"])), max_size=MOST_DRAWN
)


def _records(drawn: Sequence[Drawn]) -> list[Message]:
    """What was drawn, appended one after the other; times are told from the append time back."""
    records: list[Message] = []
    used: list[tuple[JsonObject, int]] = []
    at_ms, offsets = NOON_MS, [0, 0]
    for kind, event, command, correction, step_ms in drawn:
        at_ms += step_ms
        changes = dict(event if kind == "usage" else command if kind in GRANTS else correction)
        occurred = datetime.fromtimestamp((at_ms - changes.pop("age_ms")) / 1_000, UTC)
        changes["e_time"] = occurred.isoformat()
        if kind in GRANTS:
            changes["grant"] += f" of {at_ms // (45 * DAY_MS)}"
        key = changes["e_subject"].encode()
        which = MANY if kind == "usage" else FEW
        offset = offsets[which]
        if kind == "usage":
            body = usage(**changes)
            record = usage_record(body, at_ms, offset, key)
            used.append((body, offset))
        elif kind in CORRECTIONS:
            body = _correction(kind, changes, used)
            record = command_record(body, at_ms, offset, body["subject"].encode())
        else:
            record = command_record(grant(**changes) if kind == "grant" else top_up(**changes), at_ms, offset, key)
        records.append(record)
        offsets[which] += 1
    return in_merge_order(records)


def _correction(kind: str, drawn: JsonObject, used: Sequence[tuple[JsonObject, int]]) -> JsonObject:
    """A command about one of the last events, most often under its right name."""
    body, offset = used[-1 - drawn["of"] % len(used)] if used else (usage(), 0)
    named: JsonObject = {"source": body["source"], "id": body["id"], "partition": 0, "offset": offset}
    if drawn["wrong"] in named:
        named[drawn["wrong"]] = 1 if isinstance(named[drawn["wrong"]], int) else "/other"
    said: JsonObject = {"kind": "reprice" if kind == "reprice" else "void_event", "event": named}
    if kind == "reprice":
        said["rate_card"] = drawn["rate_card"]
    elif kind == "void a part":
        said["credits"] = drawn["credits"]
    subject = drawn["e_subject"] if drawn["wrong"] == "subject" else body["subject"]
    return grant(e_id=f"correction {drawn['e_id']}", e_time=drawn["e_time"], e_subject=subject, e_data=said)


def _raw(record: Message) -> RawRecord:
    kind = "usage" if record.topic() == INPUTS[MANY] else "commands"
    at_ms = record.timestamp()[1]
    partition, offset = record.partition() or 0, record.offset() or 0
    return RawRecord(kind, partition, offset, at_ms, record.key(), record.value())  # type: ignore[arg-type]


def _expected(records: Sequence[Message], cards: Sequence[str], partitions: int = 1) -> Expected:
    return expect([_raw(record) for record in records], cards, OracleSettings(partitions=partitions))


def _book_in_parts(scene: Scene, records: Sequence[Message], parts: Sequence[tuple[int, str]]) -> None:
    """Book the records in batches as drawn, the rest in one; a checkpoint or a take-over follows where drawn."""
    ends = [0]
    for count, _ in parts:
        ends.append(ends[-1] + count)
    for (first, last), (_, then) in zip(pairwise(ends), parts, strict=True):
        if first >= len(records):
            break
        scene.book(*records[first:last])
        if then != "go on":
            scene.checkpoint()
        if then == "take over":
            scene.take_over()
    if ends[-1] < len(records):
        scene.book(*records[ends[-1] :])
    scene.checkpoint()


def _leave_forgotten_lots_out(expected: Expected, found: Figures) -> None:
    """The oracle forgets nothing; a lot that was spent and forgotten between two checkpoints never had a row."""
    for key in [key for key, lot in expected.lots.items() if key not in found.lots and not lot.held]:
        del expected.lots[key]


@settings(max_examples=80, deadline=None)
@given(st.lists(entries, min_size=1, max_size=MOST_DRAWN) | st.lists(corrected_entries, min_size=9, max_size=30), cuts)
def test_any_cut_books_what_the_oracle_expects(drawn: list[Drawn], parts: list[tuple[int, str]]) -> None:
    """Balances, rollups over their segments, charges, dead letters and drops, whatever was forgotten or restored."""
    records = _records(drawn)
    scene = Scene(CARDS, most_rollups=2)
    _book_in_parts(scene, records, parts)
    expected, found = _expected(records, CARDS), figures_in(scene.written)
    _leave_forgotten_lots_out(expected, found)
    assert differences(expected, found) == []
    dropped = (scene.outcomes["duplicate"], scene.outcomes["duplicate_command"])
    assert dropped == (expected.dropped_events, expected.dropped_commands)


@settings(max_examples=40, deadline=None)
@given(st.lists(entries, min_size=1, max_size=MOST_DRAWN), cuts)
def test_any_cut_gives_the_same_charges_in_the_same_order(drawn: list[Drawn], parts: list[tuple[int, str]]) -> None:
    """Every field of every charge, and how often each outcome was counted."""
    records = _records(drawn)
    whole, cut = Scene(CARDS), Scene(CARDS, most_rollups=1)
    _book_in_parts(whole, records, [])
    _book_in_parts(cut, records, parts)
    assert charges_in(cut.written) == charges_in(whole.written)
    assert cut.outcomes == whole.outcomes
    assert cut.partition.clock_ms == whole.partition.clock_ms


def test_a_workload_is_booked_as_the_oracle_expects() -> None:
    """Zipf over four partitions, with every kind of malformed event, duplicates, reused ids and late ones."""
    card = encode_json(read_rate_card(RATE_CARD)).decode()
    for partition in range(PARTITIONS):
        records = _workload(partition)
        scene = Scene([card], most_rollups=50, partitions=PARTITIONS, partition=partition)
        _book_in_parts(scene, records, [(97, "checkpoint"), (1, "go on"), (300, "take over"), (211, "go on")])
        expected = _expected(records, [card], PARTITIONS)
        assert differences(expected, figures_in(scene.written, partition)) == []
        assert (len(expected.charges), expected.dropped_events) > (200, 5)


def _workload(partition: int) -> list[Message]:
    """The records that a broker would append to one partition, a second after they occurred."""
    wanted = WorkloadSettings(
        accounts=200, rate=50, events=2_000, duplicates=0.05, late=0.05, malformed=0.05, partitions=PARTITIONS
    )
    start_ms = int(wanted.started_at.timestamp()) * 1_000
    records: list[Message] = []
    for number, (key, value, put) in enumerate(workload_records(wanted)):
        if (partition_for(key or b"", PARTITIONS) if put is None else put) == partition:
            at_ms = start_ms + number * 20 + 1_000
            records.append(
                # Offsets with gaps between them, as transactions leave them.
                Message(
                    topic=INPUTS[MANY],
                    partition=partition,
                    offset=2 * len(records),
                    key=key,
                    value=value,
                    timestamp=(2, at_ms),
                )
            )
    return records
