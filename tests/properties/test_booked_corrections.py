"""However corrections and what they correct are cut into batches and checkpoints, the oracle expects what is booked."""

from collections.abc import Sequence
from datetime import UTC, datetime

from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_pipeline import book_in_parts, cuts, expected, leave_forgotten_lots_out
from tests.simulation.oracle import differences
from tests.unit.booked_figures import charges_in, entries_in, figures_in
from tests.unit.booking_scene import (
    CARD,
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    JsonObject,
    Scene,
    command_record,
    grant,
    in_merge_order,
    usage,
    usage_record,
)
from tests.unit.test_carrying_out import activate

Drawn = tuple[str, JsonObject, JsonObject, int]
"""What kind it is, what an event and what a correction would say, and how long it came after the one before."""

CARDS = (
    CARD,
    CARD.replace("v1", "v2").replace("2025", "2035").replace('"2"', '"0.000001"'),
    CARD.replace("v1", "v3").replace("2025", "2036").replace('"2"', '"30.5"').replace("search", "seek"),
)
MOST_DRAWN = 30
events = st.fixed_dictionaries(
    {
        "e_subject": st.sampled_from(["acme", "acme", "bolt"]),
        "e_id": st.sampled_from("123456789"),
        "node": st.sampled_from(["answer", "answer", "search"]),
        "quantity": st.sampled_from([1, "0.5", 100, 400]),
        "age_ms": st.sampled_from([0, HOUR_MS]),
    }
)
corrections = st.fixed_dictionaries(
    {
        "id": st.integers(0, 10**6).map(str) | st.sampled_from("12"),
        "of": st.integers(0, 5),
        "credits": st.sampled_from(["0", "0.5", "0.000001", "150", "1000000"]),
        "rate_card": st.sampled_from(["v1", "v2", "v3", "v3", "v4"]),
        "wrong": st.sampled_from([*[""] * 12, "source", "id", "partition", "offset", "subject"]),
    }
)
kinds = st.sampled_from(
    ["usage", "usage", "usage", "usage", "grant", "plan", "void", "void a part", "reprice", "reprice"]
)
steps_ms = st.sampled_from([0, 0, 0, 1, HOUR_MS, DAY_MS + 1, 9 * DAY_MS, 90 * DAY_MS, 90 * DAY_MS + 1])
stories = st.lists(st.tuples(kinds, events, corrections, steps_ms), min_size=6, max_size=MOST_DRAWN)


def _records(drawn: Sequence[Drawn]) -> list[Message]:
    """What was drawn, appended one after the other."""
    records: list[Message] = []
    used: list[tuple[JsonObject, int]] = []
    at_ms, offsets = NOON_MS, {"usage": 0, "command": 0}
    for number, (kind, event, correction, step_ms) in enumerate(drawn):
        at_ms += step_ms
        if kind == "usage":
            offset = offsets["usage"]
            changes = {name: value for name, value in event.items() if name != "age_ms"}
            body = usage(**changes, e_time=_moment(at_ms - event["age_ms"]))
            used.append((body, offset))
            records.append(usage_record(body, at_ms, offset, body["subject"].encode()))
            offsets["usage"] += 1
            continue
        if kind == "grant":
            body = grant(e_id=f"grant {number}", grant=f"g{number}", e_time=_moment(at_ms))
        elif kind == "plan":
            body = activate(overage={"mode": "billed", "price_minor": "2.5"}, currency="EUR") | {"time": _moment(at_ms)}
        else:
            body = _correction(kind, correction, used, at_ms)
        records.append(command_record(body, at_ms, offsets["command"], body["subject"].encode()))
        offsets["command"] += 1
    return in_merge_order(records)


def _correction(kind: str, drawn: JsonObject, used: Sequence[tuple[JsonObject, int]], at_ms: int) -> JsonObject:
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
    subject = "bolt" if drawn["wrong"] == "subject" else body["subject"]
    return grant(e_id=drawn["id"], e_time=_moment(at_ms), e_subject=subject, e_data=said)


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat()


@settings(max_examples=60, deadline=None)
@given(stories, cuts)
def test_any_cut_corrects_what_the_oracle_expects(drawn: list[Drawn], parts: list[tuple[int, str]]) -> None:
    """Balances, lots, bills, entries, rollups and dead letters, whatever was drained, forgotten or restored."""
    records = _records(drawn)
    scene = Scene(CARDS, most_rollups=2)
    book_in_parts(scene, records, parts)
    wanted, found = expected(records, CARDS), figures_in(scene.written)
    leave_forgotten_lots_out(wanted, found, scene.written)
    assert differences(wanted, found) == []
    assert scene.outcomes["duplicate_command"] == wanted.dropped_commands
    assert scene.pipeline.drifted == 0


@settings(max_examples=30, deadline=None)
@given(stories, cuts)
def test_any_cut_corrects_by_the_same_entries(drawn: list[Drawn], parts: list[tuple[int, str]]) -> None:
    """To the last hash; what an event was charged stays what it was."""
    records = _records(drawn)
    whole, cut = Scene(CARDS), Scene(CARDS, most_rollups=1)
    book_in_parts(whole, records, [])
    book_in_parts(cut, records, parts)
    assert entries_in(cut.written) == entries_in(whole.written)
    assert charges_in(cut.written) == charges_in(whole.written)
    assert cut.outcomes == whole.outcomes
