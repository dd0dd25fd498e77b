"""The ledger of one partition: charges, commands and the clock in, entries and notices out."""

import hashlib
from collections.abc import Iterable, Sequence

from schemas.account import BillLine
from schemas.charge import ChargeRow
from schemas.credits import FREE_GRANT_MICROCREDITS, LARGEST_TOTAL_MICROCREDITS
from schemas.dead_letter import Reason
from schemas.ledger import Entry, canonical_json, encode_canonical
from schemas.lot import NEVER_MS
from schemas.notices import Notice
from stream.rules.ledger.apply import apply_command
from stream.rules.ledger.book import Book
from stream.rules.ledger.books import Books
from stream.rules.ledger.charge import charge, count_beyond
from stream.rules.ledger.clock import fire, turn_months
from stream.rules.ledger.commands import LedgerCommand
from stream.rules.ledger.corrections import ChargeNow, reprice, void_event
from stream.rules.ledger.drained import Drained, Rows
from stream.rules.ledger.due import DueTimes
from stream.rules.ledger.opening import give_free_credits, open_book, opened_by_usage
from stream.rules.ledger.posting import Cause, Posting
from stream.rules.ledger.sealing import Sealed
from stream.rules.ledger.settle import forget_closed, settle
from stream.rules.outcome import Reject

Refused = dict[int, Reject]
"""Why charges were refused, by the offsets of their events."""


class Ledger:
    """Books, their due times, and what was posted since the last checkpoint.

    Callers give times that never go back, and call `advance` with each before they book anything at it. `version` is
    the checkpoint being booked, `booked_at_ms` the worker's own time; `caught_up` whether the clock is at most 5
    minutes behind: else alerts say so and no refill is asked for. A ledger begins behind, until `catch_up` says
    otherwise. Entries are chained as they are booked: `sealed` has them in order.
    """

    def __init__(self, books: Books | None = None) -> None:
        self.books = Books() if books is None else books
        self.due = DueTimes()
        self.version = 1
        self.booked_at_ms = 0
        self.sealed = Sealed()
        self.notices: list[Notice] = []
        self.changed: list[Book] = []
        self.caught_up = False
        self.due_ms = NEVER_MS
        """When the clock has something to do; perhaps nothing any more, never earlier."""
        self._deferred: set[str] = set()
        self._posted: set[str] = set()

    @property
    def entries(self) -> list[Entry]:
        """What was booked since the last checkpoint, read again."""
        return self.sealed.entries()

    def charge(self, charges: Sequence[ChargeRow], books: Iterable[Book | None]) -> Refused:
        """Book what events cost. `books` has the book of each, if it was open when that was looked up.

        Simple ones take from the room of their books, all others are posted: in one loop, since nearly all time goes
        into it.
        """
        refused: Refused = {}
        version, booked_at_ms = self.version, self.booked_at_ms
        recent, recall = self.books.recent.get, self.books.recall
        changed, encode, sha256 = self.changed, encode_canonical, hashlib.sha256
        note_previous, note_line = self.sealed.previous.append, self.sealed.lines.append
        for row, known in zip(charges, books, strict=True):
            account, source, event_id, _, _, _, _, _, cost, messages, rate_card, occurred_at_us, now_ms, offset = row
            book = known or recent(account) or recall(account)
            if book is None and 0 < cost < FREE_GRANT_MICROCREDITS:
                book = self._open_by_usage(row)
            if (
                book is None
                or cost >= book.room
                or now_ms >= book.quiet_until_ms
                or occurred_at_us < book.late_before_us
            ):
                reject = self._post_charge(row)
                if reject is not None:
                    refused[offset] = reject
                continue
            book.events += 1
            if messages:
                book.messages += messages
            book.updated_at_ms = now_ms
            if book.version != version:
                book.version = version
                changed.append(book)
            if not cost:
                continue
            lot = book.first_id
            book.room = room = book.room - cost
            book.sequence = sequence = book.sequence + 1
            head = book.head
            if lot:
                line = encode(
                    (
                        account,
                        sequence,
                        "burned",
                        str(-cost),
                        "0",
                        "0",
                        str(room + book.balance_over_room),
                        lot,
                        "event",
                        source,
                        event_id,
                        offset,
                        rate_card,
                        occurred_at_us,
                        now_ms,
                        booked_at_ms,
                    )
                )
            elif book.line is None:
                line = encode(
                    (
                        account,
                        sequence,
                        "owed",
                        "0",
                        str(cost),
                        "0",
                        str(room + book.balance_over_room),
                        "",
                        "event",
                        source,
                        event_id,
                        offset,
                        rate_card,
                        occurred_at_us,
                        now_ms,
                        booked_at_ms,
                        False,
                        0,
                        0,
                        book.overage,
                    )
                )
            else:
                line = canonical_json(self._billed(row, book, book.line))
            note_previous(head)
            note_line(line)
            book.head = sha256(head + line).digest()
        return refused

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
        while self.due_ms <= now_ms:
            found = self.due.pop(now_ms)
            if found is None:
                self.due_ms = self.due.next_ms()
                return
            due_at_ms, account = found
            book = self.books.get(account)
            if book is not None:
                posting = self._begin(book, Cause("clock", occurred_at_us=due_at_ms * 1_000), due_at_ms)
                fire(posting)
                self._finish(settle(posting))

    def go_to(self, clock_ms: int, begins_ms: int, recent_ms: int) -> None:
        """Advance from one clock to another; what is due before `recent_ms` is told late, and refills wait for it.

        So a take-over that is quick tells what it finds due as if there had been none.
        """
        if begins_ms < recent_ms:
            self.catch_up(clock_ms, caught_up=False)
        elif not self.caught_up or self.due_ms < recent_ms:
            between_ms = min(begins_ms, max(clock_ms, recent_ms))
            self.catch_up(clock_ms, caught_up=False)
            self.advance(between_ms)
            self.catch_up(between_ms, caught_up=True)
        self.advance(begins_ms)

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

    def take_sealed(self) -> Sealed:
        """The entries since the last call, as part of the checkpoint that is booked; they are drained with it."""
        sealed, self.sealed = self.sealed, Sealed()
        return sealed

    def drain(self) -> Drained:
        """What a checkpoint writes; set `version` to the next one's before anything else is booked."""
        rows = Rows(self.version)
        rows.add(self.changed, self._posted)
        drained = Drained(self.sealed, self.notices, rows.accounts, rows.lots, rows.drift)
        self.sealed, self.notices, self.changed, self._posted = Sealed(), [], [], set()
        return drained

    def book(self, account: str) -> Book | None:
        """The account as it is now, to the last charge; None when it never opened."""
        book = self.books.get(account)
        if book is not None:
            book.absorb(self.version)
        return book

    def restore(self, account: str, row: bytes, lots: list[bytes]) -> None:
        """Take an account by its rows from the changelogs; it is looked at when it is used, or due."""
        head = self.books.add_resting(account, row, lots)
        self.due.set(account, head.due_at_ms)
        self.due_ms = min(self.due_ms, head.due_at_ms)
        if not self.caught_up and head.asks:
            self._deferred.add(account)

    def _open_by_usage(self, charge: ChargeRow) -> Book | None:
        """The account's book, with its free credits; the charge itself is still to be booked."""
        account, source, event_id, _, _, _, _, _, _, _, rate_card, occurred_at_us, now_ms, offset = charge
        book = opened_by_usage(account, now_ms)
        self.books.add(book)
        amount = str(FREE_GRANT_MICROCREDITS)
        line = encode_canonical(
            (
                account,
                1,
                "granted",
                amount,
                "0",
                "0",
                amount,
                book.first_id,
                "event",
                source,
                event_id,
                offset,
                rate_card,
                occurred_at_us,
                now_ms,
                self.booked_at_ms,
            )
        )
        self.sealed.add(book, line)
        return book

    def _billed(self, charge: ChargeRow, book: Book, line: BillLine) -> Entry:
        """The entry of a simple charge that is all overage on a bill."""
        account, source, event_id, _, _, _, _, _, cost, _, rate_card, occurred_at_us, now_ms, offset = charge
        return Entry(
            account,
            book.sequence,
            "billed",
            0,
            0,
            cost,
            book.row.balance,
            "",
            "event",
            source,
            event_id,
            offset,
            rate_card,
            occurred_at_us,
            now_ms,
            self.booked_at_ms,
            price_micros=line.price_micros,
            period_start_ms=line.period_start_ms,
            detail=line.currency,
        )

    def _post_charge(self, row: ChargeRow) -> Reject | None:
        account, source, event_id, _, _, _, _, _, cost, messages, rate_card, occurred_at_us, now_ms, offset = row
        book = self.book(account)
        if book is not None and book.row.charged + cost > LARGEST_TOTAL_MICROCREDITS:
            detail = f"with it the account would have used more than {LARGEST_TOTAL_MICROCREDITS} microcredits"
            return Reject(Reason.COST_TOO_LARGE, detail, account)
        cause = Cause("event", source, event_id, offset, occurred_at_us, rate_card)
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
        self.sealed.seal(book, posting.entries, self.booked_at_ms)
        self.notices += posting.notices
        if row.account not in self.books:
            self.books.add(book)
        if book.version != self.version:
            book.version = self.version
            self.changed.append(book)
        self._posted.add(row.account)
        if not self.caught_up and row.policy.refill is not None:
            self._deferred.add(row.account)
        book.asks = row.policy.refill is not None
        self._schedule(book)

    def _schedule(self, book: Book) -> None:
        self.due.set(book.row.account, book.due_at_ms)
        self.due_ms = min(self.due_ms, book.due_at_ms)
