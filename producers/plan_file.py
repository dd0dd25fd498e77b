"""Reads the terms of a plan from TOML, as people write them, and says what is wrong with them."""

import tomllib
from decimal import Decimal
from pathlib import Path

from producers.commands import InvalidCommandError
from schemas.plan_command import Overage, Plan, Rollover

_LARGEST_FILE_BYTES = 1 << 20
_TABLES = {"rollover": Rollover, "overage": Overage}


def read_plan(path: Path) -> dict[str, object]:
    """The plan of a file, by the fields of a command; InvalidCommandError names file and field.

    What its fields hold is checked with the command.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise InvalidCommandError(f"{path}: larger than {_LARGEST_FILE_BYTES} bytes")
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCommandError(f"{path}: cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, ArithmeticError) as error:
        raise InvalidCommandError(f"{path}: is not TOML: {error}") from None
    _check_names(path, "", document, Plan.__struct_fields__)
    for name, struct in _TABLES.items():
        table = document.get(name, {})
        if isinstance(table, dict):
            _check_names(path, f"{name}.", table, struct.__struct_fields__)
    return document


def _check_names(path: Path, place: str, given: dict[str, object], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise InvalidCommandError(f"{path}: {place}{name} is unknown; known are {', '.join(known)}")
