"""`python -m sinks verify-ledger`: whether the ledger is whole, and as it was written."""

import argparse
import sys
import time

from schemas.settings import load_settings
from sinks.clickhouse import connect
from sinks.query import QueryError
from sinks.settings import ClickHouseSettings
from sinks.verify.chain import Break, follow_all
from sinks.verify.run import Verification, Verified
from sinks.verify.statement import read_statement
from sinks.verify.stored import StoredLedger

BROKEN = 1
"""The exit code when a chain breaks."""

_SHOWN = 100
_PROGRESS_SECONDS = 5.0
_HELP = """
Recomputes every account's chain: each entry follows the hash of the one before, says a balance that the entries come
to, and none is missing; the last hash is the one that the account's own row has. Worker and sink go on meanwhile.

A statement that was exported by `python -m sinks query statement`, in CSV or lines of JSON, is verified without any
server. It holds nothing but its own entries: that the last of them is the account's last, --head tells, the hash that
the account's row has.

Exit codes: 0 every chain holds, 1 one breaks or it could not be read, 2 a setting or an argument cannot be used.

Examples:
  python -m sinks verify-ledger
  python -m sinks verify-ledger --account acme
  python -m sinks verify-ledger --from-file statement.csv
"""


def add_verify_ledger(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its options."""
    verify = commands.add_parser(
        "verify-ledger",
        help="recompute the ledger's hashes and balances, and name the first entry of each account that is off",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("--account", default="", help="verify this account alone")
    verify.add_argument("--from-file", metavar="FILE", help="verify an exported statement, without any server")
    verify.add_argument("--head", default="", metavar="HASH", help="of a statement: what its last hash must be")
    verify.add_argument("--wait", type=int, default=60, metavar="SECONDS", help="for the sink to catch up (60)")
    verify.add_argument("--quiet", action="store_true", help="no progress on stderr")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    if options.head and not options.from_file:
        raise QueryError("--head is of a statement: ClickHouse has each account's own")
    if options.account and options.from_file:
        raise QueryError("--account chooses among ClickHouse's: a statement is verified whole")
    if not 0 <= options.wait <= 86_400:
        raise QueryError(f"--wait {options.wait} is not between 0 and 86400 seconds")
    found = _of_file(options.from_file, options.head) if options.from_file else _of_clickhouse(options)
    counted = f"{_count(found.entries, 'entry', 'entries')} of {_count(found.accounts, 'account', 'accounts')}"
    if found.broken:
        print(f"{counted}: {_count(found.broken, 'chain breaks', 'chains break')}")
        return BROKEN
    print(f"{counted}: every chain holds")
    return 0


def _of_file(name: str, head: str) -> Verified:
    found, last = Verified(), ""
    for followed in follow_all(read_statement(name)):
        found.accounts += 1
        if isinstance(followed, Break):
            found.broken += 1
            _told(found, followed)
            continue
        found.entries += followed.sequence
        last = followed.hash.hex()
        print(f"{followed.account}: {_count(followed.sequence, 'entry', 'entries')}, the last hash is {last}")
        if head and last != head.lower():
            found.broken += 1
            _told(found, Break(followed.account, followed.sequence, "its hash is not the one that --head says"))
    if head and not found.accounts:
        found.broken += 1
        _told(found, Break("nobody", 1, "the statement has no entries"))
    return found


def _of_clickhouse(options: argparse.Namespace) -> Verified:
    client = connect(load_settings(ClickHouseSettings))
    progress = _Progress(quiet=options.quiet)
    try:
        run = Verification(
            StoredLedger(client),
            tell=lambda broken: _told(run.found, broken),
            progress=progress.tell,
            wait_seconds=options.wait,
        )
        return run.run(options.account)
    finally:
        client.close()


def _told(found: Verified, broken: Break) -> None:
    if found.broken <= _SHOWN:
        print(broken)
    elif found.broken == _SHOWN + 1:
        print("further breaks are counted, not shown")


class _Progress:
    """Says on stderr how far it is, every few seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._next = time.monotonic() + _PROGRESS_SECONDS

    def tell(self, found: Verified) -> None:
        if not self._quiet and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_SECONDS
            print(f"{found.entries} entries of {found.accounts} accounts", file=sys.stderr, flush=True)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
