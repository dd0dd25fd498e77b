"""Good and bad records with other pieces in them, at the places where JSON has its pieces."""

import re
from enum import Enum, auto
from random import Random

from tests.hostile.fragments import FRAGMENTS, NAMES

_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*+|true|false|null|\[\]|\{\}')
_MOST_PIECES = 1_000
_MOST_CHANGES = 3


class Change(Enum):
    """What is done to a piece of a record: a name, a value, or what looks like one."""

    REPLACED = auto()
    CUT = auto()
    DOUBLED = auto()
    REPEATED = auto()
    """Its name comes again, before it, with another value."""
    PRECEDED = auto()


def changed(value: bytes, place: int, change: Change, other: bytes) -> bytes:
    """The record with its piece at that place (counted round and round) changed, `other` taking part."""
    pieces = [piece.span() for piece, _ in zip(_PIECE.finditer(value), range(_MOST_PIECES), strict=False)]
    if not pieces:
        return value + other
    start, end = pieces[place % len(pieces)]
    before, piece, after = value[:start], value[start:end], value[end:]
    match change:
        case Change.REPLACED:
            return before + other + after
        case Change.CUT:
            return before + after
        case Change.DOUBLED:
            return before + piece + piece + after
        case Change.REPEATED:
            return before + piece + b":" + other + b"," + piece + after
        case Change.PRECEDED:
            return before + other + b"," + piece + after


def randomly_changed(value: bytes, random: Random) -> bytes:
    """One to three changes."""
    for _ in range(random.randint(1, _MOST_CHANGES)):
        other = random.choice(FRAGMENTS) if random.random() < 0.9 else f'"{random.choice(NAMES)}"'
        value = changed(value, random.randrange(_MOST_PIECES), random.choice(list(Change)), other.encode())
    return value
