"""Java's murmur2, by which every producer of a keyed input chooses the partition.

Source: org.apache.kafka.common.utils.Utils.murmur2 and the default partitioner of Kafka's Java client.
"""

from struct import Struct

_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_MASK = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF
_MOST_PREPARED_WORDS = 64
# Parsing a format for every key would cost more than reading the words of a short one.
_WORDS = [Struct(f"<{count}I") for count in range(_MOST_PREPARED_WORDS + 1)]


def murmur2(key: bytes) -> int:
    """The hash of a key as an unsigned 32-bit integer; Java prints the same bits as a signed one."""
    length = len(key)
    count = length >> 2
    words = _WORDS[count] if count <= _MOST_PREPARED_WORDS else Struct(f"<{count}I")
    hashed = _SEED ^ length
    for word in words.unpack_from(key):
        word = word * _FACTOR & _MASK
        hashed = hashed * _FACTOR & _MASK ^ (word ^ word >> 24) * _FACTOR & _MASK
    if length & 3:
        hashed = (hashed ^ int.from_bytes(key[count << 2 :], "little")) * _FACTOR & _MASK
    hashed = (hashed ^ hashed >> 13) * _FACTOR & _MASK
    return hashed ^ hashed >> 15


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a key among `partitions`, as Java and librdkafka's murmur2_random choose it."""
    return (murmur2(key) & _POSITIVE) % partitions
