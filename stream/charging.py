"""From records of usage to what is charged: read → check → price → deduplicate → burn down.

A stage returns its value or a Reject. An event is remembered only once it will be booked, so that one which was
rejected can be repaired and sent again.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import compress
from typing import Final

from confluent_kafka import Message

from schemas.charge import ChargeRow
from schemas.credits import QUANTITY_MICROS_PER_UNIT
from schemas.dead_letter import Reason
from schemas.identifiers import Account, Node
from schemas.rate_card import DEFAULT_LINE
from stream.dedup_log import DedupLog
from stream.rules.dedup import Outcome
from stream.rules.identity import contents, identities
from stream.rules.ledger.book import Book
from stream.rules.ledger.ledger import Ledger, Refused
from stream.rules.ledger.periods import DAY_MS
from stream.rules.ledger.plans import line_at
from stream.rules.ledger.refill import FIRST_REPEAT_MS
from stream.rules.outcome import Reject
from stream.rules.partitioning import PartitionsFor, check_partitions
from stream.rules.pricing import LARGEST_COST_MICROCREDITS, CompiledCard, CompiledPrice, CostTooLargeError
from stream.rules.rate_cards import RateCards
from stream.rules.usage import (
    EPOCH,
    FUTURE_TOLERANCE_US,
    Received,
    microseconds,
    quantity_in_micros,
    read_usage,
    wrong_time,
)

# As plain integers: comparing with an IntEnum costs a Python call.
_DUPLICATE, _CONFLICT = map(int, (Outcome.DUPLICATE, Outcome.CONFLICT))

_NOT_SIMPLE: Final = LARGEST_COST_MICROCREDITS + 1
_ACCOUNT: Final = 0
_SOURCE: Final = 1
_ID: Final = 2
_CLOCK_MS: Final = 12
_OFFSET: Final = 13
"""Places in a charge."""

Priced = tuple[list[ChargeRow], list[Book | None]]
"""The charges of events that may be booked, if they are no duplicates, and the book of each, if it is open."""

Window = tuple[int, int, CompiledCard | None]
"""At some clock: from when until before when, in µs, an event is accepted and has this rate card's price."""

OnReject = Callable[[Reject, Message, int], None]
"""Takes what is wrong with a record, the record, and the clock in ms."""


class Charging:
    """Charges usage to the accounts of one partition."""

    def __init__(
        self,
        partition: int,
        partitions_for: PartitionsFor,
        ledger: Ledger,
        dedup: DedupLog,
        horizon_us: int,
        on_reject: OnReject,
        outcomes: Counter[str],
    ) -> None:
        self._rate_cards = RateCards()
        self._partition = partition
        self._partitions_for = partitions_for
        self._ledger = ledger
        self._dedup = dedup
        self._horizon_us = horizon_us
        self._reject = on_reject
        self._outcomes = outcomes

    def adopt(self, rate_cards: RateCards) -> None:
        """Price with these from now on."""
        self._rate_cards = rate_cards

    def charge(self, records: Sequence[Message], clock_ms: int) -> tuple[list[ChargeRow], int]:
        """What is charged for records in order, and the clock after them; timers that are due before one fire first."""
        charges: list[ChargeRow] = []
        while records:
            priced, count, clock_ms = self._price_until_due(records, clock_ms)
            charges += self._burn(self._deduplicate(priced, records), records)
            # Of the record that comes next, if there is one, only its time was looked at.
            self._ledger.advance(clock_ms)
            records = records[count:]
        self._outcomes["booked"] += len(charges)
        return charges, clock_ms

    def check_partition(self, account: str) -> Reject | None:
        """Why an account may not open here, if it may not."""
        return check_partitions([account], self._partition, self._partitions_for).get(account)

    def _price_until_due(self, records: Sequence[Message], clock_ms: int) -> tuple[Priced, int, int]:
        """Read, check and price records up to one before which a timer is due; how many those are, and the clock.

        What nearly every event is, a whole number of units at a flat price, is priced in this loop; the others alike,
        by `_price`.
        """
        recent, others = self._ledger.books.recent.get, self._ledger.books.recall
        due_ms = self._due_ms(records[0], clock_ms)
        priced_at_ms = from_us = until_us = 0
        card: CompiledCard | None = None
        prices: dict[Node, CompiledPrice] = {}
        charge: ChargeRow
        charges: list[ChargeRow] = []
        books: list[Book | None] = []
        unknown: dict[Account, None] = {}
        count = len(records)
        for place, record in enumerate(records):
            ingested_at_ms = record.timestamp()[1]
            if ingested_at_ms > clock_ms:
                clock_ms = ingested_at_ms
                if clock_ms >= due_ms:
                    count = place
                    break
            event = read_usage(record.value(), record.key())
            if isinstance(event, Reject):
                self._reject(event, record, clock_ms)
                continue
            account, used = event.subject, event.data
            book = recent(account) or others(account)
            if book is None:
                unknown[account] = None
            else:
                # The same object for all: its hash is known, and rows that keep it need no copy.
                account = book.account
            since = event.time - EPOCH
            occurred_at_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            is_priced = priced_at_ms == clock_ms and from_us <= occurred_at_us < until_us
            if not is_priced:
                from_us, until_us, card = self._window(clock_ms, occurred_at_us)
                priced_at_ms, prices = clock_ms, card.prices if card is not None else {}
                is_priced = from_us <= occurred_at_us < until_us
            price = prices.get(used.node) if is_priced and not (book is not None and book.lines) else None
            quantity, flat = used.quantity, None if price is None else price.flat_microcredits
            cost = _NOT_SIMPLE if flat is None or type(quantity) is not int else flat * quantity
            if cost > LARGEST_COST_MICROCREDITS or price is None or card is None or type(quantity) is not int:
                priced = self._price(event, account, book, clock_ms, record.offset() or 0)
                if isinstance(priced, Reject):
                    misplaced = self.check_partition(account) if book is None else None
                    self._reject(misplaced or priced, record, clock_ms)
                    continue
                charge = priced
            else:
                charge = (
                    account,
                    event.source,
                    event.id,
                    used.agent,
                    used.conversation,
                    used.channel,
                    price.node,
                    quantity * QUANTITY_MICROS_PER_UNIT,
                    cost,
                    price.messages,
                    card.version,
                    occurred_at_us,
                    clock_ms,
                    record.offset() or 0,
                )
            charges.append(charge)
            books.append(book)
        return self._without_misplaced((charges, books), unknown, records), count, clock_ms

    def _due_ms(self, first: Message, clock_ms: int) -> int:
        """Before when records may be priced together: what these charges themselves make due is not due sooner."""
        begins_ms = max(clock_ms, first.timestamp()[1])
        return min(self._ledger.due_ms, begins_ms + FIRST_REPEAT_MS, (begins_ms // DAY_MS + 1) * DAY_MS)

    def _price(
        self, event: Received, account: Account, book: Book | None, clock_ms: int, offset: int
    ) -> ChargeRow | Reject:
        used = event.data
        occurred_at_us, clock_us = microseconds(event.time), clock_ms * 1_000
        if not clock_us - self._horizon_us <= occurred_at_us <= clock_us + FUTURE_TOLERANCE_US:
            return wrong_time(event, occurred_at_us, clock_us, self._horizon_us)
        line = DEFAULT_LINE if book is None else line_at(book.row, occurred_at_us)
        card = self._rate_cards.card_at(line, occurred_at_us)
        if card is None:
            return Reject(Reason.NO_RATE_CARD, f"no rate card is effective at {event.time.isoformat()}", account)
        price = card.prices.get(used.node)
        if price is None:
            return Reject(Reason.UNKNOWN_NODE, f"{card.version} has no price for {used.node!r}", account)
        quantity = quantity_in_micros(used.quantity)
        try:
            cost = price.cost_microcredits(quantity)
        except CostTooLargeError as error:
            return Reject(Reason.COST_TOO_LARGE, str(error), account)
        return (
            account,
            event.source,
            event.id,
            used.agent,
            used.conversation,
            used.channel,
            price.node,
            quantity,
            cost,
            price.messages,
            card.version,
            occurred_at_us,
            clock_ms,
            offset,
        )

    def _window(self, clock_ms: int, occurred_at_us: int) -> Window:
        """The card effective at that time, with the times that it prices at this clock."""
        from_us, until_us, card = self._rate_cards.interval_at(DEFAULT_LINE, occurred_at_us)
        clock_us = clock_ms * 1_000
        earliest_us, latest_us = clock_us - self._horizon_us, clock_us + FUTURE_TOLERANCE_US
        return max(from_us, earliest_us), min(until_us, latest_us + 1), card

    def _without_misplaced(self, priced: Priced, unknown: Collection[Account], records: Sequence[Message]) -> Priced:
        """Accounts are checked on first sight; those that are open were checked then."""
        misplaced = check_partitions(unknown, self._partition, self._partitions_for) if unknown else {}
        if not misplaced:
            return priced
        refused = {
            charge[_OFFSET]: misplaced[charge[_ACCOUNT]] for charge in priced[0] if charge[_ACCOUNT] in misplaced
        }
        return self._refuse(refused, priced, records)

    def _deduplicate(self, priced: Priced, records: Sequence[Message]) -> Priced:
        """Without the duplicates; the others are remembered."""
        charges = priced[0]
        clocks_ms = [charge[_CLOCK_MS] for charge in charges]
        outcomes = self._dedup.admit(identities(charges), contents(charges), clocks_ms)
        if not any(outcomes):
            return priced
        self._outcomes["duplicate"] += outcomes.count(_DUPLICATE)
        refused = {
            charge[_OFFSET]: Reject(
                Reason.EVENT_ID_REUSED,
                f"{charge[_SOURCE]} used the id {charge[_ID]!r} for another event",
                charge[_ACCOUNT],
            )
            for outcome, charge in zip(outcomes, charges, strict=True)
            if outcome == _CONFLICT
        }
        without_duplicates = _those(priced, [outcome != _DUPLICATE for outcome in outcomes])
        return self._refuse(refused, without_duplicates, records)

    def _burn(self, priced: Priced, records: Sequence[Message]) -> list[ChargeRow]:
        """Take what each event cost from its account; the charges that are booked."""
        return self._refuse(self._ledger.charge(*priced), priced, records)[0]

    def _refuse(self, refused: Refused, priced: Priced, records: Sequence[Message]) -> Priced:
        """Reject these events, by their offsets; the others."""
        if not refused:
            return priced
        # Charges have their records' offsets, so that records are looked for only now.
        rejected = {record.offset(): record for record in records}
        for charge in priced[0]:
            offset = charge[_OFFSET]
            if offset in refused:
                self._reject(refused[offset], rejected[offset], charge[_CLOCK_MS])
        return _those(priced, [charge[_OFFSET] not in refused for charge in priced[0]])


def _those(priced: Priced, chosen: Sequence[bool]) -> Priced:
    charges, books = priced
    return list(compress(charges, chosen)), list(compress(books, chosen))
