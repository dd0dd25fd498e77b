"""One example of every kind of command."""

from datetime import UTC, date, datetime
from decimal import Decimal

from schemas.command import Command, CommandData, Grant, TopUp
from schemas.correction_command import Adjust, BookedEvent, Reprice, VoidEvent, VoidGrant
from schemas.identifiers import Account, EventId, GrantId, RateCardVersion
from schemas.payment import Payment
from schemas.plan_command import ActivatePlan, CancelPlan, ChangePlan, Overage, Plan, Renew, Rollover
from schemas.policy_command import RefillDeclined, RefillPaid, RefillPolicy, SetPolicy, Threshold

_TIME = datetime(2025, 11, 22, 12, 30, tzinfo=UTC)
_REQUEST = "0f0f5b9e-7d3c-5a41-9a53-0d8a4c3b2f11"
_EVENT = BookedEvent(source="/runtimes/eu-1", id=EventId("run-7/answer"), partition=3, offset=17)
_PLAN = Plan(
    plan="team",
    included_credits=Decimal(10_000),
    anchor_day=15,
    rollover=Rollover(cap_credits=Decimal(2_500), periods=1),
    overage=Overage(mode="billed", price_minor=Decimal("0.9"), limit_credits=Decimal(5_000)),
    currency="EUR",
    fee_minor=9_900,
)
_DATA: list[CommandData] = [
    Grant(
        grant=GrantId("goodwill-7"),
        credits=Decimal(100),
        reason="outage of 20 November",
        priority=15,
        effective_at=datetime(2025, 12, 1, tzinfo=UTC),
        expires_at=datetime(2026, 3, 1, tzinfo=UTC),
    ),
    TopUp(
        grant=GrantId("top-up-7"),
        credits=Decimal("2500.5"),
        payment=Payment(reference="pay-7", amount_minor=4900, currency="EUR"),
    ),
    VoidGrant(grant=GrantId("top-up-7"), spent="owe", reason="the payment was charged back"),
    VoidEvent(event=_EVENT, credits=Decimal("1.5"), reason="half an answer"),
    Adjust(adjustment=GrantId("adjustment-7"), credits=Decimal(-20), reason="granted twice", actor="mia"),
    Reprice(event=_EVENT, rate_card=RateCardVersion("2025-11b")),
    ActivatePlan(plan=_PLAN, overage="keep"),
    ChangePlan(plan=Plan(plan="free", included_credits=Decimal(0), anchor_day=15), at="period_end"),
    CancelPlan(at="once"),
    Renew(period=date(2025, 12, 15)),
    SetPolicy(
        mode="enforce",
        overage="waive",
        thresholds=(Threshold(percent=20), Threshold(credits=Decimal(50))),
        refill=RefillPolicy(
            below_credits=Decimal(500),
            credits=Decimal(1_000),
            most_credits=Decimal(10_000),
            most_requests=8,
        ),
    ),
    RefillPaid(request=_REQUEST, payment=Payment(reference="pay-8", amount_minor=2900, currency="EUR")),
    RefillDeclined(request=_REQUEST, retry=False, reason="the card has expired"),
]

COMMANDS = [
    Command(id=f"command-{number}", source="/billing", subject=Account("acme"), time=_TIME, data=data)
    for number, data in enumerate(_DATA, start=1)
]
