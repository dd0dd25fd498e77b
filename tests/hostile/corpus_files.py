"""The kept corpus: each file is a record's value, its folders say what it is meant to be and what must become of it."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "corpus"


class Kept(NamedTuple):
    """A record of the corpus."""

    kind: str
    outcome: str
    name: str
    value: bytes


def kept(kind: str | None = None) -> list[Kept]:
    """Everything in the corpus, or what is of one kind."""
    return [
        Kept(file.parts[-3], file.parts[-2], file.stem, file.read_bytes())
        for file in sorted(FOLDER.glob("*/*/*"))
        if kind in (None, file.parts[-3])
    ]
