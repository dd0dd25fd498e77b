"""What is wrong with a command that cannot be decoded, by the first of its fields, in the words of its dead letter."""

import json

import pytest

from schemas.dead_letter import Reason
from stream.rules.command_envelope import diagnose_command
from tests.unit.booking_scene import JsonObject, grant, top_up

LONG = "x" * 257
EVENT = {"source": "s", "id": "e", "partition": 0, "offset": 1}
FIELD, MISSING, AMOUNT, TERMS = (
    Reason.INVALID_FIELD,
    Reason.MISSING_FIELD,
    Reason.INVALID_AMOUNT,
    Reason.INVALID_TERMS,
)


def payment(**changes: object) -> JsonObject:
    """A good payment with changes."""
    return {"reference": "p1", "amount_minor": 900, "currency": "EUR", **changes}


def of(kind: str, **data: object) -> JsonObject:
    """A command of another kind."""
    return grant(e_data={"kind": kind, **data})


def plan(**changes: object) -> JsonObject:
    """A good activation of a plan, with changes to the plan."""
    return of("activate_plan", plan={"plan": "team", "included_credits": "100", **changes}, overage="keep")


@pytest.mark.parametrize(
    ("command", "reason", "detail"),
    [
        (grant(e_type="creditstream.usage"), Reason.WRONG_TYPE, "type is 'creditstream.usage' instead of"),
        (grant(e_source=...), MISSING, "source is missing or empty"),
        (grant(e_data=5), FIELD, "data is a number, not an object"),
        (grant(e_id=LONG), FIELD, "id has 257 characters, more than 256"),
        (grant(e_datacontenttype=1), FIELD, "datacontenttype is 1 instead of 'application/json'"),
        (grant(kind="gift", grant=...), FIELD, "kind is 'gift', not one of grant, top_up, void_grant,"),
        (grant(kind=...), FIELD, "kind is None, not one of grant, top_up, void_grant,"),
        (grant(grant=""), MISSING, "grant is missing or empty"),
        (grant(credits=...), MISSING, "credits is missing or empty"),
        (grant(grant=5), FIELD, "grant is a number, not text"),
        (grant(reason=5), FIELD, "reason is a number, not text"),
        (grant(reason=LONG, credits="x"), FIELD, "reason has 257 characters, more than 256"),
        (grant(credits=True, e_time="soon"), AMOUNT, "credits is true or false"),
        (grant(credits="a lot"), AMOUNT, "credits: 'a lot' is not a decimal number"),
        (grant(e_time="soon"), Reason.INVALID_TIME, "time is 'soon'"),
        (top_up(payment=...), MISSING, "payment is missing or empty"),
        (top_up(payment="p1"), FIELD, "payment is text, not an object"),
        (top_up(payment=payment(reference="")), MISSING, "payment.reference is missing or empty"),
        (top_up(payment=payment(reference=LONG)), FIELD, "payment.reference has 257 characters"),
        (top_up(payment=payment(currency=978)), FIELD, "payment.currency is a number, not text"),
        *(
            (
                top_up(payment=payment(amount_minor=wrong)),
                FIELD,
                f"payment.amount_minor is {shown}, not",
            )
            for wrong, shown in ((-1, "-1"), (1.5, "1.5"), ("1", "text"), (10**20, "100000000000000000000"))
        ),
        (top_up(payment=payment(currency="euro")), FIELD, "payment.currency has 4 characters"),
        (
            top_up(payment=payment(currency="EU")),
            FIELD,
            "payment.currency is 'EU', not as the",
        ),
        (top_up(payment=payment(currency="EUR\n")), FIELD, "payment.currency has 4 characters"),
        (top_up(payment=payment(currency="EU"), credits="x"), FIELD, "payment.currency is 'EU'"),
        (grant(credits="0", expires_at="1960-01-01T00:00:00Z", e_time="soon"), AMOUNT, "credits is 0"),
        (grant(expires_at="1960-01-01T00:00:00Z", e_time="soon"), TERMS, "expires_at is 1960-01-01T"),
        (grant(priority=101), FIELD, "priority is 101, not a whole number from 0 to 100"),
        (grant(priority=True), FIELD, "priority is true or false, not a whole number from 0"),
        (grant(effective_at=5), FIELD, "effective_at is a number, not text"),
        (grant(expires_at="2025-12-01"), Reason.INVALID_TIME, "expires_at is '2025-12-01'"),
        (of("void_grant", grant="g", spent="burn"), FIELD, "spent is 'burn', not keep or owe"),
        (of("void_event", event={"source": "s"}), MISSING, "event.id is missing or empty"),
        (of("void_event", event=7, credits=[]), FIELD, "event is a number, not an object"),
        (of("reprice", event={**EVENT, "offset": 2**63}), MISSING, "rate_card is missing or empty"),
        (of("reprice", event={**EVENT, "offset": 2**63}, rate_card="v"), FIELD, "event.offset is 9223372"),
        (of("adjust", adjustment="a", credits="5", reason="r"), MISSING, "actor is missing or empty"),
        (of("activate_plan", plan={"plan": "p"}, overage="keep"), MISSING, "plan.included_credits is missing"),
        (plan(anchor_day="1"), FIELD, "plan.anchor_day is text, not a whole number from 1 to 31"),
        (plan(rollover={"periods": 1}), MISSING, "plan.rollover.cap_credits is missing or empty"),
        (plan(rollover="all"), FIELD, "plan.rollover is text, not an object"),
        (plan(overage=None), FIELD, "plan.overage is null, not an object"),
        (plan(overage={"mode": "free"}), FIELD, "plan.overage.mode is 'free', not billed or carried or"),
        (plan(overage={"limit_credits": "x"}), AMOUNT, "plan.overage.limit_credits: 'x' is not a decimal"),
        (plan(rate_card_line=""), FIELD, "plan.rate_card_line is empty"),
        (plan(currency="eur"), FIELD, "plan.currency is 'eur', not as the"),
        (of("cancel_plan", at="noon"), FIELD, "at is 'noon', not once or period_end"),
        (of("renew", period="1 Dec"), FIELD, "period is '1 Dec', not a day such as 2025-12-01"),
        (of("renew", period=20251201), FIELD, "period is a number, not text"),
        (of("set_policy", thresholds={}), FIELD, "thresholds is an object, not a list"),
        (of("set_policy", thresholds=[{}] * 9), FIELD, "thresholds has 9 items, more than 8"),
        (of("set_policy", thresholds=[{"percent": 20}, 5]), FIELD, "thresholds[2] is a number, not an"),
        (of("set_policy", thresholds=[{"percent": 0}]), FIELD, "thresholds[1].percent is 0, not a whole"),
        (of("set_policy", refill="on"), FIELD, "refill is 'on', not off"),
        (of("set_policy", refill={"credits": 5}), MISSING, "refill.below_credits is missing or empty"),
        (of("refill_paid", request="r"), MISSING, "payment is missing or empty"),
        (of("refill_declined", request="r", retry="no"), FIELD, "retry is text, not true or false"),
    ],
)
def test_the_first_field_that_is_wrong_in_a_command_is_named(command: JsonObject, reason: Reason, detail: str) -> None:
    """Each row is a command, the reason, and how the detail begins."""
    found = diagnose_command(json.dumps(command).encode())
    assert found.reason == reason
    assert found.detail.startswith(detail)
    assert found.account == "acme"
