"""Bills: overage that money pays, one line per period and price; what is closed is corrected on the current one."""

from schemas.account import AccountRow, BillLine, find_line
from schemas.notices import Bill
from stream.rules.ledger.posting import Posting

MOST_LINES = 8
"""Lines of a bill; a change of price that would need more waits for the period's end."""
_MICROCREDIT_MICROS_PER_MINOR = 10**12


def line_of(row: AccountRow, period_start_ms: int, price_micros: int, currency: str) -> BillLine:
    """The same, begun if there is none."""
    line = find_line(row, period_start_ms, price_micros, currency)
    if line is None:
        line = BillLine(period_start_ms, price_micros, currency)
        row.bill = (*row.bill, line)
    return line


def amount_minor(line: BillLine) -> int:
    """What a line comes to: credits times price, rounded half-even to the minor unit, once."""
    whole, rest = divmod(line.microcredits * line.price_micros, _MICROCREDIT_MICROS_PER_MINOR)
    half = _MICROCREDIT_MICROS_PER_MINOR // 2
    return whole + (rest > half or (rest == half and whole & 1))


def close_bill(posting: Posting, at_ms: int) -> None:
    """The period's bill is closed: its lines, if there are any, leave the account for good."""
    row = posting.row
    lines = tuple(line for line in row.bill if line.microcredits)
    if lines:
        amounts = tuple(amount_minor(line) for line in lines)
        plan = "" if row.plan is None else row.plan.id
        posting.notices.append(Bill(row.account, plan, row.period_start_ms, at_ms, lines, amounts))
        posting.write("bill_closed", detail=plan)
    row.bill = ()
    row.overage_used = 0
