"""Decimal text, RFC 3339 times and Java's murmur2, worked out on their own."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation

MICROS = 1_000_000
_LONGEST_DIGITS = 60
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_YEAR_10000_US = (date.max.toordinal() + 1 - _EPOCH_DAY) * 86_400 * MICROS
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)
_WORD = 0xFFFFFFFF
_MIX = 0x5BD1E995


def micros(text: str, *, largest: int) -> int | None:
    """Decimal text as millionths; None unless above 0, at most `largest`, and of at most six decimals."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    # The magnitude is asked before anything is scaled, since 1e999999999 is short to write and long to count.
    if not value.is_finite() or value <= 0 or value > largest or value.adjusted() < -6:
        return None
    if len(value.as_tuple().digits) > _LONGEST_DIGITS:
        return None
    numerator, denominator = value.as_integer_ratio()
    counted, lost = divmod(numerator * MICROS, denominator)
    return None if lost else counted


def instant_us(text: str) -> int | None:
    """An RFC 3339 time with a zone as microseconds since 1970, rounded half up; None if it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hour, zone_minute = match.groups()[6:]
    if hour > 23 or minute > 59 or second > 59 or int(zone_hour or 0) > 23 or int(zone_minute or 0) > 59:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    zone_s = (int(zone_hour or 0) * 60 + int(zone_minute or 0)) * 60 * (-1 if sign == "-" else 1)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - zone_s
    digits = (fraction or "").ljust(7, "0")
    instant = seconds * MICROS + (int(digits[:7]) + 5) // 10
    # Rounded up, the last moment of the year 9999 has no name any more.
    return instant if instant + zone_s * MICROS < _YEAR_10000_US else None


def java_partition(key: bytes, partitions: int) -> int:
    """The partition that Java's default partitioner gives to a key."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    value = (0x9747B28C ^ len(data)) & _WORD
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MIX & _WORD
        word = (word ^ (word >> 24)) * _MIX & _WORD
        value = (value * _MIX & _WORD) ^ word
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD
    value = (value ^ (value >> 13)) * _MIX & _WORD
    return value ^ (value >> 15)
