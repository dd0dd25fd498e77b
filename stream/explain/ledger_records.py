"""One account's entries in the records of credits.ledger."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from confluent_kafka import Message

from schemas.ledger import HASH_BYTES, Entry, EntryBatch, decode_entry_batch, entry_of
from stream.topic_reader import UnreadableTopicError


class Booked(NamedTuple):
    """An entry, and the checkpoint that booked it."""

    version: int
    entry: Entry


def entries_of_account(account: str, records: Iterable[Message]) -> Iterator[Booked]:
    """The account's entries in order; a record that is none is an UnreadableTopicError."""
    # What an entry's line begins with: most records have none, and none of the other accounts' lines is looked at.
    begins = b"[" + msgspec.json.encode(account) + b","
    for message in records:
        try:
            batch = decode_entry_batch(message.value() or b"")
            if begins in batch.entries:
                yield from _lines_that_begin(begins, batch)
        except msgspec.MsgspecError as error:
            place = f"{message.topic()}/{message.partition()}/{message.offset()}"
            raise UnreadableTopicError(f"{place} is no batch of entries: {error}") from None


def _lines_that_begin(begins: bytes, batch: EntryBatch) -> Iterator[Booked]:
    for place, line in enumerate(batch.entries.split(b"\n")):
        if line.startswith(begins):
            previous = batch.previous[place * HASH_BYTES : (place + 1) * HASH_BYTES]
            yield Booked(batch.version, entry_of(line, previous))
