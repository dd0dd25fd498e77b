"""An account that usage opens without a posting is the one that posting would have opened."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.account import account_of
from schemas.credits import FREE_GRANT_MICROCREDITS, MICROCREDITS_PER_CREDIT
from schemas.lot import Lot
from stream.rules.ledger.books import Books
from stream.rules.ledger.ledger import Ledger
from tests.properties.test_ledger import SlowLedger
from tests.unit.ledger_charges import charged

NOON_MS = 1_763_812_800_000
costs = st.one_of(
    st.integers(0, 3),
    st.integers(1, 600 * MICROCREDITS_PER_CREDIT),
    st.sampled_from([FREE_GRANT_MICROCREDITS - 1, FREE_GRANT_MICROCREDITS, FREE_GRANT_MICROCREDITS + 1]),
)
waits_ms = st.sampled_from([0, 1, 86_400_000, 9 * 86_400_000])
events = st.lists(st.tuples(costs, st.integers(0, 1), waits_ms, st.booleans()), min_size=1, max_size=6)


@given(st.sampled_from(["acme", "\U0001f600" * 256]), events)
def test_opening_by_usage_leaves_exactly_what_posting_leaves(
    account: str, drawn: list[tuple[int, int, int, bool]]
) -> None:
    """Entries and their chain, notices, row, lots, due time and room, whatever checkpoints and rests come between."""
    quick, resting, slow = (Opened(ledger, account) for ledger in (Ledger(), Ledger(Books(most_awake=0)), SlowLedger()))
    now_ms = NOON_MS
    for number, (cost, messages, wait_ms, is_drained) in enumerate(drawn):
        now_ms += wait_ms
        for each in (quick, resting, slow):
            each.ledger.advance(now_ms)
            at_us = now_ms * 1_000
            refused = charged(each.ledger, account, cost, messages, "/r", f"e{number}", number, "v1", at_us, now_ms)
            assert refused is None
        if is_drained:
            assert quick.checkpoint() == resting.checkpoint() == slow.checkpoint()
    assert quick.checkpoint() == resting.checkpoint() == slow.checkpoint()
    assert quick.in_memory() == resting.in_memory() == slow.in_memory()


class Opened:
    """One ledger with one account, and what changelogs have of it."""

    def __init__(self, ledger: Ledger, account: str) -> None:
        self.ledger = ledger
        self._account = account
        self._lots: dict[str, Lot] = {}

    def checkpoint(self) -> tuple[object, ...]:
        """Entries and notices, and what the changelogs say then: in which of two rows a lot is says nothing of it."""
        drained = self.ledger.drain()
        self.ledger.books.rest()
        self.ledger.version += 1
        assert drained.drift == []
        for _, value in drained.lots:
            lot = msgspec.msgpack.decode(value or b"", type=Lot)
            self._lots[lot.id] = lot
        rows = [account_of(row or b"") for _, row in drained.accounts]
        for row in rows:
            if row.first_lot is not None:
                self._lots[row.first_lot.id] = row.first_lot
                row.first_lot = None
        return drained.entries, drained.notices, rows, {name: _unwritten(lot) for name, lot in self._lots.items()}

    def in_memory(self) -> tuple[object, ...]:
        """The account as it is."""
        book = self.ledger.book(self._account)
        assert book is not None
        lots = [_unwritten(lot) for lot in book.lots()]
        return msgspec.structs.astuple(book.row), lots, book.due_at_ms, self.ledger.due.next_ms()


def _unwritten(lot: Lot) -> Lot:
    """Without the checkpoint that writes it."""
    return msgspec.structs.replace(lot, version=0)
