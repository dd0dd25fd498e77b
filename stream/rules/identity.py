"""What makes two events the same: 128 bits of whose event it is, 64 bits of what it says.

Names are preceded by their lengths, so that no two different events are written alike. Numbers are the parsed ones,
so that the same event is the same however its JSON was written.
"""

import msgspec
from xxhash import xxh3_64_digest, xxh3_128_digest

IDENTITY_BYTES = 16
# msgpack writes lengths before names: no two lists of them are written alike.
_encode = msgspec.msgpack.Encoder().encode


def identity(account: str, source: str, event_id: str) -> bytes:
    """16 bytes that two events share only if account, source and id are the same."""
    return xxh3_128_digest(_encode((account, source, event_id)))


def content(occurred_at_us: int, agent: str, conversation: str, channel: str, node: str, quantity_micros: int) -> bytes:
    """8 bytes, big-endian, of everything else that an event says."""
    return xxh3_64_digest(_encode((occurred_at_us, quantity_micros, agent, conversation, channel, node)))
