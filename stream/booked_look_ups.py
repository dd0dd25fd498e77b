"""What the engine reads back of one event that was booked: its charge, and its entries."""

from collections.abc import Sequence

from schemas.charge import Charge
from schemas.codec import decode_charges
from schemas.ledger import Entry, decode_entry_batch, entries_of, entry_of


class ChargeLookUp:
    """Looks for the charge of the event at a place of usage.events, in credits.charges."""

    def __init__(self, topic: str, place: int) -> None:
        self.topic = topic
        self.place = place
        self.found: Charge | None = None

    def places(self, value: bytes) -> tuple[int, int] | None:
        """The offsets of the first and the last event that a record has charges of."""
        charges = decode_charges(value).charges
        return (charges[0].offset, charges[-1].offset) if charges else None

    def take(self, values: Sequence[bytes]) -> None:
        """Keep the charge of that event."""
        charges = (charge for value in values for charge in decode_charges(value).charges)
        self.found = next((charge for charge in charges if charge.offset == self.place), None)


class EntriesLookUp:
    """Looks for the entries of that event's booking, in credits.ledger."""

    def __init__(self, topic: str, place: int) -> None:
        self.topic = topic
        self.place = place
        self.found: list[Entry] = []

    def places(self, value: bytes) -> tuple[int, int] | None:
        """The offsets of the first and the last event that caused entries of a record; others have other causes."""
        lines = decode_entry_batch(value).entries.split(b"\n")
        lowest = next(filter(_is_of_event, map(_entry, lines)), None)
        if lowest is None:
            return None
        highest = next(filter(_is_of_event, map(_entry, reversed(lines))), lowest)
        return lowest.offset, highest.offset

    def take(self, values: Sequence[bytes]) -> None:
        """Keep the entries of that event."""
        entries = (entry for value in values for entry in entries_of(decode_entry_batch(value)))
        self.found = [entry for entry in entries if _is_of_event(entry) and entry.offset == self.place]


def _entry(line: bytes) -> Entry:
    return entry_of(line, b"")


def _is_of_event(entry: Entry) -> bool:
    return entry.cause == "event"
