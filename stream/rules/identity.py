"""What makes two events the same: 128 bits of whose event it is, 64 bits of what it says.

Names are preceded by their lengths, so that no two different events are written alike. Numbers are the parsed ones,
so that the same event is the same however its JSON was written.
"""

from collections.abc import Iterable

import msgspec
from xxhash import xxh3_64_digest, xxh3_128_digest

from schemas.charge import ChargeRow

IDENTITY_BYTES = 16
# msgpack writes lengths before names: no two lists of them are written alike.
_encode = msgspec.msgpack.Encoder().encode


def identities(charges: Iterable[ChargeRow]) -> bytes:
    """16 bytes for each that two share only if account, source and id are the same."""
    return b"".join([xxh3_128_digest(_encode(charge[:3])) for charge in charges])


def contents(charges: Iterable[ChargeRow]) -> bytes:
    """8 bytes for each, big-endian, of everything else that its event says."""
    return b"".join(
        [
            xxh3_64_digest(_encode((occurred_at_us, quantity_micros, agent, conversation, channel, node)))
            for _, _, _, agent, conversation, channel, node, quantity_micros, _, _, _, occurred_at_us, _, _ in charges
        ]
    )
