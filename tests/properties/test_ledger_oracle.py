"""Whatever happens to an account, its books balance: the oracle's equations hold after every posting."""

import pickle
from collections import Counter
from datetime import timedelta

from hypothesis import HealthCheck, given, settings

from tests.properties.ledger_histories import Drawn, History, histories
from tests.unit.ledger_examples.adapter import ACCOUNT, OracleLedger

# What is drawn is long by intent; it is the number of histories that is kept small.
LONG = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@LONG
@given(histories(size=200))
def test_any_200_operations_keep_the_six_equations_and_the_chain(drawn: list[Drawn]) -> None:
    """The oracle raises at the first posting that breaks one of them."""
    ledger = OracleLedger()
    history = History(ledger)
    for each in drawn:
        history.play(each)
    ledger.check()


@LONG
@given(histories(size=60, without=("use_behind",)))
def test_the_clock_books_the_same_whether_or_not_anybody_looks(drawn: list[Drawn]) -> None:
    """Timers that fire one by one, or all of them before the next record, make the same chain and the same alerts.

    A clock that is behind asks for no refills until it is not, so somebody who looks would be told another thing.
    """
    watched, alone = OracleLedger(), OracleLedger()
    history = History(watched)
    for each in drawn:
        for part in range(4):
            watched.advance(history.now + each.after * part / 4)
        history.play(each)
    assert [alone.apply(record) for record in history.records] == history.answers
    for ledger in (watched, alone):
        ledger.advance(history.now)
    assert watched.oracle.alerts == alone.oracle.alerts
    assert watched.oracle.refill_requests == alone.oracle.refill_requests
    assert watched.oracle.accounts.keys() == alone.oracle.accounts.keys()
    for name, account in watched.oracle.accounts.items():
        assert account.entries == alone.oracle.accounts[name].entries


@LONG
@given(histories(size=80, without=("refund",), longest_step=timedelta(days=1)))
def test_when_every_event_is_refunded_nothing_is_burned_owed_or_billed(drawn: list[Drawn]) -> None:
    """Whatever lots, debts and bills the pieces went through."""
    ledger = OracleLedger()
    history = History(ledger)
    for each in drawn:
        history.play(each)
    history.refund_everything()
    account = ledger.oracle.accounts.get(ACCOUNT)
    if account is not None:
        assert set(account.rollups.values()) <= {0}
        assert account.totals.charged == account.totals.refunded
        assert (account.totals.burned, account.owed(), account.billed()) == (0, 0, 0)
        assert all(lot.spent == 0 for lot in account.lots)


@LONG
@given(histories(size=60))
def test_what_is_rejected_or_dropped_leaves_nothing(drawn: list[Drawn]) -> None:
    """The account is as it was, down to its last field."""
    ledger = OracleLedger()
    history = History(ledger)
    for each in drawn:
        ledger.advance(history.now + each.after)
        before = pickle.dumps(ledger.oracle.accounts)
        history.play(each)
        if each.kind != "wait" and history.answers[-1] != "booked":
            assert pickle.dumps(ledger.oracle.accounts) == before


def test_histories_book_every_kind_of_operation_and_entry() -> None:
    """What is drawn is not all rejected, and reaches every kind of entry."""
    booked: Counter[str] = Counter()
    entries: Counter[str] = Counter()

    # What Hypothesis draws depends on the modules that are loaded, too: so many that the rarest kind is among them.
    @settings(max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(histories(size=100))
    def play(drawn: list[Drawn]) -> None:
        ledger = OracleLedger()
        history = History(ledger)
        for each in drawn:
            history.play(each)
            if each.kind != "wait":
                booked[each.kind] += history.answers[-1] == "booked"
        for account in ledger.oracle.accounts.values():
            entries.update(entry.kind for entry in account.entries)

    play()
    assert [kind for kind, count in booked.items() if count == 0 and kind != "again"] == []
    assert len(booked) == 16
    assert len(entries) == 18
