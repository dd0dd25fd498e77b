"""The oracle of the ledger finds books that are wrong, and keeps its bounds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tests.simulation.ledger_oracle import BrokenEquationError, Oracle, check_chain
from tests.simulation.ledger_oracle.records import (
    CREDIT,
    Command,
    EventName,
    Grant,
    Record,
    RefillPolicy,
    SetPolicy,
    Usage,
)
from tests.simulation.ledger_oracle.state import Account

NOW = datetime(2025, 11, 3, 12, tzinfo=UTC)
EVENT = EventName("runtime", "e1", 0, 1)


def granted(number: int) -> Record:
    """A grant of one credit."""
    return Record("acme", NOW, Command("billing", f"c{number}", NOW, Grant(f"g{number}", CREDIT)))


def used(cost: int, number: int = 1) -> Record:
    """An event that costs so many microcredits."""
    return Record("acme", NOW, Usage(EventName("runtime", f"e{number}", 0, number), NOW, cost))


def a_little_history() -> Oracle:
    """A grant of 1 credit, and usage of 1.5."""
    oracle = Oracle()
    oracle.apply(granted(1))
    oracle.apply(used(1_500_000))
    return oracle


def test_an_entry_follows_the_hash_before_it() -> None:
    """SHA-256 of the bytes of the previous hash and of the entry in canonical JSON; the first follows the account's."""
    account = a_little_history().accounts["acme"]
    first = account.entries[0]
    written = (
        '{"account":"acme","amount":"1000000","balance_after":"1000000","billed_effect":"0","command":"billing/c1",'
        '"event":null,"ingested_at":"2025-11-03T12:00:00+00:00","is_late":false,"kind":"granted","lot":"g1",'
        '"lot_effect":"1000000","occurred_at":"2025-11-03T12:00:00+00:00","owed_effect":"0","rate_card":null,'
        '"sequence":"1"}'
    )
    assert first.hash == sha256(sha256(b"acme").digest() + written.encode()).hexdigest()
    assert [entry.kind for entry in account.entries] == ["granted", "burned", "owed"]
    assert len({entry.hash for entry in account.entries}) == 3


@pytest.mark.parametrize(
    "change", [{"amount": 2}, {"kind": "expired"}, {"lot": "g2"}, {"event": "runtime/e2"}, {"is_late": True}]
)
def test_an_entry_that_was_changed_breaks_the_chain(change: dict[str, object]) -> None:
    """Each row is a field of the second entry and what somebody wrote into it."""
    account = a_little_history().accounts["acme"]
    check_chain(account)
    account.entries[1] = replace(account.entries[1], **change)  # type: ignore[arg-type]
    with pytest.raises(BrokenEquationError, match="hash of entry 2"):
        check_chain(account)


def test_an_entry_that_was_taken_out_breaks_the_chain() -> None:
    """The sequence has a gap."""
    account = a_little_history().accounts["acme"]
    del account.entries[1]
    with pytest.raises(BrokenEquationError, match="sequence: 3 is not 2"):
        check_chain(account)


def raise_total(name: str) -> Callable[[Account], None]:
    """A running total is one microcredit too high."""

    def change(account: Account) -> None:
        setattr(account.totals, name, getattr(account.totals, name) + 1)

    return change


def keep_credits_beside_debt(account: Account) -> None:
    """A microcredit appears in a lot as if it had been granted, though something is owed."""
    account.lots[0].held += 1
    account.lots[0].granted += 1
    account.totals.granted += 1
    account.balance += 1
    account.entries[0] = replace(account.entries[0], lot_effect=account.entries[0].lot_effect + 1)


def swap_within_lot(account: Account) -> None:
    """A microcredit of a lot counts as expired, though no total says so."""
    account.lots[0].expired += 1
    account.lots[0].granted += 1


def shorten_piece(account: Account) -> None:
    """A piece of a charge is one microcredit too small."""
    account.charges[EVENT].pieces[0].amount -= 1


def shift_piece(account: Account) -> None:
    """A microcredit of a charge is paid for by another piece than was booked."""
    account.charges[EVENT].pieces[0].amount -= 1
    account.charges[EVENT].pieces[1].amount += 1


def lower_rollup(account: Account) -> None:
    """A rollup is one microcredit too low."""
    (key,) = account.rollups
    account.rollups[key] -= 1


def change_effect(account: Account) -> None:
    """An entry says less than what happened."""
    account.entries[1] = replace(account.entries[1], lot_effect=0)


@pytest.mark.parametrize(
    ("damage", "equation"),
    [
        *((raise_total(name), "1 G") for name in ("granted", "burned", "expired", "voided")),
        *((raise_total(name), "2 C") for name in ("charged", "refunded")),
        (change_effect, "3 sum of effects"),
        (keep_credits_beside_debt, "4 owed while lots hold credits"),
        (swap_within_lot, "5 granted by lot"),
        (lower_rollup, "6 rollups"),
        (shorten_piece, "6 pieces of e1"),
        (shift_piece, "6 pieces of g1"),
    ],
)
def test_each_equation_finds_books_that_break_it(damage: Callable[[Account], None], equation: str) -> None:
    """Each row is damage to sound books, and the equation that the next posting fails on."""
    oracle = a_little_history()
    damage(oracle.accounts["acme"])
    with pytest.raises(BrokenEquationError, match=equation):
        oracle.apply(used(0, number=2))


def test_an_account_has_at_most_256_open_lots() -> None:
    """One more is refused, until one is used up."""
    oracle = Oracle()
    for number in range(256):
        assert oracle.apply(granted(number)).outcome == "booked"
    assert oracle.apply(granted(256)).reason == "too_many_lots"
    oracle.apply(used(CREDIT))
    assert oracle.apply(granted(256)).outcome == "booked"


def test_a_refill_that_came_due_while_the_partition_was_behind_is_asked_again_once() -> None:
    """Another account's records moved the clock past several of its hours."""
    oracle = Oracle()
    oracle.apply(granted(1))
    oracle.apply(Record("acme", NOW, Command("billing", "policy", NOW, SetPolicy(refill=RefillPolicy(2, 1)))))
    oracle.apply(used(CREDIT))
    later = NOW + timedelta(hours=6)
    oracle.apply(Record("bolt", later, Usage(EVENT, later, 1), is_behind=True))
    assert len(oracle.refill_requests) == 1
    oracle.advance(later + timedelta(minutes=1))
    assert [asked.at for asked in oracle.refill_requests] == [NOW, later + timedelta(minutes=1)]
    assert len({asked.id for asked in oracle.refill_requests}) == 1
