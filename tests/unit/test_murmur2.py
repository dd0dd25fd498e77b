"""The partition of a key is the one that a Java client chooses."""

import importlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.murmur2 import murmur2, partition_for

# Without types of its own, so that it is read as a plain module.
aiokafka_partitioner = importlib.import_module("aiokafka.partitioner")

# From org.apache.kafka.common.utils.UtilsTest.testMurmur2: what Java returns, signed.
JAVA_VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "signed"), JAVA_VECTORS)
def test_a_hash_has_the_bits_that_java_computes(key: bytes, signed: int) -> None:
    """Kafka's own test vectors hold, read as signed integers."""
    assert murmur2(key) == signed & 0xFFFFFFFF


@pytest.mark.parametrize(("key", "signed"), JAVA_VECTORS)
def test_a_partition_is_the_positive_hash_modulo_the_count(key: bytes, signed: int) -> None:
    """The sign bit is cleared, not negated, as Utils.toPositive does."""
    assert partition_for(key, 12) == (signed & 0x7FFFFFFF) % 12


@given(st.binary(max_size=600))
def test_a_hash_is_the_one_aiokafka_computes(key: bytes) -> None:
    """An independent port of the same function agrees for every key, the empty one and long ones included."""
    assert murmur2(key) == aiokafka_partitioner.murmur2(key) & 0xFFFFFFFF


@given(st.binary(max_size=40), st.integers(1, 10_000))
def test_a_partition_exists(key: bytes, partitions: int) -> None:
    """A key's partition is among those there are."""
    assert 0 <= partition_for(key, partitions) < partitions


def test_accounts_spread_evenly() -> None:
    """No partition of twelve holds a tenth more than its share of 60,000 accounts."""
    draw = random.Random(7)
    counts = [0] * 12
    for _ in range(60_000):
        counts[partition_for(f"account-{draw.getrandbits(40):x}".encode(), 12)] += 1
    assert max(counts) < 5_500
