"""What a partition emits: charges, rollups and dead letters, collected while it books, encoded at a checkpoint."""

import hashlib
from collections.abc import Sequence

from confluent_kafka import Message

from schemas.charge import Charge, ChargeBatch
from schemas.codec import encode_json, encode_packed
from schemas.dead_letter import LARGEST_DEAD_LETTER_BYTES, DeadLetter
from schemas.rollup import Rollup, RollupBatch
from schemas.topics import PACKED_BYTES, TopicNames
from stream.engine.outbox import Record, pack
from stream.rules.outcome import FIXES, Reject

_CHARGES_AT_ONCE = 2_000
_ROLLUPS_AT_ONCE = 4_000


class Outputs:
    """The outputs of one partition since its last checkpoint."""

    def __init__(self, topics: TopicNames, partition: int) -> None:
        self.charges: list[Charge] = []
        self._topics = topics
        self._partition = partition
        self._dead_letters: list[tuple[Reject, Message, int]] = []

    def reject(self, reject: Reject, record: Message, clock_ms: int) -> None:
        """Keep a rejected record for the dead letters, with its bytes and place."""
        self._dead_letters.append((reject, record, clock_ms))

    def drain(self, rollups: Sequence[Rollup], version: int, booked_at_ms: int) -> list[Record]:
        """Everything collected and the given rollup rows, as records of checkpoint `version`."""
        partition, topics = self._partition, self._topics

        def encode_charges(charges: Sequence[Charge], first: int) -> bytes:
            return encode_packed(ChargeBatch(partition, version, first, booked_at_ms, list(charges)))

        def encode_rollups(rows: Sequence[Rollup], _: int) -> bytes:
            return encode_packed(RollupBatch(partition, version, list(rows)))

        charges, self.charges = self.charges, []
        dead_letters, self._dead_letters = self._dead_letters, []
        records: list[Record] = [
            (topics.charges, None, value) for value in pack(charges, encode_charges, PACKED_BYTES, _CHARGES_AT_ONCE)
        ]
        records += [
            (topics.rollups, None, value) for value in pack(rollups, encode_rollups, PACKED_BYTES, _ROLLUPS_AT_ONCE)
        ]
        records += [
            (topics.dead_letters, None, encode_json(_dead_letter(*each, version, booked_at_ms)))
            for each in dead_letters
        ]
        return records


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
