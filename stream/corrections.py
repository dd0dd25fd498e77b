"""Events that were booked: what each costs now, for those who void or reprice them."""

from collections.abc import Iterable, Sequence

from confluent_kafka import Message

from schemas.correction_command import BookedEvent, Reprice, VoidEvent
from schemas.dead_letter import Reason
from schemas.identifiers import Account, RateCardVersion
from schemas.rate_card import DEFAULT_LINE
from schemas.topics import TopicNames
from stream.booked_lately import BookedLately
from stream.booked_look_ups import ChargeLookUp, EntriesLookUp
from stream.engine.processor import LookUp
from stream.engine.tables import Table
from stream.rollups.roller import Correction
from stream.rules.commands import read_command
from stream.rules.corrected import Corrected, corrected_key, not_corrected
from stream.rules.ledger.corrections import CORRECTED_MS, ChargeNow, charge_of
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.plans import line_at
from stream.rules.outcome import Reject
from stream.rules.pricing import CostTooLargeError
from stream.rules.rate_cards import RateCards

_MOST_FORGOTTEN = 1_000


class Corrections:
    """Finds what an event costs now: in the table once it was corrected, else among what was booked.

    What was booked since the last checkpoint is in memory; what came before is read back by the engine.
    """

    def __init__(
        self,
        topics: TopicNames,
        partition: int,
        table: Table[bytes, Corrected],
        ledger: Ledger,
        lately: BookedLately,
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._table = table
        self._ledger = ledger
        self._of_rollups: list[Correction] = []
        self._lately = lately
        self._rate_cards = RateCards()
        self._charges: dict[int, ChargeLookUp] = {}
        self._entries: dict[int, EntriesLookUp] = {}

    def adopt(self, rate_cards: RateCards) -> None:
        """Price anew with these from now on."""
        self._rate_cards = rate_cards

    def look_ups(self, commands: Iterable[Message], undrained_from: int) -> list[LookUp]:
        """What is to be read back for those of the commands that correct an event from before that offset."""
        places = {
            event.offset: None
            for account, event in filter(None, map(_corrects, commands))
            if event.partition == self._partition
            and event.offset < undrained_from
            and corrected_key(account, event.source, event.id, event.offset) not in self._table
        }
        topics = self._topics
        return [
            *(ChargeLookUp(topics.charges, place) for place in places),
            *(EntriesLookUp(topics.ledger, place) for place in places),
        ]

    def answer(self, look_ups: Sequence[LookUp]) -> None:
        """What was read back, for the batch that is booked next."""
        self._charges = {each.place: each for each in look_ups if isinstance(each, ChargeLookUp)}
        self._entries = {each.place: each for each in look_ups if isinstance(each, EntriesLookUp)}

    def charge_of(self, account: Account, event: BookedEvent) -> ChargeNow | None:
        """What the event costs now; without pieces when it cost nothing, None when it was not booked there."""
        found = self._find(account, event)
        return None if found is None else found.charge

    def cost_by_card(self, account: Account, event: BookedEvent, rate_card: RateCardVersion) -> int | Reject:
        """What the event costs by that version of the account's line, in microcredits."""
        used = self._find(account, event)
        if used is None:
            return Reject(Reason.CHARGE_NOT_FOUND, "no charge of that event was booked there", account)
        book = self._ledger.books.get(account)
        line = DEFAULT_LINE if book is None else line_at(book.row, used.occurred_at_us)
        card = self._rate_cards.card(line, rate_card)
        if isinstance(card, str):
            return Reject(Reason.NO_RATE_CARD, card, account)
        price = card.prices.get(used.node)
        if price is None:
            return Reject(Reason.UNKNOWN_NODE, f"{card.version} has no price for {used.node!r}", account)
        try:
            return price.cost_microcredits(used.quantity_micros)
        except CostTooLargeError as error:
            return Reject(Reason.COST_TOO_LARGE, str(error), account)

    def corrected(self, event: BookedEvent, charge: ChargeNow, more_microcredits: int, clock_ms: int) -> None:
        """Keep what the event costs now, and roll up the difference."""
        row = self._find(charge.account, event)
        assert row is not None  # noqa: S101  its charge was asked for, and found
        version = self._ledger.version
        # Taken out first: rows stay in the order in which they were corrected.
        self._table.pop(row.key, None)
        self._table[row.key] = row
        row.charge, row.at_ms = charge, clock_ms
        if row.version != version:
            row.version = version
            self._table.changed.append(row)
        if more_microcredits:
            self._of_rollups.append((row.rollup, more_microcredits))

    def take_of_rollups(self) -> list[Correction]:
        """What rollups must count more, or less, since the last call."""
        taken, self._of_rollups = self._of_rollups, []
        return taken

    def booked(self) -> None:
        """What was read back for a batch is needed no more."""
        self._charges, self._entries = {}, {}

    def drained(self, clock_ms: int) -> None:
        """Forget what was in the checkpoint, and rows that nothing may correct any more: the oldest come first."""
        self._lately.drained()
        for _ in range(_MOST_FORGOTTEN):
            oldest = next(iter(self._table.values()), None)
            if oldest is None or clock_ms - oldest.at_ms <= CORRECTED_MS:
                return
            self._table.remove(oldest.key)

    def _find(self, account: Account, event: BookedEvent) -> Corrected | None:
        """The row of an event that was corrected, or one made of what was booked."""
        if event.partition != self._partition:
            return None
        row = self._table.get(corrected_key(account, event.source, event.id, event.offset))
        if row is not None:
            return row
        read = self._charges.get(event.offset), self._entries.get(event.offset)
        if read[0] is None or read[1] is None:
            charge, entries = self._lately.charge(event.offset), self._lately.entries(event.offset)
        else:
            charge, entries = read[0].found, read[1].found
        if charge is None or (charge.account, charge.source, charge.id) != (account, event.source, event.id):
            return None
        free = ChargeNow(account, charge.source, charge.id, charge.ingested_at_ms, [])
        return not_corrected(charge, charge_of(entries) or free)


def _corrects(record: Message) -> tuple[Account, BookedEvent] | None:
    """Whose event a command corrects, and which; None of any other record."""
    value = record.value() or b""
    # Only what escapes its characters could say either kind in other bytes.
    if not (b"void_event" in value or b"reprice" in value or b"\\" in value):
        return None
    command = read_command(value, record.key())
    if isinstance(command, Reject) or not isinstance(command.data, VoidEvent | Reprice):
        return None
    return command.subject, command.data.event
