"""The files that a replay is given and gives: JSON, a line each."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from stream.replay.choice import Identity
from stream.replay.letters import LetterPlace

T = TypeVar("T", bound=Struct)


class BadFileError(Exception):
    """A file that cannot be used: its line, what is wrong, and what is allowed."""


class Repair(Struct, forbid_unknown_fields=True):
    """The event to send instead of a dead letter's, which is named by its partition and offset in its topic."""

    partition: int
    offset: int
    event: Raw


class LookedUp(Struct):
    """Whether ClickHouse has a charge of an event."""

    account: str
    source: str
    id: str
    charged: bool


def read_repairs(path: Path) -> dict[LetterPlace, bytes]:
    """The repaired events by the place of their dead letter; their numbers are kept as they are written."""
    repairs: dict[LetterPlace, bytes] = {}
    for number, repair in _lines(path, Repair):
        place = LetterPlace(repair.partition, repair.offset)
        if place in repairs:
            raise BadFileError(f"{path}, line {number}: dead letter {place} is repaired twice: leave one out")
        repairs[place] = bytes(repair.event)
    return repairs


def read_charged(path: Path) -> dict[Identity, bool]:
    """What `python -m sinks charged` answered."""
    return {Identity(line.account, line.source, line.id): line.charged for _, line in _lines(path, LookedUp)}


def write_identities(path: Path, identities: Iterable[Identity]) -> int:
    """What `python -m sinks charged` is asked; how many."""
    lines = [msgspec.json.encode(identity._asdict()) for identity in dict.fromkeys(identities)]
    try:
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    except OSError as error:
        raise BadFileError(f"{path} cannot be written: {error.strerror}") from None
    return len(lines)


def _lines(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    decode = msgspec.json.Decoder(kind).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        yield number, decode(line)
                    except (msgspec.DecodeError, UnicodeError) as error:
                        fields = ", ".join(kind.__struct_fields__)
                        raise BadFileError(
                            f"{path}, line {number}: {error}; a line is a JSON object of {fields}"
                        ) from None
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror}") from None
