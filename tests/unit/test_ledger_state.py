"""What the ledger keeps, and how little of it: rows, accounts at rest, due times, the chain of entries."""

import sys
import tracemalloc

import msgspec

from schemas.account import AccountRow, BillLine, RefillRequested
from schemas.identifiers import Account
from schemas.lot import NEVER_MS
from schemas.plan import Plan, Policy, RefillPolicy, Threshold
from stream.rules.ledger import commands
from stream.rules.ledger.book import FORGET_CLOSED_MS
from stream.rules.ledger.books import Books
from stream.rules.ledger.drained import Drained, encode_row, lot_key
from stream.rules.ledger.due import DueTimes
from stream.rules.ledger.laws import broken_laws
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.posting import Cause
from stream.rules.ledger.refill import MOST_REQUESTS
from stream.rules.ledger.restoring import Restoring
from tests.unit.ledger_charges import charged
from tests.unit.ledger_story import Story
from tests.unit.ledger_words import instant

CREDIT = 1_000_000
NOON_MS = instant("1 Nov 12:00")
COMMAND = Cause("command", "/billing", "1")
PLAN = Plan("business", 1_000 * CREDIT, 15, 1_900, "EUR", 200 * CREDIT, 2, "billed", 2_500_000)
POLICY = Policy((Threshold(50 * CREDIT), Threshold(percent=20)), RefillPolicy(50 * CREDIT, 100 * CREDIT, 10**9, 5))


def account_with_three_lots(ledger: Ledger, name: str) -> None:
    """A plan's lot, the free one and a top-up, with a policy, all of them used."""
    charged(ledger, name, 3_141_593, 1, "/r", "e1", 1, "v1", NOON_MS * 1_000, NOON_MS)
    ledger.command(name, commands.ActivatePlan(PLAN, "keep"), COMMAND, NOON_MS)
    ledger.command(name, commands.SetPolicy(POLICY.thresholds, POLICY.refill, POLICY.mode, "keep"), COMMAND, NOON_MS)
    top_up = commands.Grant("top-up-7", 200 * CREDIT, "top_up", paid_minor=900, currency="EUR", payment="pay-7")
    ledger.command(name, top_up, COMMAND, NOON_MS)
    charged(ledger, name, 2_718_282, 1, "/r", "e2", 2, "v1", NOON_MS * 1_000, NOON_MS)


def test_an_account_with_three_lots_takes_at_most_1_kb() -> None:
    """All told: its name, its lots, its place in every dict, its due time. What is awake is larger, and bounded."""
    # Right after its dicts grew, when an account has the most of them.
    count = 700
    ledger = Ledger(Books(most_awake=0))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            account_with_three_lots(ledger, f"customer-{number:08d}")
            ledger.drain()
            ledger.version += 1
            ledger.books.rest()
        # Each is waked once and put to rest again.
        for number in range(count):
            assert ledger.book(f"customer-{number:08d}") is not None
            ledger.books.rest()
        ledger.books.rest()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ledger.books) == count == len(ledger.due)
    assert (after - before) / count <= 1_024
    book = ledger.book("customer-00000007")
    assert book is not None
    assert len(book.open) == 3


def test_the_largest_row_is_below_2_kb() -> None:
    """A name of 256 characters, and all that an account may have of everything."""
    largest = 4 * 10**18
    story = Story("plan basic 10 billed 1; policy refill 10 below 5; charge 3; charge 4")
    book = story.ledger.book("acme")
    assert book is not None
    row = book.row
    assert row.refill is not None
    row.plan = row.next_plan = msgspec.structs.replace(PLAN, id="p" * 64, line="l" * 32)
    row.policy = Policy(tuple(Threshold(10**15 + n) for n in range(8)), POLICY.refill)
    row.alarms = row.alarms[:1] * 9
    row.bill = [BillLine(NOON_MS, 10**9 + n, "EUR", 10**15) for n in range(8)]
    row.refill.requests = [RefillRequested(2**40, 10**15, NOON_MS, "declined")] * MOST_REQUESTS
    row.lines = [(NOON_MS, "l" * 32)] * 7
    for name in ("granted", "burned", "expired", "voided", "held", "charged", "refunded", "owed", "billed", "balance"):
        setattr(row, name, largest)
    first = book.first
    assert first is not None
    for account, lots in (("ä" * 20, 0), ("ä" * 256, 1)):
        row.account, first.version = Account(account), 4
        drained = Drained([], [], [book], 4)
        ((_, value),) = drained.accounts()
        assert len(value) < 2_048
        # A lot that would make it larger has a row of its own.
        assert len(drained.lots()) == lots


def test_an_account_at_rest_is_what_it_was() -> None:
    """Waked, it is the same to the last field, and a charge goes on where it was."""
    awake, resting = Ledger(), Ledger(Books(most_awake=0))
    for ledger in (awake, resting):
        account_with_three_lots(ledger, "acme")
        ledger.drain()
        ledger.books.rest()
        ledger.books.rest()
        charged(ledger, "acme", CREDIT, 1, "/r", "e3", 3, "v1", NOON_MS * 1_000, NOON_MS + 1)
    books = [ledger.book("acme") for ledger in (awake, resting)]
    assert [book and (book.row, book.open, book.due_at_ms, book.room) for book in books] == [
        books[0] and (books[0].row, books[0].open, books[0].due_at_ms, books[0].room)
    ] * 2


def test_what_is_awake_is_bounded() -> None:
    """Two generations, whatever comes."""
    books = Books(most_awake=10)
    ledger = Ledger(books)
    for number in range(100):
        charged(ledger, f"a{number}", 0, 1, "/r", "e", 1, "v1", NOON_MS * 1_000, NOON_MS)
        ledger.drain()
        ledger.version += 1
        books.rest()
        assert len(books.recent) <= 10
    assert len(books) == 100 == len(set(books))


def test_closed_lots_are_forgotten_after_90_days() -> None:
    """Their rows are named, so that they are removed; open lots stay whatever their age."""
    ledger = Ledger()
    for name, amount in (("old", 10), ("young", 50)):
        ledger.command("acme", commands.Grant(name, amount), COMMAND, NOON_MS)
    charged(ledger, "acme", 20, 1, "/r", "e1", 1, "v1", NOON_MS * 1_000, NOON_MS)
    last_ms = NOON_MS + FORGET_CLOSED_MS
    ledger.command("acme", commands.Adjust("a", 1, "ann"), COMMAND, last_ms)
    book = ledger.book("acme")
    assert book is not None
    assert book.lot("old") is not None
    ledger.command("acme", commands.Adjust("b", 1, "ann"), COMMAND, last_ms + 1)
    assert (book.lot("old"), book.lot("young") is None) == (None, False)
    drained = ledger.drain()
    assert [key for key, row in drained.lots() if row is None] == [lot_key("acme", "old")]
    assert all(row is not None for _, row in drained.lots())


def test_a_refund_to_a_forgotten_lot_expires_at_once() -> None:
    """The lot ended long ago: the laws hold, nothing becomes usable."""
    story = Story("grant A 10; charge 10; 29 Jan: grant B 5")
    story.ledger.command("acme", commands.Adjust("b", 1, "ann"), COMMAND, instant("31 Jan"))
    book = story.ledger.book("acme")
    assert book is not None
    assert book.lot("A") is None
    charge = story._charges["e1"]
    charge.booked_at_ms = instant("15 Jan")
    assert story.ledger.void_event("acme", charge, COMMAND, instant("31 Jan")) is True
    assert broken_laws(book) == []
    assert (book.row.expired, book.row.burned, book.row.refunded) == (10 * CREDIT, 0, 10 * CREDIT)


def test_an_account_has_at_most_256_open_lots() -> None:
    """The next grant is refused until one is spent; what was paid by a refill is always taken."""
    story = Story("; ".join(f"grant g{number} 1" for number in range(257)))
    assert story.answers == ["too_many_lots"]
    more = Story("; ".join([*(f"grant g{number} 1" for number in range(256)), "charge 1", "grant again 1"]))
    assert more.answers == []


def test_due_times_are_met_in_order_and_each_once() -> None:
    """An account has one; the one that was set last counts."""
    due = DueTimes()
    for account, at_ms in (("b", 5), ("a", 5), ("c", 3), ("d", 9), ("c", 7), ("e", 1), ("e", NEVER_MS)):
        due.set(account, at_ms)
    assert due.next_ms() == 5
    found = []
    while (each := due.pop(8)) is not None:
        found.append(each)
    assert found == [(5, "a"), (5, "b"), (7, "c")]
    assert (due.next_ms(), len(due)) == (9, 1)


def test_due_times_that_change_often_take_no_more_memory() -> None:
    """What is out of date in the heap is bounded by twice the accounts, and no tick looks at all of them."""
    due = DueTimes()
    for turn in range(1_000):
        for account in range(20):
            due.set(f"a{account}", 10**6 - turn * 20 - account)
    assert due.listed <= 2 * 20 + 1_024 + 1
    assert due.next_ms() == 10**6 - 999 * 20 - 19


def test_the_clock_looks_at_no_account_that_is_not_due() -> None:
    """Of many accounts with lots that end later none is waked by a tick."""
    ledger = Ledger(Books(most_awake=0))
    for number in range(50):
        ledger.command(f"a{number}", commands.Grant("g", 10, expires_at_ms=NOON_MS + 10_000 + number), COMMAND, NOON_MS)
    ledger.drain()
    ledger.version += 1
    ledger.books.rest()
    ledger.books.rest()
    ledger.advance(NOON_MS + 10_001)
    assert sorted(ledger.books.recent) == ["a0", "a1"]
    assert [entry.kind for entry in ledger.entries] == ["expired"] * 2


def test_a_row_of_an_earlier_version_still_reads() -> None:
    """New fields come at the end, with defaults."""
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(["acme", 7]), type=AccountRow)
    assert (row.account, row.version, row.bill, sys.getsizeof(row) > 0) == ("acme", 7, [], True)


def test_rows_come_back_in_any_order_and_removed_lots_do_not() -> None:
    """An account restored is at rest, and what it was; a lot whose row was removed is forgotten."""
    ledger = Ledger()
    account_with_three_lots(ledger, "acme")
    book = ledger.book("acme")
    assert book is not None
    changelogs = Restoring()
    changelogs.lot(lot_key("acme", "gone"), encode_row(book.open[0]))
    for lot in reversed(book.open):
        changelogs.lot(lot_key("acme", lot.id), encode_row(lot))
    changelogs.lot(lot_key("acme", "gone"), None)
    changelogs.account(b"acme", encode_row(AccountRow(Account("acme"))))
    changelogs.account(b"acme", encode_row(book.row))
    restored = Ledger()
    changelogs.finish(restored.restore)
    assert not restored.books.recent
    again = restored.book("acme")
    assert again is not None
    assert (again.row, again.open, again.closed) == (book.row, book.open, book.closed)
    # What is asked and when is another matter: a ledger that was just restored is behind, and asks nobody.
    assert (again.room, again.late_before_us) == (book.room, book.late_before_us)
