"""`python -m sinks charged`: which events have a charge in ClickHouse, by their identity.

The worker knows an identity for the dedup window alone; ClickHouse keeps every charge.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import msgspec
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from msgspec import Struct

from schemas.settings import load_settings
from sinks.clickhouse import connect
from sinks.query import QueryError
from sinks.refusals import judged
from sinks.settings import ClickHouseSettings

_AT_ONCE = 500
_CHARGED = """
SELECT DISTINCT account, source, id
FROM charges FINAL
WHERE account IN {accounts:Array(String)} AND id IN {ids:Array(String)}"""
_HELP = """
FILE has a JSON object a line, {"account": ..., "source": ..., "id": ...}, as `python -m stream replay --identities`
writes it; - is the standard input. Each is answered by the same line with `charged`, true or false.

Example:
  python -m sinks charged ids.jsonl --output charged.jsonl
"""


class Identity(Struct, frozen=True):
    """What makes two events the same."""

    account: str
    source: str
    id: str


class Answer(Struct):
    """Whether there is a charge."""

    account: str
    source: str
    id: str
    charged: bool


def add_charged(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its options."""
    charged = commands.add_parser(
        "charged",
        help="say which of some events were charged",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    charged.add_argument("file", metavar="FILE", help="the identities to look up")
    charged.add_argument("--output", metavar="FILE", help="write the answers here instead of the standard output")
    charged.set_defaults(run=_charged)


def look_up(client: Client, identities: Iterable[Identity]) -> Iterator[Answer]:
    """An answer for each identity, in order."""
    batch: list[Identity] = []
    for identity in identities:
        batch.append(identity)
        if len(batch) == _AT_ONCE:
            yield from _look_up(client, batch)
            batch = []
    yield from _look_up(client, batch)


def _look_up(client: Client, batch: Sequence[Identity]) -> Iterator[Answer]:
    if not batch:
        return
    asked = {"accounts": sorted({each.account for each in batch}), "ids": sorted({each.id for each in batch})}
    try:
        rows = client.query(_CHARGED, parameters=asked).result_rows
    except ClickHouseError as error:
        raise judged(error) from error
    found = {Identity(*row) for row in rows}
    for each in batch:
        yield Answer(each.account, each.source, each.id, each in found)


def _charged(options: argparse.Namespace) -> int:
    with ExitStack() as held:
        client = connect(load_settings(ClickHouseSettings))
        held.callback(client.close)
        output = sys.stdout.buffer if options.output is None else held.enter_context(_opened(options.output))
        for answer in look_up(client, _read(options.file)):
            output.write(msgspec.json.encode(answer) + b"\n")
        output.flush()
    return 0


def _opened(name: str) -> BinaryIO:
    try:
        return Path(name).open("wb")
    except OSError as error:
        raise QueryError(f"{name} cannot be written: {error.strerror}") from None


def _read(name: str) -> Iterator[Identity]:
    decode = msgspec.json.Decoder(Identity).decode
    with ExitStack() as held:
        try:
            lines = sys.stdin.buffer if name == "-" else held.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise QueryError(f"{name} cannot be read: {error.strerror}") from None
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield decode(line)
                except (msgspec.DecodeError, UnicodeError) as error:
                    raise QueryError(f"{name}, line {number}: {error}; a line has account, source and id") from None
