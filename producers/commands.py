"""Makes commands of every kind, as a worker will read them."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.command import Command
from schemas.command_check import problems
from schemas.credits import format_credits, parse_credits

_PLACE = re.compile(r"(.*) - at `\$\.?(?:data\.?)?(.*)`")


class InvalidCommandError(ValueError):
    """A command that the worker would reject whatever the account: what is wrong, and what is allowed."""


def make_command(*, id: str, source: str, account: str, time: datetime, data: Mapping[str, object]) -> Command:  # noqa: A002
    """The command of these data, which are of JSON's types or decimals, `kind` included.

    InvalidCommandError names the fields that are wrong.
    """
    said = {"id": id, "source": source, "subject": account, "time": time, "data": data}
    try:
        command = msgspec.convert(said, Command)
    except msgspec.ValidationError as error:
        raise InvalidCommandError(_by_place(str(error))) from None
    found = problems(command)
    if found:
        raise InvalidCommandError("; ".join(found))
    return command


def amount(field: str, text: str) -> Decimal:
    """Decimal text of at most six decimals, without trailing zeros; InvalidCommandError if it is none."""
    try:
        return Decimal(format_credits(parse_credits(text)))
    except ValueError as error:
        raise InvalidCommandError(f"{field}: {error}") from None


def _by_place(error: str) -> str:
    """The field first, as in the other messages."""
    found = _PLACE.fullmatch(error)
    return f"{found[2]}: {found[1]}" if found and found[2] else error
