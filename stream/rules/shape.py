"""What keeps JSON from being a published struct: said by field, from the struct itself."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    DateType,
    DecimalType,
    IntType,
    LiteralType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
)

from schemas.dead_letter import Reason
from stream.rules.envelope import missing, not_an_object, not_text, time_problem, too_long
from stream.rules.json_text import Fields, Number, kind, show
from stream.rules.outcome import Reject

# Its digits are counted first: a million of them take minutes to become an int.
_WHOLE = re.compile(rb"-?[0-9]{1,19}")


def problems(fields: Fields, struct: StructType, place: str = "") -> Iterator[Reject]:
    """What is wrong with an object: first what is missing, then field by field."""
    absent = missing(fields, [field.encode_name for field in struct.fields if field.required], place)
    if absent is not None:
        yield absent
    for field in struct.fields:
        if field.encode_name in fields:
            yield from _of_value(fields[field.encode_name], field.type, place + field.encode_name)


def _of_value(value: object, wanted: Type, place: str) -> Iterator[Reject]:
    match wanted:
        case UnionType():
            yield from _of_either(value, wanted, place)
        case StructType():
            if isinstance(value, dict):
                yield from problems(value, wanted, f"{place}.")
            else:
                yield not_an_object(place, value)
        case VarTupleType():
            yield from _of_list(value, wanted, place)
        case _:
            found = _of_scalar(value, wanted, place)
            if found is not None:
                yield found


def _of_either(value: object, wanted: UnionType, place: str) -> Iterator[Reject]:
    """Schemas join a kind with none, and an object with a word: what is no object should be the other."""
    others = [each for each in wanted.types if not isinstance(each, NoneType)]
    if value is None and len(others) < len(wanted.types):
        return
    fitting = [each for each in others if isinstance(each, StructType) == isinstance(value, dict)]
    yield from _of_value(value, (fitting or others)[0], place)


def _of_list(value: object, wanted: VarTupleType, place: str) -> Iterator[Reject]:
    if not isinstance(value, list):
        yield _invalid(f"{place} is {kind(value)}, not a list")
    elif wanted.max_length is not None and len(value) > wanted.max_length:
        yield _invalid(f"{place} has {len(value)} items, more than {wanted.max_length}")
    else:
        for number, item in enumerate(value, start=1):
            yield from _of_value(item, wanted.item_type, f"{place}[{number}]")


def _of_scalar(value: object, wanted: Type, place: str) -> Reject | None:
    match wanted:
        case StrType():
            return not_text(place, value) or _of_text(str(value), wanted, place)
        case IntType():
            return _of_whole(value, wanted, place)
        case DecimalType():
            return _of_decimal(value, place)
        case BoolType():
            return None if isinstance(value, bool) else _invalid(f"{place} is {kind(value)}, not true or false")
        case LiteralType():
            allowed = " or ".join(map(str, wanted.values))
            return None if value in wanted.values else _invalid(f"{place} is {show(value)}, not {allowed}")
        case DateTimeType():
            return not_text(place, value) or time_problem(place, value)
        case DateType():
            return not_text(place, value) or _of_day(value, place)
        case _:
            raise TypeError(f"{place}: {wanted} is in no schema of a command")


def _of_text(text: str, wanted: StrType, place: str) -> Reject | None:
    if wanted.min_length and not text:
        return _invalid(f"{place} is empty")
    if wanted.max_length is not None and (found := too_long(place, text, wanted.max_length)):
        return found
    if wanted.pattern is not None and not re.search(wanted.pattern, text):
        return _invalid(f"{place} is {show(text)}, not as the published schema has it")
    return None


def _of_whole(value: object, wanted: IntType, place: str) -> Reject | None:
    least, most = wanted.ge, wanted.le
    if isinstance(value, Number) and _WHOLE.fullmatch(value):
        whole = int(value)
        if (least is None or whole >= least) and (most is None or whole <= most):
            return None
    shown = show(value) if isinstance(value, Number) else kind(value)
    return _invalid(f"{place} is {shown}, not a whole number from {least} to {most}")


def _of_decimal(value: object, place: str) -> Reject | None:
    if not isinstance(value, str | Number):
        return Reject(Reason.INVALID_AMOUNT, f"{place} is {kind(value)}")
    try:
        Decimal(value if isinstance(value, str) else value.decode())
    except InvalidOperation:
        return Reject(Reason.INVALID_AMOUNT, f"{place}: {show(value)} is not a decimal number")
    return None


def _of_day(value: object, place: str) -> Reject | None:
    try:
        msgspec.convert(value, date)
    except msgspec.ValidationError:
        return _invalid(f"{place} is {show(value)}, not a day such as 2025-12-01")
    return None


def _invalid(detail: str) -> Reject:
    return Reject(Reason.INVALID_FIELD, detail)
