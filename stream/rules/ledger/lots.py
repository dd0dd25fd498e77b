"""Makes lots and takes them back."""

from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.dead_letter import Reason
from schemas.identifiers import GrantId
from schemas.lot import NEVER_MS, PRIORITIES, Lot, LotKind, free_grant_name
from stream.rules.ledger.book import Book
from stream.rules.ledger.commands import Adjust, Grant, VoidGrant
from stream.rules.ledger.posting import Posting
from stream.rules.outcome import Reject

MOST_OPEN_LOTS = 256
LARGEST_GRANT = 10**15
HIGHEST_PRIORITY = 100
_OWN_NAMES = ("plan:", "rollover:", "refill:", "waived:")
_OWED_BY_DEFAULT = ("top_up", "refill")


def new_lot(
    posting: Posting,
    kind: LotKind,
    name: str,
    amount: int,
    expires_at_ms: int = NEVER_MS,
    begins_at_ms: int | None = None,
    detail: str = "",
) -> Lot:
    """Grant a lot of a kind that has its usual priority; it begins now, unless told otherwise."""
    begins = posting.now_ms if begins_at_ms is None else begins_at_ms
    lot = Lot(posting.row.account, GrantId(name), kind, PRIORITIES[kind], begins, expires_at_ms)
    posting.grant(lot, amount, detail)
    return lot


def grant(posting: Posting, command: Grant) -> Reject | None:
    """Make the lot that a command asks for."""
    now_ms, row = posting.now_ms, posting.row
    begins = now_ms if command.effective_at_ms is None else command.effective_at_ms
    ends = NEVER_MS if command.expires_at_ms is None else command.expires_at_ms
    refused = check_grant(posting.book, command.grant, command.amount)
    if refused is not None:
        return refused
    if not max(begins, now_ms) < ends <= NEVER_MS:
        return Reject(Reason.INVALID_TERMS, "it would end before it is usable", row.account)
    priority = PRIORITIES[command.kind] if command.priority is None else command.priority
    if not 0 <= priority <= HIGHEST_PRIORITY:
        return Reject(Reason.INVALID_TERMS, f"priority {priority} is not 0 to {HIGHEST_PRIORITY}", row.account)
    lot = Lot(
        row.account,
        GrantId(command.grant),
        command.kind,
        priority,
        begins,
        ends,
        paid_minor=command.paid_minor,
        currency=command.currency,
        payment=command.payment,
    )
    posting.grant(lot, command.amount, command.detail)
    return None


def check_grant(book: Book, name: str, amount: int) -> Reject | None:
    """Whether an account can take another lot of that name and amount."""
    account = book.row.account
    if not 0 < amount <= LARGEST_GRANT:
        return Reject(Reason.INVALID_AMOUNT, f"{amount} microcredits is not above 0 and at most 10^15", account)
    if book.row.granted + amount > LARGEST_TOTAL_MICROCREDITS:
        detail = f"with it the account would have got more than {LARGEST_TOTAL_MICROCREDITS} microcredits"
        return Reject(Reason.INVALID_AMOUNT, detail, account)
    if name.startswith(_OWN_NAMES) or name == free_grant_name(account):
        return Reject(Reason.GRANT_ID_REUSED, f"{name!r} is a name that the ledger itself gives", account)
    if book.lot(name) is not None:
        return Reject(Reason.GRANT_ID_REUSED, "the account has a grant of this name", account)
    if len(book.open) >= MOST_OPEN_LOTS:
        return Reject(Reason.TOO_MANY_LOTS, f"the account has {MOST_OPEN_LOTS} lots that hold something", account)
    return None


def adjust(posting: Posting, command: Adjust) -> Reject | None:
    """Give credits as a lot, or take them from usable lots in burn-down order."""
    if command.amount >= 0:
        return grant(posting, Grant(command.grant, command.amount, "adjustment", detail=command.detail))
    rest, available = -command.amount, posting.row.available
    if rest > available:
        detail = f"{rest} microcredits are to be taken, {available} are available"
        return Reject(Reason.EXCEEDS_AVAILABLE, detail, posting.row.account)
    for lot in posting.book.usable():
        amount = min(rest, lot.held)
        posting.void(lot, amount, command.detail)
        rest -= amount
        if not rest:
            break
    return None


def void_grant(posting: Posting, command: VoidGrant) -> Reject | None:
    """Take back what a lot and its rollovers hold; with `owe` what they spent is owed. What expired stays expired."""
    book, account = posting.book, posting.row.account
    lot = book.lot(command.grant)
    if lot is None or lot.origin:
        return Reject(Reason.UNKNOWN_GRANT, f"the account has no grant {command.grant!r}", account)
    if lot.state == "voided":
        return Reject(Reason.GRANT_VOIDED, f"the grant {command.grant!r} was voided", account)
    covered = [lot, *(each for each in list(book.lots()) if each.origin == lot.id)]
    unspent = sum(each.held for each in covered)
    if command.amount is not None:
        if command.spent == "owe":
            return Reject(Reason.INVALID_TERMS, "an amount is taken from what is unspent: owe is of a whole", account)
        if not 0 < command.amount <= unspent:
            detail = f"{command.amount} microcredits are to be voided, {unspent} are unspent"
            return Reject(Reason.EXCEEDS_AVAILABLE, detail, account)
        _void_unspent(posting, covered, command.amount, command.detail)
        return None
    _void_unspent(posting, covered, unspent, command.detail)
    spent = command.spent or ("owe" if lot.kind in _OWED_BY_DEFAULT else "keep")
    for each in covered:
        if spent == "owe" and each.spent:
            posting.void_spent(each, command.detail)
        each.state = "voided"
        posting.touch(each)
    return None


def _void_unspent(posting: Posting, lots: list[Lot], rest: int, detail: str) -> None:
    for lot in lots:
        amount = min(rest, lot.held)
        if amount:
            posting.void(lot, amount, detail)
            rest -= amount
