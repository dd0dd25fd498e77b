"""What a partition emits: charges, entries, notices and dead letters, encoded at a checkpoint."""

import hashlib
from collections.abc import Sequence

import msgspec
from confluent_kafka import Message

from schemas.charge import ChargeRow
from schemas.codec import encode_json, encode_packed
from schemas.dead_letter import LARGEST_DEAD_LETTER_BYTES, DeadLetter
from schemas.ledger import pack_entries
from schemas.notice_events import notice_event
from schemas.notices import Alert, Notice, RefillRequest
from schemas.topics import PACKED_BYTES, TopicNames
from stream.engine.outbox import Record, pack
from stream.rules.ledger.drained import Drained
from stream.rules.ledger.sealing import Sealed
from stream.rules.outcome import FIXES, Reject

_CHARGES_AT_ONCE = 1_000
_ENTRIES_AT_ONCE = 1_000
_HEAD_BYTES = 64
"""What stands before the rows of a packed record takes less."""


class Outputs:
    """The outputs of one partition since its last checkpoint."""

    def __init__(self, topics: TopicNames, partition: int) -> None:
        self.topics = topics
        self._partition = partition
        self.charges: list[ChargeRow] = []
        """Those that are not packed yet."""
        self.packed_charges: list[tuple[int, bytes]] = []
        """The place of the first one in the checkpoint, and the charges from there."""
        self.packed_charges_count = 0
        self.packed_entries: list[bytes] = []
        self._entries_count = 0
        self._dead_letters: list[tuple[Reject, Message, int]] = []

    def charge(self, charges: Sequence[ChargeRow]) -> None:
        """Take charges in booking order."""
        self.charges += charges
        if len(self.charges) >= _CHARGES_AT_ONCE:
            self._encode_charges()

    def seal(self, sealed: Sealed, version: int) -> None:
        """Take entries in booking order, as part of that checkpoint: while they are in the processor's caches."""
        for first in range(0, len(sealed.lines), _ENTRIES_AT_ONCE):
            some = slice(first, first + _ENTRIES_AT_ONCE)
            self._pack_entries(sealed.previous[some], sealed.lines[some], version)

    def _pack_entries(self, previous: Sequence[bytes], lines: Sequence[bytes], version: int) -> None:
        value = encode_packed(pack_entries(self._partition, version, self._entries_count, previous, lines))
        if len(value) > PACKED_BYTES and len(lines) > 1:
            middle = len(lines) // 2
            self._pack_entries(previous[:middle], lines[:middle], version)
            self._pack_entries(previous[middle:], lines[middle:], version)
            return
        self.packed_entries.append(value)
        self._entries_count += len(lines)

    def reject(self, reject: Reject, record: Message, clock_ms: int) -> None:
        """Keep a rejected record for the dead letters, with its bytes and place."""
        self._dead_letters.append((reject, record, clock_ms))

    def drain(self, ledger: Drained, version: int, booked_at_ms: int) -> list[Record]:
        """Everything collected and what the ledger booked, as records of that checkpoint."""
        partition, topics = self._partition, self.topics
        self._encode_charges()
        charges, self.packed_charges, self.packed_charges_count = self.packed_charges, [], 0
        dead_letters, self._dead_letters = self._dead_letters, []
        records: list[Record] = [
            # A ChargeBatch, whose charges are encoded already.
            (topics.charges, None, encode_packed((partition, version, first, booked_at_ms, msgspec.Raw(rows))))
            for first, rows in charges
        ]
        self.seal(ledger.sealed, version)
        records += [(topics.ledger, None, value) for value in self.packed_entries]
        self.packed_entries, self._entries_count = [], 0
        records += [
            (self._topic_of(notice), notice.account.encode(), encode_json(notice_event(notice, partition, version)))
            for notice in ledger.notices
        ]
        records += [
            (topics.dead_letters, None, encode_json(_dead_letter(*each, version, booked_at_ms)))
            for each in dead_letters
        ]
        return records

    def _topic_of(self, notice: Notice) -> str:
        if isinstance(notice, Alert):
            return self.topics.alerts
        return self.topics.refill_requests if isinstance(notice, RefillRequest) else self.topics.bills

    def _encode_charges(self) -> None:
        """While their names are in the processor's caches; a checkpoint later, each would be fetched from memory."""
        charges, self.charges = self.charges, []
        for first, rows in pack(charges, encode_packed, PACKED_BYTES - _HEAD_BYTES, _CHARGES_AT_ONCE):
            self.packed_charges.append((self.packed_charges_count + first, rows))
        self.packed_charges_count += len(charges)


def _dead_letter(reject: Reject, record: Message, clock_ms: int, version: int, booked_at_ms: int) -> DeadLetter:
    value = record.value() or b""
    key = record.key()
    return DeadLetter(
        reason=reject.reason,
        detail=reject.detail,
        fix=FIXES[reject.reason],
        topic=record.topic() or "",
        partition=record.partition() or 0,
        offset=record.offset() or 0,
        ingested_at_ms=clock_ms,
        booked_at_ms=booked_at_ms,
        account=reject.account,
        key=None if key is None else key[:LARGEST_DEAD_LETTER_BYTES],
        value=value[:LARGEST_DEAD_LETTER_BYTES],
        value_bytes=len(value),
        value_sha256=hashlib.sha256(value).hexdigest(),
        version=version,
    )
