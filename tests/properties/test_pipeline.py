"""However its input is cut into batches and checkpoints, a partition books what the oracle expects."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.account import AccountRow
from schemas.codec import encode_json
from schemas.ledger import verify_chain
from schemas.lot import Lot
from schemas.notice_events import NoticeEvent
from schemas.rate_card_file import read_rate_card
from stream.engine.lane import FEW, MANY
from stream.engine.murmur2 import partition_for
from stream.engine.outbox import Record
from stream.rules.ledger.clock import turn_months
from stream.rules.ledger.refill import request_id
from stream.rules.ledger.settle import forget_closed
from tests.simulation.oracle import Expected, Figures, OracleSettings, RawRecord, differences, expect
from tests.simulation.oracle_records import LotKey
from tests.unit.booked_figures import accounts_in, charges_in, entries_in, figures_in, notices_in
from tests.unit.booking_scene import (
    CARD,
    DAY_MS,
    HOUR_MS,
    INPUTS,
    NOON_MS,
    TOPICS,
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
VIP = CARD.replace('"v1"', '"vip1", "line": "vip"').replace('"2"', '"1"')
PARTITIONS = 4
PAYMENT = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
RATE_CARD = Path(__file__).parents[2] / "deploy" / "rate-cards" / "2026-01.toml"
MOST_DRAWN = 40
"""Records, and cuts."""

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
entries = st.tuples(
    st.sampled_from(["usage", "usage", "usage", "grant", "top_up"]), events, commands, steps_ms | command_steps_ms
)
amounts = st.sampled_from(["1", "2.5", "40", "600"])
plans = st.fixed_dictionaries(
    {
        "plan": st.sampled_from(["basic", "team"]),
        "included_credits": amounts,
        "anchor_day": st.sampled_from([1, 22, 24]),
        "renews": st.sampled_from(["by_clock", "by_clock", "on_payment"]),
        "rate_card_line": st.sampled_from(["default", "vip"]),
        "currency": st.just("EUR"),
        "overage": st.sampled_from(
            [
                {},
                {"mode": "carried"},
                {"mode": "carried", "limit_credits": "5"},
                {"mode": "billed", "price_minor": "2.5"},
                {"mode": "billed", "price_minor": "2.5", "limit_credits": "5"},
            ]
        ),
    },
    optional={"rollover": st.builds(lambda cap: {"cap_credits": cap, "periods": 2}, amounts)},
)
policies = st.fixed_dictionaries(
    {"kind": st.just("set_policy")},
    optional={
        "thresholds": st.lists(
            st.sampled_from([{"credits": "2"}, {"credits": "100"}, {"percent": 50}]), max_size=2, unique_by=str
        ),
        "mode": st.sampled_from(["observe", "enforce"]),
        "refill": st.builds(
            lambda below, by: {"below_credits": below, "credits": by}, st.sampled_from(["1", "40"]), amounts
        ),
    },
).map(lambda data: {**data, "overage": "keep"} if data.get("mode") == "enforce" else data)
mostly_acme = st.sampled_from(["acme", "acme", "acme", "bolt"])
ids = st.integers(0, 10**6).map(str)
names = st.sampled_from(["g1", "g2", "g3", "g4", "free:acme", "free:bolt"])
refills = st.builds(request_id, accounts, st.integers(1, 3))
at_ends = st.sampled_from(["once", "period_end"])
begun = st.builds(lambda plan: {"kind": "activate_plan", "plan": plan, "overage": "keep"}, plans)
given_credits = st.fixed_dictionaries(
    {"kind": st.just("grant"), "grant": names, "credits": amounts},
    optional={
        "priority": st.sampled_from([1, 60]),
        "effective_at": st.sampled_from([1, HOUR_MS]),
        "expires_at": st.sampled_from([1, 2, HOUR_MS, DAY_MS]),
    },
)
content_of_commands = st.one_of(
    begun,
    begun,
    given_credits,
    given_credits,
    st.fixed_dictionaries(
        {"kind": st.just("adjust"), "adjustment": names, "credits": amounts | amounts.map("-{}".format)}
    ).map(lambda data: {**data, "reason": "late", "actor": "mia"}),
    st.fixed_dictionaries(
        {"kind": st.just("void_grant"), "grant": names}, optional={"spent": st.sampled_from(["owe", "keep"])}
    ),
    st.builds(lambda plan, at: {"kind": "change_plan", "plan": plan, "at": at}, plans, at_ends),
    st.builds(lambda at: {"kind": "cancel_plan", "at": at}, at_ends),
    st.sampled_from(["2025-11-22", "2025-12-01", "2025-12-22"]).map(lambda day: {"kind": "renew", "period": day}),
    policies,
    policies,
    refills.map(lambda name: {"kind": "refill_paid", "request": name, "payment": {**PAYMENT, "reference": name}}),
    refills.map(lambda name: {"kind": "refill_declined", "request": name}),
)
commands_of_all_kinds = st.builds(
    lambda account, data, id_: {"e_subject": account, "e_data": data, "e_id": id_, "age_ms": 0},
    mostly_acme,
    content_of_commands,
    ids,
)
good_events = st.fixed_dictionaries(
    {
        "e_subject": mostly_acme,
        "e_id": ids,
        "node": st.sampled_from(["answer", "answer", "answer", "search"]),
        "quantity": st.sampled_from([1, 1, 2, "0.5", 20, 250]),
        "age_ms": st.sampled_from([0, 0, 1, HOUR_MS, 13 * HOUR_MS]),
    }
)
steps_of_stories_ms = st.sampled_from([0, 0, 0, 1, 1, MINUTE_MS, HOUR_MS, 12 * HOUR_MS, 3 * DAY_MS])
told = st.tuples(st.sampled_from(["told", "usage"]), good_events, commands_of_all_kinds, steps_of_stories_ms)
# No silence of months: an unanswered refill request is repeated every hour of it.
mistakes = st.tuples(st.sampled_from(["usage", "grant", "top_up"]), events, commands, steps_of_stories_ms)
first_told = st.tuples(
    st.just("told"),
    good_events,
    begun.map(lambda data: {"e_subject": "acme", "e_data": data, "e_id": "first", "age_ms": 0}),
    st.just(0),
)
stories = st.builds(
    lambda first, rest: [first, *rest],
    first_told,
    st.lists(st.one_of(told, told, told, told, mistakes), min_size=MOST_DRAWN // 2, max_size=MOST_DRAWN),
)
"""Commands of all kinds and usage; among them what `entries` has of duplicates and mistakes."""
cuts = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["go on", "checkpoint", "take over"])), max_size=MOST_DRAWN
)


def _records(drawn: Sequence[tuple[str, JsonObject, JsonObject, int]]) -> list[Message]:
    """What was drawn, appended one after the other; times are told from the append time back."""
    records = []
    at_ms, offsets = NOON_MS, [0, 0]
    for kind, event, command, step_ms in drawn:
        at_ms += step_ms
        changes = dict(event if kind == "usage" else command)
        occurred = datetime.fromtimestamp((at_ms - changes.pop("age_ms")) / 1_000, UTC)
        changes["e_time"] = occurred.isoformat()
        if kind in ("grant", "top_up"):
            # The oracle knows no lots, which keep their names for as long as they are there: none comes again so late.
            changes["grant"] += f" of {at_ms // (45 * DAY_MS)}"
        if kind == "told":
            changes["e_data"] = _timed(changes["e_data"], at_ms)
        key = changes["e_subject"].encode()
        which = MANY if kind == "usage" else FEW
        if kind == "usage":
            record = usage_record(usage(**changes), at_ms, offsets[which], key)
        else:
            body = top_up(**changes) if kind == "top_up" else grant(**changes)
            record = command_record(body, at_ms, offsets[which], key)
        records.append(record)
        offsets[which] += 1
    return in_merge_order(records)


def _timed(data: JsonObject, at_ms: int) -> JsonObject:
    """Times of lots are drawn from the append time on."""
    times = {name: data[name] for name in ("effective_at", "expires_at") if name in data}
    return data | {name: datetime.fromtimestamp((at_ms + ms) / 1_000, UTC).isoformat() for name, ms in times.items()}


def _raw(record: Message) -> RawRecord:
    kind = "usage" if record.topic() == INPUTS[MANY] else "commands"
    at_ms = record.timestamp()[1]
    partition, offset = record.partition() or 0, record.offset() or 0
    return RawRecord(kind, partition, offset, at_ms, record.key(), record.value())  # type: ignore[arg-type]


def expected(records: Sequence[Message], cards: Sequence[str], partitions: int = 1) -> Expected:
    return expect([_raw(record) for record in records], cards, OracleSettings(partitions=partitions))


def book_in_parts(scene: Scene, records: Sequence[Message], parts: Sequence[tuple[int, str]]) -> None:
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


def leave_forgotten_lots_out(expected: Expected, found: Figures, written: Sequence[Record]) -> None:
    """The oracle forgets nothing; what a lot became between two checkpoints before it was forgotten has no row."""
    decode = msgspec.json.Decoder(tuple[str, str]).decode
    removed = {
        LotKey(*decode(key or b"")) for topic, key, value in written if topic == TOPICS.lots_changelog and value is None
    }
    for key in [key for key, lot in expected.lots.items() if not lot.held]:
        if key in removed or key not in found.lots:
            del expected.lots[key]
            found.lots.pop(key, None)


@settings(max_examples=80, deadline=None)
@given(st.lists(entries, min_size=1, max_size=MOST_DRAWN), cuts)
def test_any_cut_books_what_the_oracle_expects(
    drawn: list[tuple[str, JsonObject, JsonObject, int]], parts: list[tuple[int, str]]
) -> None:
    """Balances, rollups over their segments, charges, dead letters and drops, whatever was forgotten or restored."""
    records = _records(drawn)
    scene = Scene(most_rollups=2)
    book_in_parts(scene, records, parts)
    wanted, found = expected(records, [CARD]), figures_in(scene.written)
    leave_forgotten_lots_out(wanted, found, scene.written)
    assert differences(wanted, found) == []
    dropped = (scene.outcomes["duplicate"], scene.outcomes["duplicate_command"])
    assert dropped == (wanted.dropped_events, wanted.dropped_commands)


@settings(max_examples=20, deadline=None)
@given(stories, cuts)
def test_any_cut_leaves_the_same_of_everything(
    drawn: list[tuple[str, JsonObject, JsonObject, int]], parts: list[tuple[int, str]]
) -> None:
    """Charges and entries with their chains, notices, rows, lots, how often each outcome was counted, and the clock."""
    records = _records(drawn)
    whole, cut = Scene([CARD, VIP]), Scene([CARD, VIP], most_rollups=1)
    book_in_parts(whole, records, [])
    book_in_parts(cut, records, parts)
    assert charges_in(cut.written) == charges_in(whole.written)
    assert entries_in(cut.written) == entries_in(whole.written)
    assert _told(cut) == _told(whole)
    assert cut.outcomes == whole.outcomes
    assert cut.partition.clock_ms == whole.partition.clock_ms
    assert _accounts(cut) == _accounts(whole)
    assert cut.pipeline.drifted == whole.pipeline.drifted == 0
    for account in whole.pipeline.ledger.books:
        verify_chain(account, [each for each in entries_in(whole.written) if each.account == account])


@settings(max_examples=15, deadline=None)
@given(stories, cuts)
def test_what_is_restored_is_what_was_in_memory(
    drawn: list[tuple[str, JsonObject, JsonObject, int]], parts: list[tuple[int, str]]
) -> None:
    """Every field of rows and lots, whatever the checkpoints were, and what the changelog says without lots beside."""
    scene = Scene([CARD, VIP])
    book_in_parts(scene, _records(drawn), parts)
    before = _accounts(scene, with_versions=True)
    rows = {account: row.remaining for account, row in accounts_in(scene.written).items()}
    assert rows == {account: scene.account(account).remaining for account in scene.pipeline.ledger.books}
    scene.take_over()
    assert _accounts(scene, with_versions=True) == before


def _told(scene: Scene) -> list[NoticeEvent]:
    """The notices in the order of their topics, without the checkpoint that they left with."""
    return [msgspec.structs.replace(each, version=0) for each in notices_in(scene.written)]


def _accounts(scene: Scene, *, with_versions: bool = False) -> dict[str, tuple[AccountRow, list[Lot]]]:
    """Rows and lots in memory; which checkpoint wrote them last is another in another cut."""
    found = {}
    for account in scene.pipeline.ledger.books:
        # A rejected command may have looked at what is over and too old already, which no row says until the next one.
        turn_months(scene.book_of(account), scene.partition.clock_ms)
        forget_closed(scene.book_of(account), scene.partition.clock_ms)
        row, lots = scene.account(account), scene.lots(account)
        if not with_versions:
            row = msgspec.structs.replace(row, version=0)
            lots = [msgspec.structs.replace(lot, version=0) for lot in lots]
        found[account] = (row, lots)
    return found


def test_a_workload_is_booked_as_the_oracle_expects() -> None:
    """Zipf over four partitions, with every kind of malformed event, duplicates, reused ids and late ones."""
    card = encode_json(read_rate_card(RATE_CARD)).decode()
    for partition in range(PARTITIONS):
        records = _workload(partition)
        scene = Scene([card], most_rollups=50, partitions=PARTITIONS, partition=partition)
        book_in_parts(scene, records, [(97, "checkpoint"), (1, "go on"), (300, "take over"), (211, "go on")])
        wanted = expected(records, [card], PARTITIONS)
        assert differences(wanted, figures_in(scene.written, partition)) == []
        assert (len(wanted.charges), wanted.dropped_events) > (200, 5)


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
