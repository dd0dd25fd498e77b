"""A refused row as its dead letter holds it: what `INSERT INTO … FORMAT JSONEachRow` reads once the cause is mended.

Columns are filled with numbers, which JSONEachRow would take for seconds: times and days are written out. Bytes
are in base64, as JSON has no other way.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec

_DATETIME64 = re.compile(r"DateTime64\((\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_MICROSECOND_DIGITS = 6


def insertable(columns: Mapping[str, str], fields: Mapping[str, object]) -> bytes:
    """The row in JSON; `columns` are ClickHouse's types by name, `fields` what the sink would have inserted."""
    return msgspec.json.encode({name: _written_out(columns.get(name, ""), value) for name, value in fields.items()})


def _written_out(column_type: str, value: object) -> object:
    if not isinstance(value, int):
        return value
    try:
        if column_type == "Date":
            return (_EPOCH_DAY + timedelta(days=value)).isoformat()
        if matched := _DATETIME64.match(column_type):
            moment = _EPOCH + timedelta(microseconds=value * 10 ** (_MICROSECOND_DIGITS - int(matched[1])))
            return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    except OverflowError:
        # Perhaps the very reason why it was refused: a person must see the number.
        return value
    return value
