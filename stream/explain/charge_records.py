"""One account's charges, found for its entries: both topics are in the order of the partition's checkpoints."""

from collections.abc import Iterator

from confluent_kafka import Message

from schemas.charge import Charge
from stream.charge_batches import BatchHead, charges_in, read_head
from stream.explain.asked import Event


class AccountCharges:
    """Reads along with the entries, and holds the charges of one checkpoint at a time.

    `begins` is the first checkpoint that is retained, None where there is none; `of_event` the charge of the event
    that is asked about, once it was met.
    """

    def __init__(self, account: str, records: Iterator[Message], event: Event | None = None) -> None:
        self._account = account
        self._event = event
        self._records = records
        self._held: dict[int, Charge] = {}
        self._held_version = 0
        self._next = self._read()
        self.begins = None if self._next is None else self._next.version
        self.of_event: Charge | None = None

    def at(self, version: int, offset: int) -> Charge | None:
        """The charge of the event at that offset, booked by that checkpoint; checkpoints are asked for in order."""
        if version > self._held_version:
            self._held, self._held_version = {}, version
            while self._next is not None and self._next.version <= version:
                for charge in self._charges(self._next):
                    if self._next.version == version:
                        self._held[charge.offset] = charge
                self._next = self._read()
        return self._held.get(offset)

    def finish(self) -> None:
        """Read to the end, for the event that no entry has."""
        while self._next is not None:
            self._charges(self._next)
            self._next = self._read()

    def _read(self) -> BatchHead | None:
        message = next(self._records, None)
        return None if message is None else read_head(message)

    def _charges(self, head: BatchHead) -> list[Charge]:
        charges = charges_in(head, self._account)
        if self._event is not None and self.of_event is None:
            self.of_event = next((each for each in charges if (each.source, each.id) == self._event), None)
        return charges
