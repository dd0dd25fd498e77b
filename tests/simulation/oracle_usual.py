"""Reads usage written in the usual form ten times as fast as the oracle's checks do; anything else is left to them."""

import re
from functools import lru_cache

from tests.simulation.oracle_checks import Usage
from tests.simulation.oracle_numbers import MICROS, instant_us, java_partition
from tests.simulation.oracle_records import OracleSettings, RawRecord

_CACHED = 1 << 17
_LONGEST_RECORD_BYTES = 2_048
# Printable ASCII without quotes and escapes, short enough for a name: its bytes are what it says.
_NAME = rb'"([ !#-\[\]-~]{1,256})"'
_USUAL = re.compile(
    rb'\{"id":%b,"source":%b,"subject":%b,"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z",'
    rb'"data":\{"agent":%b,"conversation":%b,"channel":"(api|widget|chat_portal|whatsapp|test_chat|reports)",'
    rb'"node":%b,"quantity":([1-9]\d{0,8})\},"specversion":"1\.0","type":"creditstream\.usage",'
    rb'"datacontenttype":"application/json"\}' % ((_NAME,) * 6)
)


def read_usual(record: RawRecord, settings: OracleSettings) -> Usage | None:
    """The event if it is in the usual form, in its own partition and short; None says nothing of it."""
    value = record.value
    if value is None or len(value) > min(_LONGEST_RECORD_BYTES, settings.largest_event_bytes):
        return None
    match = _USUAL.fullmatch(value)
    if match is None:
        return None
    event_id, source, subject, second, micros, agent, conversation, channel, node, quantity = match.groups()
    second_us = _second_us(second)
    if second_us is None or record.key != subject or _partition(subject, settings.partitions) != record.partition:
        return None
    return Usage(
        _text(subject),
        _text(source),
        event_id.decode(),
        second_us + int(micros),
        _text(agent),
        _text(conversation),
        _text(channel),
        _text(node),
        int(quantity) * MICROS,
    )


@lru_cache(_CACHED)
def _text(name: bytes) -> str:
    """One string for all events that share a name: millions are remembered."""
    return name.decode()


@lru_cache(_CACHED)
def _second_us(text: bytes) -> int | None:
    return instant_us(f"{text.decode()}Z")


@lru_cache(_CACHED)
def _partition(key: bytes, partitions: int) -> int:
    return java_partition(key, partitions)
