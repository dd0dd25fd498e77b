"""Commands of every kind, each carried out once: given what was booked, when a command comes, then this."""

import json
from collections.abc import Sequence

import pytest

from schemas.correction_command import BookedEvent
from schemas.credits import LARGEST_TOTAL_MICROCREDITS, format_credits
from schemas.dead_letter import Reason
from schemas.identifiers import Account, RateCardVersion
from schemas.lot import Lot
from schemas.notices import Alert
from schemas.topics import TopicNames
from stream.rules.carrying_out import Carrying
from stream.rules.ledger.corrections import ChargeNow, Piece, charge_of
from stream.rules.ledger.ledger import Ledger
from stream.rules.outcome import Reject
from stream.tables import commands_table
from tests.unit.booking_scene import CREDIT, DAY_MS, NOON_MS, JsonObject, grant, top_up
from tests.unit.ledger_charges import charged

EVENT = {"source": "/s", "id": "e", "partition": 0, "offset": 7}
PAYMENT = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
PLAN = {"plan": "team", "included_credits": "1000"}
MORE, LESS = {**PLAN, "included_credits": "2000"}, {**PLAN, "included_credits": "1"}
DECEMBER_MS = 1_764_547_200_000
DONE, AGAIN = "done", "again"


def of(kind: str, id_: str = "1", **data: object) -> JsonObject:
    """A command of another kind."""
    return grant(e_id=id_, e_data={"kind": kind, **data})


def adjust(credits_: str, **envelope: str) -> JsonObject:
    """An adjustment, with changes to its envelope."""
    said = {"kind": "adjust", "adjustment": "a", "credits": credits_, "reason": "late", "actor": "mia"}
    return grant(**{"e_id": "adjust", "e_data": said, **envelope})


def activate(**plan: object) -> JsonObject:
    """An activation of a plan, with changes to the plan."""
    return of("activate_plan", "plan", plan={**PLAN, **plan}, overage="keep")


REFILL = of("set_policy", "policy", refill={"below_credits": "50", "credits": "100"})
TOP_UP, GRANT = top_up(e_id="given"), grant(e_id="given")
USE_120 = {"credits": 120}


class Told:
    """A ledger of one account that is told commands, and used; a card prices every event at 9 credits."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.remembered = commands_table(TopicNames())
        self.carrying = Carrying(self.ledger, self.remembered, self, self.check_partition)
        self.charges: dict[int, ChargeNow] = {}
        self.rolled_up = 0
        self.now_ms = NOON_MS
        self.ledger.catch_up(NOON_MS, caught_up=True)

    def tell(self, command: JsonObject, key: bytes = b"acme") -> str:
        """What becomes of a command."""
        return self.outcome_of(json.dumps(command).encode(), key)

    def outcome_of(self, value: bytes, key: bytes = b"acme") -> str:
        """What becomes of the value of a record."""
        self.ledger.advance(self.now_ms)
        found = self.carrying.book(value, key, 3, self.now_ms)
        if isinstance(found, Reject):
            return found.reason
        return DONE if found else AGAIN

    def use(self, used: int, offset: int = 7) -> None:
        """An event of so many credits."""
        first = len(self.ledger.entries)
        at_us = self.now_ms * 1_000
        charged(self.ledger, "acme", used * CREDIT, 1, "/s", "e", offset, "v1", at_us, self.now_ms)
        free = ChargeNow(Account("acme"), "/s", "e", self.now_ms, [])
        self.charges[offset] = charge_of(self.ledger.entries[first:]) or free

    def charge_of(self, account: Account, event: BookedEvent) -> ChargeNow | None:
        """By its offset alone."""
        return self.charges.get(event.offset) if account == "acme" else None

    def cost_by_card(self, account: Account, event: BookedEvent, rate_card: RateCardVersion) -> int | Reject:
        """Nine credits, by the card v2."""
        detail = f"{event.id} of {account}: there is no {rate_card}"
        return 9 * CREDIT if rate_card == "v2" else Reject(Reason.NO_RATE_CARD, detail, account)

    def corrected(self, event: BookedEvent, charge: ChargeNow, more_microcredits: int, clock_ms: int) -> None:
        """Rolled up."""
        assert self.charges[event.offset] is charge
        assert clock_ms == self.now_ms
        self.rolled_up += more_microcredits

    def check_partition(self, account: str) -> Reject | None:
        """One account belongs elsewhere."""
        return Reject(Reason.WRONG_PARTITION, "elsewhere", account) if account == "away" else None

    def lots(self) -> list[Lot]:
        """All that the account has."""
        book = self.ledger.book("acme")
        assert book is not None
        return [*book.lots()]

    def remaining(self) -> str:
        """In credits."""
        book = self.ledger.book("acme")
        return "none" if book is None else format_credits(book.row.remaining)


def told(given: Sequence[JsonObject]) -> Told:
    """What was booked before, commands and uses; all of it at noon."""
    ledger = Told()
    for each in given:
        if "data" in each:
            assert ledger.tell(each) == DONE
        else:
            ledger.use(each["credits"])
    return ledger


@pytest.mark.parametrize(
    ("given", "when", "then", "remaining"),
    [
        ([], GRANT, DONE, "100"),
        ([], TOP_UP, DONE, "100"),
        ([], grant(effective_at="2025-12-01T00:00:00Z"), DONE, "0"),
        ([], grant(expires_at="2025-11-22T12:00:00Z"), Reason.INVALID_TERMS, "none"),
        ([], grant(grant="free:acme"), Reason.GRANT_ID_REUSED, "none"),
        ([], grant(grant="plan:team"), Reason.GRANT_ID_REUSED, "none"),
        ([TOP_UP], of("void_grant", grant="g1"), DONE, "0"),
        ([TOP_UP], of("void_grant", grant="g1", credits="30"), DONE, "70"),
        ([TOP_UP, USE_120], of("void_grant", grant="g1", spent="keep"), DONE, "-20"),
        ([TOP_UP, USE_120], of("void_grant", grant="g1"), DONE, "-120"),
        ([TOP_UP], of("void_grant", grant="g2"), Reason.UNKNOWN_GRANT, "100"),
        ([], of("void_grant", grant="g1"), Reason.UNKNOWN_GRANT, "none"),
        ([TOP_UP], of("void_grant", grant="g1", credits="101"), Reason.EXCEEDS_AVAILABLE, "100"),
        ([], adjust("5"), DONE, "5"),
        ([GRANT], adjust("-5.5"), DONE, "94.5"),
        ([GRANT], adjust("-101"), Reason.EXCEEDS_AVAILABLE, "100"),
        ([USE_120], of("void_event", event=EVENT), DONE, "500"),
        ([USE_120], of("void_event", event=EVENT, credits="20"), DONE, "400"),
        ([USE_120], of("void_event", event=EVENT, credits="121"), Reason.INVALID_AMOUNT, "380"),
        ([USE_120], of("void_event", event={**EVENT, "offset": 8}), Reason.CHARGE_NOT_FOUND, "380"),
        ([USE_120, of("void_event", "a", event=EVENT)], of("void_event", event=EVENT), AGAIN, "500"),
        ([{"credits": 0}], of("void_event", event=EVENT), Reason.CHARGE_NOT_FOUND, "500"),
        ([], of("void_event", event=EVENT), Reason.CHARGE_NOT_FOUND, "none"),
        ([USE_120], of("reprice", event=EVENT, rate_card="v2"), DONE, "491"),
        ([{"credits": 0}], of("reprice", event=EVENT, rate_card="v2"), DONE, "491"),
        (
            [{"credits": 0}, of("reprice", "a", event=EVENT, rate_card="v2")],
            of("void_event", event=EVENT),
            DONE,
            "500",
        ),
        ([USE_120], of("reprice", event=EVENT, rate_card="v9"), Reason.NO_RATE_CARD, "380"),
        ([USE_120], of("reprice", event={**EVENT, "offset": 8}, rate_card="v2"), Reason.CHARGE_NOT_FOUND, "380"),
        (
            [USE_120, of("reprice", "a", event=EVENT, rate_card="v2")],
            of("reprice", event=EVENT, rate_card="v2"),
            AGAIN,
            "491",
        ),
        ([USE_120, of("void_event", "a", event=EVENT)], of("reprice", event=EVENT, rate_card="v9"), AGAIN, "500"),
        ([], activate(anchor_day=22), DONE, "1000"),
        ([activate()], of("activate_plan", plan=PLAN, overage="keep"), Reason.PLAN_ACTIVE, "300"),
        (
            [activate(anchor_day=22)],
            of("change_plan", plan={**PLAN, "included_credits": 2000}, at="once"),
            DONE,
            "2000",
        ),
        (
            [activate(anchor_day=22)],
            of("change_plan", plan={**PLAN, "included_credits": 1}, at="once"),
            Reason.ONLY_AT_PERIOD_END,
            "1000",
        ),
        (
            [activate(anchor_day=22)],
            of("change_plan", plan={**PLAN, "included_credits": 1}, at="period_end"),
            DONE,
            "1000",
        ),
        ([], of("change_plan", plan=PLAN, at="once"), Reason.NO_PLAN, "none"),
        ([activate(anchor_day=22)], of("cancel_plan", at="once"), DONE, "0"),
        ([activate(anchor_day=22)], of("cancel_plan", at="period_end"), DONE, "1000"),
        ([], of("cancel_plan", at="once"), Reason.NO_PLAN, "none"),
        ([activate(renews="on_payment")], of("renew", period="2025-12-01"), DONE, "300"),
        ([activate(renews="on_payment")], of("renew", period="2025-12-02"), Reason.UNKNOWN_PERIOD, "300"),
        ([activate()], of("renew", period="2025-12-01"), Reason.INVALID_TERMS, "300"),
        (
            [activate(renews="on_payment"), of("renew", "a", period="2025-12-01")],
            of("renew", period="2025-12-01"),
            Reason.PERIOD_RENEWED,
            "300",
        ),
        ([], of("set_policy", thresholds=[{"percent": 20}, {"credits": "5"}]), DONE, "0"),
        ([], of("set_policy", mode="enforce", overage="keep"), DONE, "0"),
        ([], of("set_policy", mode="enforce"), Reason.MISSING_FIELD, "none"),
        ([], of("refill_paid", request="r", payment=PAYMENT), Reason.UNKNOWN_REFILL, "none"),
        ([REFILL], of("refill_declined", request="r"), Reason.UNKNOWN_REFILL, "0"),
    ],
)
def test_a_command_is_carried_out_or_refused_by_name(
    given: list[JsonObject], when: JsonObject, then: str, remaining: str
) -> None:
    """Each row is what was booked before, a command, what becomes of it, and what remains in credits."""
    ledger = told(given)
    assert ledger.tell(when) == then
    assert ledger.remaining() == remaining


@pytest.mark.parametrize(
    ("given", "when", "then"),
    [
        (grant(), grant(), AGAIN),
        (grant(), grant(credits="100.0", e_time="2025-11-22T11:59:00Z"), AGAIN),
        (grant(), grant(credits="101"), Reason.COMMAND_ID_REUSED),
        (grant(), activate() | {"id": "1"}, Reason.COMMAND_ID_REUSED),
        (grant(), grant(e_id="2"), Reason.GRANT_ID_REUSED),
        (grant(), grant(e_source="/other"), Reason.GRANT_ID_REUSED),
        (grant(), of("adjust", "2", adjustment="g1", credits="1", reason="r", actor="m"), Reason.GRANT_ID_REUSED),
        (top_up(), top_up(e_id="2", grant="g2"), Reason.PAYMENT_REUSED),
        (top_up(), of("refill_paid", "2", request="r", payment=PAYMENT), Reason.PAYMENT_REUSED),
        (top_up(), grant(e_id="2", grant="p1"), DONE),
        (
            adjust("9"),
            grant(e_id="2", grant="a"),
            Reason.GRANT_ID_REUSED,
        ),
        (activate(), activate(), AGAIN),
        (activate(), activate(anchor_day=2), Reason.COMMAND_ID_REUSED),
    ],
)
def test_what_was_used_once_is_not_used_again(given: JsonObject, when: JsonObject, then: str) -> None:
    """Each row is a command that was carried out, the one after it, and what becomes of that."""
    assert told([given]).tell(when) == then


def test_a_rejected_command_uses_nothing_up_and_opens_nothing() -> None:
    """Corrected, it may be sent with the same names."""
    ledger = Told()
    late = "2025-08-01T00:00:00Z"
    assert ledger.tell(top_up(expires_at="2025-11-22T12:00:00Z")) == Reason.INVALID_TERMS
    assert ledger.tell(top_up(e_time=late)) == Reason.COMMAND_TOO_OLD
    assert ledger.tell(top_up(e_subject="away"), b"away") == Reason.WRONG_PARTITION
    assert ledger.outcome_of(b"{") == Reason.NOT_JSON
    assert [*ledger.ledger.books] == []
    assert len(ledger.remembered) == 0
    assert ledger.ledger.entries == []
    assert ledger.tell(top_up()) == DONE
    assert len(ledger.remembered) == 3


def test_a_refill_is_paid_or_declined_by_the_id_that_it_was_asked_with() -> None:
    """Paid once, whatever the command's id; somebody is told of one that was never asked for."""
    ledger = told([REFILL])
    (request,) = [each for each in ledger.ledger.notices if not isinstance(each, Alert)]
    declined = of("refill_declined", "d", request=request.id)  # type: ignore[union-attr]
    paid = of("refill_paid", "p", request=request.id, payment=PAYMENT)  # type: ignore[union-attr]
    assert ledger.tell(declined) == DONE
    assert ledger.tell(paid) == DONE
    assert ledger.remaining() == "100"
    assert ledger.tell(paid) == AGAIN
    assert ledger.tell(paid | {"id": "p2"}) == Reason.REFILL_ANSWERED
    assert ledger.tell(of("refill_declined", "d2", request=request.id)) == Reason.REFILL_ANSWERED  # type: ignore[union-attr]
    assert ledger.tell(of("refill_paid", request="r", payment={**PAYMENT, "reference": "p2"})) == Reason.UNKNOWN_REFILL
    assert [each.kind for each in ledger.ledger.notices if isinstance(each, Alert)][-1] == "refill_unknown"


def test_a_lot_has_the_terms_that_its_command_gave() -> None:
    """Priority and times; times to the millisecond."""
    begins, ends = "2025-12-01T00:00:00.000999Z", "2026-01-01T01:00:00.001+01:00"
    ledger = told([top_up(priority=7, effective_at=begins, expires_at=ends)])
    (lot,) = ledger.lots()
    assert (lot.kind, lot.priority, lot.effective_at_ms, lot.expires_at_ms) == (
        "top_up",
        7,
        DECEMBER_MS,
        DECEMBER_MS + 31 * DAY_MS + 1,
    )
    assert (lot.payment, lot.paid_minor, lot.currency) == ("p1", 900, "EUR")


def test_an_entry_names_its_command_and_says_why() -> None:
    """By source, id, place and time; reason and actor are for its readers."""
    ledger = told([grant(reason="sorry"), adjust("-1")])
    first, second = ledger.ledger.entries
    assert (first.cause, first.source, first.id, first.offset, first.detail) == ("command", "/s", "1", 3, "sorry")
    assert first.occurred_at_us == NOON_MS * 1_000
    assert second.detail == "late, by mia"


@pytest.mark.parametrize(
    ("given", "when", "more_credits", "pieces"),
    [
        ([USE_120], of("void_event", event=EVENT, credits="20"), -20, [Piece("burned", 100 * CREDIT, "free:acme")]),
        ([USE_120], of("void_event", event=EVENT), -120, []),
        ([USE_120], of("reprice", event=EVENT, rate_card="v2"), -111, [Piece("burned", 9 * CREDIT, "free:acme")]),
        ([{"credits": 5}], of("reprice", event=EVENT, rate_card="v2"), 4, None),
    ],
)
def test_a_correction_is_kept_and_rolled_up(
    given: list[JsonObject], when: JsonObject, more_credits: int, pieces: list[Piece] | None
) -> None:
    """Each row is an event, its correction, the difference, and what the event costs now if its pieces are few."""
    ledger = told(given)
    assert ledger.tell(when) == DONE
    assert ledger.rolled_up == more_credits * CREDIT
    assert pieces is None or ledger.charges[7].pieces == pieces
    assert ledger.tell(when) == AGAIN
    assert ledger.rolled_up == more_credits * CREDIT


def test_an_event_is_priced_anew_by_at_most_16_cards() -> None:
    """What is kept of it is bounded; one that was used is dropped as before."""
    ledger = told([USE_120])
    ledger.charges[7].cards = [f"card-{number}" for number in range(16)]
    assert ledger.tell(of("reprice", event=EVENT, rate_card="v2")) == Reason.INVALID_TERMS
    assert ledger.tell(of("reprice", event=EVENT, rate_card="card-15")) == AGAIN
    ledger.charges[7].cards.pop()
    assert ledger.tell(of("reprice", event=EVENT, rate_card="v2")) == DONE


def test_an_account_is_charged_no_more_by_a_repricing_than_64_bits_hold() -> None:
    """As by usage; less is always given back."""
    ledger = told([{"credits": 5}, grant(credits="1")])
    book = ledger.ledger.book("acme")
    assert book is not None
    book.row.charged = LARGEST_TOTAL_MICROCREDITS - 4 * CREDIT + 1
    assert ledger.tell(of("reprice", "2", event=EVENT, rate_card="v2")) == Reason.COST_TOO_LARGE
    assert ledger.charges[7].cards == []
    book.row.charged -= 1
    assert ledger.tell(of("reprice", "2", event=EVENT, rate_card="v2")) == DONE


def test_an_event_is_corrected_for_90_days() -> None:
    """Then an adjustment puts it right."""
    ledger = told([USE_120])
    ledger.now_ms += 90 * DAY_MS + 1
    later = "2026-02-20T12:00:00Z"
    for command in (of("void_event", event=EVENT), of("reprice", event=EVENT, rate_card="v2")):
        assert ledger.tell(command | {"time": later}) == Reason.TOO_OLD_TO_VOID


def test_names_are_free_again_when_no_retry_is_accepted() -> None:
    """After 90 days and 5 minutes."""
    ledger = told([grant(), adjust("-1")])
    ledger.now_ms += 90 * DAY_MS + 5 * 60_000
    again = adjust("-2", e_time="2026-02-20T12:05:00Z")
    assert ledger.tell(again) == Reason.COMMAND_ID_REUSED
    assert ledger.tell(again | {"id": "other"}) == Reason.GRANT_ID_REUSED
    ledger.now_ms += 1
    assert ledger.tell(again) == DONE
    assert ledger.remaining() == "97"
