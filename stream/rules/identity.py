"""What makes two events the same: 128 bits of whose event it is, 64 bits of what it says.

Names are preceded by their lengths, so that no two different events are written alike. Numbers are the parsed ones,
so that the same event is the same however its JSON was written.
"""

from xxhash import xxh3_64_intdigest, xxh3_128_digest

IDENTITY_BYTES = 16


def identity(account: str, source: str, event_id: str) -> bytes:
    """16 bytes that two events share only if account, source and id are the same."""
    return xxh3_128_digest(f"{len(account)}:{len(source)}:{account}{source}{event_id}".encode())


def content(occurred_at_us: int, agent: str, conversation: str, channel: str, node: str, quantity_micros: int) -> int:
    """64 bits of everything else that an event says."""
    names = f"{len(agent)}:{len(conversation)}:{len(channel)}:{agent}{conversation}{channel}{node}"
    return xxh3_64_intdigest(f"{occurred_at_us}:{quantity_micros}:{names}".encode())
