"""Charges in the records of credits.charges, decoded only where an account has some."""

import msgspec
from confluent_kafka import Message
from msgspec import Raw, Struct

from schemas.charge import Charge
from stream.topic_reader import UnreadableTopicError


class BatchHead(Struct, array_like=True):
    """A ChargeBatch whose charges are not looked at yet; `place` says where it was read."""

    partition: int
    version: int
    sequence: int
    booked_at_ms: int
    charges: Raw
    place: str = ""


_decode_head = msgspec.msgpack.Decoder(BatchHead).decode
_decode_charges = msgspec.msgpack.Decoder(list[Charge]).decode


def read_head(message: Message) -> BatchHead:
    """The head of a record; UnreadableTopicError if it is none."""
    place = f"{message.topic()}/{message.partition()}/{message.offset()}"
    try:
        head = _decode_head(message.value() or b"")
    except msgspec.MsgspecError as error:
        raise UnreadableTopicError(f"{place} is no batch of charges: {error}") from None
    head.place = place
    return head


def charges_in(head: BatchHead, account: str = "") -> list[Charge]:
    """All charges of a batch, or those of one account, in order; UnreadableTopicError if they are none."""
    # Names stand in the bytes as they are: most batches of a partition have none of one account.
    if account and account.encode() not in bytes(head.charges):
        return []
    try:
        charges = _decode_charges(head.charges)
    except msgspec.MsgspecError as error:
        raise UnreadableTopicError(f"{head.place} is no batch of charges: {error}") from None
    return [charge for charge in charges if charge.account == account] if account else charges
