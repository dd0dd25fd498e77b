"""Carries a command out once, or says why it does not."""

from datetime import datetime, timedelta

from tests.simulation.ledger_oracle import lots, plans, refill, telling
from tests.simulation.ledger_oracle.burning import burn, repay
from tests.simulation.ledger_oracle.posting import Posting, Rejected
from tests.simulation.ledger_oracle.records import (
    LARGEST_GRANT,
    ActivatePlan,
    Adjust,
    CancelPlan,
    ChangePlan,
    Command,
    EventName,
    Grant,
    LotTerms,
    RefillDeclined,
    RefillPaid,
    Renew,
    Reprice,
    SetPolicy,
    TopUp,
    VoidEvent,
    VoidGrant,
)
from tests.simulation.ledger_oracle.refunds import refund
from tests.simulation.ledger_oracle.state import Account, Charge, LotKind

OLDEST = timedelta(days=90)
FURTHEST_AHEAD = timedelta(minutes=5)
MOST_OPEN_LOTS = 256
MOST_CARDS = 16
LARGEST_TOTAL = 4 * 10**18
OWN_NAMES = ("plan:", "rollover:", "refill:", "waived:")


class Dropped(Exception):  # noqa: N818 - it is an answer, not an error of the oracle
    """The same as was carried out before."""


def carry_out(posting: Posting, command: Command) -> None:
    """Checks come before anything is changed: a command that is rejected leaves nothing."""
    account, now = posting.account, posting.now
    _check_identity(account, command, now)
    used = _used(command)
    for what in used:
        before = account.used.get(what)
        if before is not None and now - before <= OLDEST + FURTHEST_AHEAD:
            raise Rejected(_REUSED[what[0]])
    _dispatch(posting, command)
    account.commands[command.source, command.id] = ((command.content, command.reason), now)
    account.used.update(dict.fromkeys(used, now))


def _check_identity(account: Account, command: Command, now: datetime) -> None:
    if command.time > now + FURTHEST_AHEAD:
        raise Rejected("too_far_ahead")
    if command.time < now - OLDEST:
        raise Rejected("command_too_old")
    before = account.commands.get((command.source, command.id))
    if before is not None and now - before[1] <= OLDEST + FURTHEST_AHEAD:
        if before[0] != (command.content, command.reason):
            raise Rejected("command_id_reused")
        raise Dropped


_REUSED = {"grant": "grant_id_reused", "payment": "payment_reused"}


def _used(command: Command) -> list[tuple[str, str]]:
    """What may be used once in an account, whatever the command's id."""
    content = command.content
    used = []
    if isinstance(content, Grant | TopUp):
        used.append(("grant", content.grant))
    if isinstance(content, Adjust):
        used.append(("grant", content.adjustment))
    if isinstance(content, TopUp | RefillPaid):
        used.append(("payment", content.payment.reference))
    return used


def _dispatch(posting: Posting, command: Command) -> None:
    match command.content:
        case ActivatePlan() | ChangePlan() | CancelPlan() | Renew() as content:
            _plan(posting, content)
        case Grant() as content:
            _grant(posting, "promotional", content)
        case TopUp() as content:
            _grant(posting, "top_up", content)
        case Adjust() as content:
            _adjust(posting, content)
        case VoidGrant() as content:
            lots.void_grant(posting, content)
            repay(posting)
        case VoidEvent() as content:
            _void_event(posting, content)
        case Reprice() as content:
            _reprice(posting, content)
        case SetPolicy() as content:
            _set_policy(posting, content)
        case RefillPaid() as content:
            refill.pay(posting, content)
        case RefillDeclined() as content:
            refill.decline(posting, content)


def _plan(posting: Posting, content: ActivatePlan | ChangePlan | CancelPlan | Renew) -> None:
    match content:
        case ActivatePlan():
            plans.activate(posting, content)
        case ChangePlan():
            plans.change(posting, content)
        case CancelPlan():
            plans.cancel(posting, content)
        case Renew():
            plans.renew(posting, content)


def _grant(posting: Posting, kind: LotKind, content: Grant | TopUp) -> None:
    _check_new_lot(posting, content.grant, content.amount, content.terms)
    terms = content.terms
    posting.open_lot(
        kind,
        content.amount,
        id=content.grant,
        priority=terms.priority,
        effective_at=terms.effective_at,
        expires_at=terms.expires_at,
        payment=content.payment if isinstance(content, TopUp) else None,
    )
    if kind == "top_up":
        refill.end_suspension(posting.account)
    repay(posting)


def _check_new_lot(posting: Posting, id_: str, amount: int, terms: LotTerms) -> None:
    account = posting.account
    if not 0 < amount <= LARGEST_GRANT or account.totals.granted + amount > LARGEST_TOTAL:
        raise Rejected("invalid_amount")
    if id_.startswith(OWN_NAMES) or id_ == f"free:{account.name}":
        raise Rejected("grant_id_reused")
    if any(lot.id == id_ for lot in account.lots if lot.is_kept(posting.now)):
        raise Rejected("grant_id_reused")
    if sum(1 for lot in account.lots if lot.held) >= MOST_OPEN_LOTS:
        raise Rejected("too_many_lots")
    if terms.priority is not None and not 0 <= terms.priority <= 100:
        raise Rejected("invalid_terms")
    begins = terms.effective_at or posting.now
    if terms.expires_at is not None and terms.expires_at <= max(posting.now, begins):
        raise Rejected("invalid_terms")


def _adjust(posting: Posting, content: Adjust) -> None:
    if content.amount > 0:
        _check_new_lot(posting, content.adjustment, content.amount, LotTerms())
        posting.open_lot("adjustment", content.amount, id=content.adjustment)
        repay(posting)
    elif content.amount < 0:
        lots.adjust_down(posting, content)
    else:
        raise Rejected("invalid_amount")


def _void_event(posting: Posting, content: VoidEvent) -> None:
    charge = _charge(posting, content.event, "too_old_to_void")
    if charge.is_free and not charge.cards:
        raise Rejected("charge_not_found")
    if charge.is_voided:
        raise Dropped
    amount = charge.now if content.amount is None else content.amount
    if amount > charge.now:
        raise Rejected("invalid_amount")
    charge.is_voided = True
    refund(posting, charge, amount)
    repay(posting)


def _reprice(posting: Posting, content: Reprice) -> None:
    charge = _charge(posting, content.event, "too_old_to_void")
    if charge.is_voided or content.rate_card in charge.cards:
        raise Dropped
    if content.unpriced:
        raise Rejected(content.unpriced)
    if len(charge.cards) >= MOST_CARDS:
        raise Rejected("invalid_terms")
    if posting.account.totals.charged + content.cost - charge.now > LARGEST_TOTAL:
        raise Rejected("cost_too_large")
    charge.cards.add(content.rate_card)
    charge.rate_card = posting.rate_card = content.rate_card
    if content.cost > charge.now:
        burn(posting, charge, content.cost - charge.now, occurred_at=None)
    else:
        refund(posting, charge, charge.now - content.cost)
        repay(posting)


def _charge(posting: Posting, event: EventName, too_old: str) -> Charge:
    charge = posting.account.charges.get(event)
    if charge is None:
        raise Rejected("charge_not_found")
    if posting.now - charge.ingested_at > OLDEST:
        raise Rejected(too_old)
    posting.event = event
    return charge


def _set_policy(posting: Posting, content: SetPolicy) -> None:
    account = posting.account
    telling.check_mode(account, content)
    if content.thresholds is not None:
        telling.set_thresholds(account, content.thresholds)
    if content.mode is not None:
        if content.mode == "enforce" and account.mode == "observe" and content.overage == "waive":
            plans.waive(posting)
        account.mode = content.mode
    if content.refill is not None:
        refill.set_refill_policy(account, content.refill)
