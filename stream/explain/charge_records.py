"""One account's charges, found for its entries: both topics are in the order of the partition's checkpoints."""

from collections.abc import Iterator

import msgspec
from confluent_kafka import Message
from msgspec import Raw, Struct

from schemas.charge import Charge
from stream.explain.asked import Event
from stream.topic_reader import UnreadableTopicError


class _Head(Struct, array_like=True):
    """A ChargeBatch whose charges are not looked at yet."""

    partition: int
    version: int
    sequence: int
    booked_at_ms: int
    charges: Raw


_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_charges = msgspec.msgpack.Decoder(list[Charge]).decode


class AccountCharges:
    """Reads along with the entries, and holds the charges of one checkpoint at a time.

    `begins` is the first checkpoint that is retained, None where there is none; `of_event` the charge of the event
    that is asked about, once it was met.
    """

    def __init__(self, account: str, records: Iterator[Message], event: Event | None = None) -> None:
        self._account = account
        self._name = account.encode()
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

    def _read(self) -> _Head | None:
        message = next(self._records, None)
        if message is None:
            return None
        try:
            return _decode_head(message.value() or b"")
        except msgspec.MsgspecError as error:
            place = f"{message.topic()}/{message.partition()}/{message.offset()}"
            raise UnreadableTopicError(f"{place} is no batch of charges: {error}") from None

    def _charges(self, head: _Head) -> list[Charge]:
        if self._name not in bytes(head.charges):
            return []
        charges = [charge for charge in _decode_charges(head.charges) if charge.account == self._account]
        if self._event is not None and self.of_event is None:
            self.of_event = next((each for each in charges if (each.source, each.id) == self._event), None)
        return charges
