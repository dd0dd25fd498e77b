"""What was booked since the last checkpoint, by the events' offsets: read only when somebody asks."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from schemas.charge import Charge
from schemas.ledger import Entry, decode_entry_batch, entries_of, entry_of
from stream.outputs import Outputs
from stream.rules.ledger.ledger import Ledger

_decode_charges = msgspec.msgpack.Decoder(list[Charge]).decode


class BookedLately:
    """Reads every charge and entry of a checkpoint once at most, however many are asked for."""

    def __init__(self, ledger: Ledger, outputs: Outputs) -> None:
        self._ledger = ledger
        self._outputs = outputs
        self.drained()

    def drained(self) -> None:
        """Everything is in a checkpoint: nothing was booked since."""
        self._charges: dict[int, Charge] = {}
        self._entries: defaultdict[int, list[Entry]] = defaultdict(list)
        self._charges_read = self._charge_records = 0
        self._entries_read = self._entry_records = self._entries_packed = 0

    def charge(self, offset: int) -> Charge | None:
        """The charge of the event at that offset."""
        self._read_charges()
        return self._charges.get(offset)

    def entries(self, offset: int) -> Sequence[Entry]:
        """The entries of that event's booking."""
        self._read_entries()
        return self._entries.get(offset, ())

    def _read_charges(self) -> None:
        outputs = self._outputs
        for first, rows in outputs.packed_charges[self._charge_records :]:
            # Some of what is packed by now was read before it was.
            charges = _decode_charges(rows)[max(0, self._charges_read - first) :]
            self._note_charges(charges)
            self._charge_records += 1
        self._note_charges(Charge(*row) for row in outputs.charges[self._charges_read - outputs.packed_charges_count :])

    def _note_charges(self, charges: Iterable[Charge]) -> None:
        for charge in charges:
            self._charges[charge.offset] = charge
            self._charges_read += 1

    def _read_entries(self) -> None:
        for value in self._outputs.packed_entries[self._entry_records :]:
            batch = decode_entry_batch(value)
            entries = entries_of(batch)
            self._note_entries(entries[max(0, self._entries_read - batch.first) :])
            self._entries_packed = batch.first + len(entries)
            self._entry_records += 1
        sealed, read = self._ledger.sealed, self._entries_read - self._entries_packed
        self._note_entries(map(entry_of, sealed.lines[read:], sealed.previous[read:]))

    def _note_entries(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.cause == "event":
                self._entries[entry.offset].append(entry)
            self._entries_read += 1
