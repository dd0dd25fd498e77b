"""Which dead letters are fed back, as what, and why the others are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.dead_letter import DeadLetter, Reason
from stream.__main__ import main
from stream.replay.choice import Chooser, Chosen, Feed, Identity, Skip
from stream.replay.files import BadFileError, read_charged, read_repairs, write_identities
from stream.replay.letters import Letter, LetterPlace
from tests.unit.booking_scene import CARD, DAY_MS, HOUR_MS, NOON_MS, rate_cards, usage

PLACE = LetterPlace(3, 42)
HORIZON_US = (DAY_MS - 300_000) * 1_000
ACME = Identity("acme", "/s", "1")


def letter(reason: Reason, body: Any, **changes: Any) -> Letter:
    """A dead letter of usage; bytes are taken as they are."""
    value = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields: dict[str, Any] = {
        "reason": reason,
        "detail": "",
        "fix": "",
        "topic": "usage.events",
        "partition": 0,
        "offset": 7,
        "ingested_at_ms": NOON_MS,
        "booked_at_ms": NOON_MS,
        "account": "acme",
        "key": b"acme",
        "value": value,
        "value_bytes": len(value),
        "value_sha256": "",
    }
    return Letter(PLACE, DeadLetter(**{**fields, **changes}))


def chosen(
    found: Letter,
    *,
    repaired: Any = None,
    replayed: bool = False,
    charged: bool | None = None,
    now_ms: int = NOON_MS + HOUR_MS,
) -> Feed | Skip:
    """What becomes of a letter, an hour after it was rejected."""
    chooser = Chooser(
        "usage.events",
        rate_cards(CARD),
        HORIZON_US,
        lambda: now_ms * 1_000,
        {} if repaired is None else {PLACE: json.dumps(repaired).encode()},
        {PLACE} if replayed else set(),
        {} if charged is None else {ACME: charged},
    )
    return chooser.choose(found)


OLD, LATER = usage(e_time="2025-11-20T12:00:00Z"), usage(e_time="2025-11-22T12:30:00Z")
UNPRICED = Reason.UNKNOWN_NODE
BY_AGE = Reason.OLDER_THAN_DEDUP_WINDOW


@pytest.mark.parametrize(
    ("found", "how", "why"),
    [
        (letter(UNPRICED, usage(node="teleport")), {}, "still unknown_node"),
        (letter(UNPRICED, usage()), {"replayed": True}, "replayed before"),
        (letter(UNPRICED, usage(), topic="credits.commands"), {}, "not usage"),
        (letter(Reason.TOO_LARGE, usage(), value_bytes=1 << 20), {}, "cut"),
        (letter(Reason.NOT_JSON, b"{"), {}, "still not_json"),
        (letter(Reason.NOT_UTF8, b"\xff"), {}, "still not_utf8"),
        (letter(Reason.INVALID_QUANTITY, usage(quantity=-1)), {}, "still invalid_quantity"),
        (letter(Reason.INVALID_QUANTITY, usage()), {"repaired": usage(quantity=0)}, "still invalid_quantity"),
        (letter(Reason.INVALID_FIELD, usage(e_subject="\0acme")), {}, "still invalid_field"),
        (letter(Reason.COST_TOO_LARGE, usage(node="gold", quantity=10)), {}, "still cost_too_large"),
        (letter(UNPRICED, usage(e_time="2025-01-01T00:00:00Z")), {}, "still older_than_dedup_window"),
        (letter(UNPRICED, usage()), {"now_ms": NOON_MS + DAY_MS}, "still older_than_dedup_window"),
        (letter(Reason.TOO_FAR_AHEAD, usage()), {"now_ms": NOON_MS - HOUR_MS}, "still too_far_ahead"),
        (letter(Reason.EVENT_ID_REUSED, usage()), {}, "still event_id_reused"),
        (letter(Reason.EVENT_ID_REUSED, usage()), {"repaired": usage(quantity=2)}, "still event_id_reused"),
        (letter(BY_AGE, OLD), {"repaired": LATER, "charged": True}, "charged before"),
        (letter(Reason.INVALID_TIME, usage(e_time="?")), {"repaired": LATER, "charged": True}, "charged before"),
    ],
)
def test_what_would_be_rejected_or_booked_again_is_left_out(found: Letter, how: dict[str, Any], why: str) -> None:
    """Each row: a dead letter, how it is replayed, and what is said of it."""
    outcome = chosen(found, **how)
    assert isinstance(outcome, Skip)
    assert (outcome.place, outcome.why) == (PLACE, why)


@pytest.mark.parametrize(
    ("found", "how", "looked_up"),
    [
        (letter(UNPRICED, usage()), {}, True),
        (letter(Reason.WRONG_PARTITION, usage()), {}, True),
        (letter(Reason.KEY_MISMATCH, usage(), account="", key=None), {}, True),
        (letter(Reason.TOO_FAR_AHEAD, usage()), {}, True),
        (letter(Reason.INVALID_QUANTITY, usage(quantity=-1)), {"repaired": usage()}, True),
        (letter(Reason.EVENT_ID_REUSED, usage(e_id="2")), {"repaired": usage()}, True),
        (letter(BY_AGE, OLD), {"repaired": LATER}, False),
        (letter(BY_AGE, OLD), {"repaired": LATER, "charged": False}, True),
        (letter(BY_AGE, usage()), {}, False),
        (letter(UNPRICED, usage()), {"repaired": LATER}, False),
        (letter(Reason.INVALID_TIME, usage(e_time="yesterday")), {"repaired": LATER}, False),
    ],
)
def test_what_can_be_booked_is_fed_with_its_account_as_the_key(
    found: Letter, how: dict[str, Any], looked_up: bool
) -> None:
    """Once it was looked up, where its identity may have been charged under another time."""
    outcome = chosen(found, **how)
    assert isinstance(outcome, Feed)
    assert (outcome.identity, outcome.must_be_looked_up) == (ACME, not looked_up)
    repaired = how.get("repaired")
    assert json.loads(outcome.value) == (json.loads(found.letter.value) if repaired is None else repaired)


@pytest.mark.parametrize(
    ("condition", "has"),
    [
        (Chosen(), True),
        (Chosen(frozenset({"unknown_node"}), "acme", NOON_MS, NOON_MS + 1, frozenset({PLACE})), True),
        (Chosen(reasons=frozenset({"not_json"})), False),
        (Chosen(account="other"), False),
        (Chosen(from_ms=NOON_MS + 1), False),
        (Chosen(until_ms=NOON_MS), False),
        (Chosen(places=frozenset({LetterPlace(3, 43)})), False),
    ],
)
def test_every_condition_must_hold(condition: Chosen, has: bool) -> None:
    """Reason, account, time of rejection, place."""
    assert condition.has(letter(UNPRICED, usage())) == has


def test_a_repaired_event_keeps_its_numbers_as_they_were_written(tmp_path: Path) -> None:
    """No float comes near a quantity."""
    file = tmp_path / "repairs"
    file.write_text('{"partition": 3, "offset": 42, "event": {"quantity": 0.1000000000000000000001}}\n\n')
    assert read_repairs(file) == {PLACE: b'{"quantity": 0.1000000000000000000001}'}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"partition": 3}', "line 1"),
        ('{"partition": 3, "offset": 1, "event": {}}\n{"partition": 3, "offset": 1, "event": {}}', "repaired twice"),
        ("nonsense", "line 1"),
        ('{"partition": 3, "offset": 1, "event": {}, "evnt": {}}', "evnt"),
    ],
)
def test_a_file_of_repairs_that_cannot_be_used_is_told_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    """Nothing is sent."""
    file = tmp_path / "repairs"
    file.write_text(text)
    with pytest.raises(BadFileError, match=told):
        read_repairs(file)


def test_what_is_asked_can_be_answered(tmp_path: Path) -> None:
    """Each identity once, in the form in which the answer is read."""
    file = tmp_path / "ids"
    assert write_identities(file, [ACME, ACME]) == 1
    asked = json.loads(file.read_text())
    file.write_text(json.dumps({**asked, "charged": True}))
    assert read_charged(file) == {ACME: True}


@pytest.mark.parametrize(
    "arguments",
    [(), ("--offset", "3"), ("--from", "yesterday"), ("--reason", "bad_luck"), ("--repairs", "/not/there")],
)
def test_a_replay_that_is_asked_for_wrongly_ends_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it looks for Kafka; which dead letters are meant must be said."""
    try:
        code = main(["replay", *arguments])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert capsys.readouterr().err
