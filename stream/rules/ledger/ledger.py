"""The ledger of one partition: charges, commands and the clock in, entries and notices out."""

from schemas.dead_letter import Reason
from schemas.ledger import Entry
from schemas.lot import NEVER_MS, Lot
from schemas.notices import Notice
from stream.rules.burndown import LARGEST_TOTAL_MICROCREDITS
from stream.rules.ledger.apply import apply_command
from stream.rules.ledger.book import Book
from stream.rules.ledger.books import Books
from stream.rules.ledger.charge import charge, count_beyond, overage_entry
from stream.rules.ledger.clock import fire, turn_months
from stream.rules.ledger.commands import LedgerCommand
from stream.rules.ledger.corrections import ChargeNow, reprice, void_event
from stream.rules.ledger.due import DueTimes
from stream.rules.ledger.opening import give_free_credits, open_book
from stream.rules.ledger.posting import Cause, Posting
from stream.rules.ledger.sealing import seal
from stream.rules.ledger.settle import forget_closed, refresh, settle
from stream.rules.outcome import Reject


class Ledger:
    """Books, their due times, and what was posted since the last checkpoint.

    Callers give times that never go back, and call `advance` with each before they book anything at it. `version` is
    the checkpoint being booked; `caught_up` whether the clock is at most 5 minutes behind: else alerts say so and no
    refill is asked for. A ledger begins behind, until `catch_up` says otherwise.
    """

    def __init__(self, books: Books | None = None) -> None:
        self.books = Books() if books is None else books
        self.due = DueTimes()
        self.version = 1
        self.entries: list[Entry] = []
        self.notices: list[Notice] = []
        self.changed: list[Book] = []
        self.caught_up = False
        self._deferred: set[str] = set()
        self._next_due_ms = NEVER_MS

    def charge(
        self,
        account: str,
        cost: int,
        messages: int,
        source: str,
        event_id: str,
        offset: int,
        rate_card: str,
        occurred_at_us: int,
        now_ms: int,
    ) -> Reject | None:
        """Book what an event cost. A simple one takes from the room of its book; all others are posted."""
        book = self.books.recent.get(account) or self.books.get(account)
        if book is None or cost >= book.room or now_ms >= book.quiet_until_ms or occurred_at_us < book.late_before_us:
            cause = Cause("event", source, event_id, offset, occurred_at_us, rate_card)
            return self._charge_slowly(account, cost, messages, cause, now_ms)
        row, lot = book.row, book.first
        row.events += 1
        row.messages += messages
        row.updated_at_ms = now_ms
        version = self.version
        if row.version != version:
            row.version = version
            self.changed.append(book)
        if lot is None and row.gate_closed:
            count_beyond(row, cost)
        if not cost:
            return None
        book.room = room = book.room - cost
        row.sequence = sequence = row.sequence + 1
        if lot is None:
            cause = Cause("event", source, event_id, offset, occurred_at_us, rate_card)
            self.entries.append(overage_entry(book, sequence, cost, cause, now_ms))
            return None
        self.entries.append(
            Entry(
                row.account,
                sequence,
                "burned",
                -cost,
                0,
                0,
                room + book.balance_over_room,
                lot.id,
                "event",
                source,
                event_id,
                offset,
                rate_card,
                occurred_at_us,
                now_ms,
            )
        )
        return None

    def command(self, account: str, command: LedgerCommand, cause: Cause, now_ms: int) -> Reject | None:
        """Carry a command out; a rejected one changes nothing and opens nothing."""
        book = self.books.get(account)
        posting = self._begin(book or open_book(account, now_ms), cause, now_ms)
        mode_before = posting.row.policy.mode
        refused = apply_command(posting, command)
        if refused is not None:
            self.notices += posting.notices
            return refused
        self._finish(settle(posting, mode_before))
        return None

    def void_event(
        self, account: str, charged: ChargeNow | None, cause: Cause, now_ms: int, amount: int | None = None
    ) -> bool | Reject:
        """Refund an event; `charged` is what it costs now, as read back. False when it was voided before."""
        book = self.books.get(account)
        if book is None:
            return Reject(Reason.CHARGE_NOT_FOUND, "the account has no charges", account)
        posting = self._begin(book, cause, now_ms)
        outcome = void_event(posting, charged, amount)
        if outcome is True:
            self._finish(settle(posting))
        return outcome

    def reprice(self, charged: ChargeNow, cost: int, cause: Cause, now_ms: int) -> bool | Reject:
        """Book the difference to what the event costs by the cause's rate card. False when there is nothing to do."""
        book = self.books.get(charged.account)
        if book is None:
            return Reject(Reason.CHARGE_NOT_FOUND, "the account has no charges", charged.account)
        posting = self._begin(book, cause, now_ms)
        outcome = reprice(posting, charged, cost, cause.rate_card)
        if outcome is True:
            self._finish(settle(posting))
        return outcome

    def advance(self, now_ms: int) -> None:
        """Fire everything due until now, in order: by time, then by account."""
        while self._next_due_ms <= now_ms:
            found = self.due.pop(now_ms)
            if found is None:
                self._next_due_ms = self.due.next_ms()
                return
            due_at_ms, account = found
            book = self.books.get(account)
            if book is not None:
                posting = self._begin(book, Cause("clock", occurred_at_us=due_at_ms * 1_000), due_at_ms)
                fire(posting)
                self._finish(settle(posting))

    def catch_up(self, now_ms: int, *, caught_up: bool) -> None:
        """Note whether the clock is near the present; once it is, refills that were put off are looked at.

        Advance to `now_ms` first.
        """
        if caught_up == self.caught_up:
            return
        self.caught_up = caught_up
        deferred, self._deferred = sorted(self._deferred), set()
        for account in deferred if caught_up else ():
            book = self.books.get(account)
            if book is not None:
                self._finish(settle(self._begin(book, Cause("clock", occurred_at_us=now_ms * 1_000), now_ms)))

    def drain(self, booked_at_ms: int) -> "Drained":
        """What a checkpoint writes; set `version` to the next one's before anything else is booked.

        Entries are chained here, off the loop over events, since a hash costs a microsecond.
        """
        for book in self.changed:
            book.absorb(self.version)
        drained = Drained(self.entries, self.notices, self.changed, self.version)
        self.entries, self.notices, self.changed = [], [], []
        heads: dict[str, bytes] = {book.row.account: book.row.head for book in drained.books}
        seal(drained.entries, heads, booked_at_ms)
        for book in drained.books:
            book.row.head = heads.get(book.row.account, b"")
        return drained

    def book(self, account: str) -> Book | None:
        """The account as it is now, to the last charge; None when it never opened."""
        book = self.books.get(account)
        if book is not None:
            book.absorb(self.version)
        return book

    def restore(self, book: Book, now_ms: int) -> None:
        """Take an account with its lots from the changelogs."""
        forget_closed(book, now_ms)
        refresh(book, caught_up=self.caught_up)
        self._schedule(book)
        self.books.add_resting(book)
        if not self.caught_up and book.row.policy.refill is not None:
            self._deferred.add(book.row.account)

    def _charge_slowly(self, account: str, cost: int, messages: int, cause: Cause, now_ms: int) -> Reject | None:
        book = self.book(account)
        if book is not None and book.row.charged + cost > LARGEST_TOTAL_MICROCREDITS:
            detail = f"with it the account would have used more than {LARGEST_TOTAL_MICROCREDITS} microcredits"
            return Reject(Reason.COST_TOO_LARGE, detail, account)
        posting = self._begin(book or open_book(account, now_ms), cause, now_ms)
        if book is None:
            give_free_credits(posting)
        posting.row.events += 1
        posting.row.messages += messages
        if cost:
            charge(posting, cost)
        if posting.was_closed:
            count_beyond(posting.row, cost)
        self._finish(settle(posting))
        return None

    def _begin(self, book: Book, cause: Cause, now_ms: int) -> Posting:
        book.absorb(self.version)
        forget_closed(book, now_ms)
        turn_months(book, now_ms)
        return Posting(book, cause, now_ms, self.version, caught_up=self.caught_up)

    def _finish(self, posting: Posting) -> None:
        book, row = posting.book, posting.row
        self.entries += posting.entries
        self.notices += posting.notices
        if row.account not in self.books:
            self.books.add(book)
        if row.version != self.version:
            row.version = self.version
            self.changed.append(book)
        if not self.caught_up and row.policy.refill is not None:
            self._deferred.add(row.account)
        self._schedule(book)

    def _schedule(self, book: Book) -> None:
        self.due.set(book.row.account, book.due_at_ms)
        self._next_due_ms = min(self._next_due_ms, book.due_at_ms)


class Drained:
    """Sealed entries in booking order, notices, and the books that changed."""

    def __init__(self, entries: list[Entry], notices: list[Notice], books: list[Book], version: int) -> None:
        self.entries = entries
        self.notices = notices
        self.books = books
        self._version = version

    def lots(self) -> list[Lot]:
        """The lots whose rows must be written; ask before anything else is booked."""
        return [lot for book in self.books for lot in book.lots() if lot.version == self._version]

    def forgotten(self) -> list[tuple[str, str]]:
        """Account and lot of the rows that must be removed; asked once."""
        gone: list[tuple[str, str]] = [(book.row.account, lot) for book in self.books for lot in book.forgotten]
        for book in self.books:
            book.forgotten = []
        return gone
