"""`python -m sinks reconcile`: options in, a report out, and an exit code that a scheduler can act on."""

import argparse
import sys
from datetime import UTC, datetime

from schemas.settings import load_settings
from sinks.clickhouse import connect
from sinks.migrate import check_schema
from sinks.query import QueryError
from sinks.reconcile.plan import Asked
from sinks.reconcile.recorded import record
from sinks.reconcile.report import FORMATS, report_of
from sinks.reconcile.run import Reconciliation
from sinks.reconcile.settings import ReconcileSettings
from sinks.settings import ClickHouseSettings

DRIFT = 3
"""The exit code when something differs."""

_HELP = """
Recomputes from usage.events, credits.commands and the rate cards what must have been charged, and compares it with
charges, dead letters, rollups and balances in ClickHouse, and with the worker's table of balances. Each partition is
compared at its last checkpoint, once the sink has written it; worker and sink go on meanwhile.

A range is one of append times. Without --from the log is read from its beginning, and balances are compared with the
inputs in full; where the log no longer begins where the books do, the report says what was compared instead. Ids are
remembered from a dedup window before the range: CREDITSTREAM_DEDUP_WINDOW_HOURS and CREDITSTREAM_HORIZON_MINUTES must
be the worker's.

What was compared is kept in ClickHouse's table reconciliations, which the sink's metrics show.

Exit codes: 0 no drift, 3 drift, 1 it could not be compared, 2 a setting or an argument cannot be used.

Examples:
  python -m sinks reconcile
  python -m sinks reconcile --account acme --format json
  python -m sinks reconcile --from 2026-11-21 --to 2026-11-22T12:30:00Z
"""


def add_reconcile(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its options."""
    reconcile = commands.add_parser(
        "reconcile",
        help="recompute everything from the inputs, and compare it with ClickHouse and the worker's table",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    reconcile.add_argument("--account", default="", help="compare this account alone")
    reconcile.add_argument("--from", dest="start", metavar="TIME", help="appended on this day (UTC) or time, or later")
    reconcile.add_argument("--to", dest="end", metavar="TIME", help="appended before this day or time")
    reconcile.add_argument("--format", choices=sorted(FORMATS), default="table", help="how to show it (table)")
    reconcile.add_argument("--show", type=_count, default=20, metavar="N", help="differences of each kind in full (20)")
    reconcile.add_argument("--wait", type=_count, default=60, metavar="SECONDS", help="for the sink to catch up (60)")
    reconcile.add_argument("--no-record", action="store_true", help="keep nothing in ClickHouse of what was found")
    reconcile.add_argument("--quiet", action="store_true", help="no progress on stderr")
    reconcile.add_argument("--bootstrap-servers", help="Kafka, as host:port,host:port")
    reconcile.add_argument("--topic-prefix", help="put before every topic's name")
    reconcile.add_argument("--app", help="name of the worker group and of its state topics (creditstream)")
    reconcile.set_defaults(run=reconcile_now)


def reconcile_now(options: argparse.Namespace) -> int:
    """The exit code."""
    settings = load_settings(
        ReconcileSettings,
        bootstrap_servers=options.bootstrap_servers,
        topic_prefix=options.topic_prefix,
        app=options.app,
    )
    asked = Asked(parse_moment(options.start), parse_moment(options.end), options.account)
    if asked.from_ms is not None and asked.until_ms is not None and asked.from_ms >= asked.until_ms:
        raise QueryError(f"--from {options.start} is not before --to {options.end}")
    clickhouse = load_settings(ClickHouseSettings)
    check_schema(clickhouse)
    client = connect(clickhouse)
    try:
        run = Reconciliation(
            settings, client, asked, shown=options.show, wait_seconds=options.wait, quiet=options.quiet
        )
        for result in run.partitions():
            if result.version and not options.no_record:
                record(client, run.run_id, result)
            if not options.quiet:
                found = sum(result.drift.values())
                print(f"partition {result.partition}: {found or 'no'} drift", file=sys.stderr, flush=True)
    finally:
        client.close()
    print(FORMATS[options.format](report_of(run.run_id, run.results, run.drift)))
    return DRIFT if run.drift.total else 0


def parse_moment(text: str | None) -> int | None:
    """A day or a time in RFC 3339 as milliseconds since 1970; QueryError if it is neither."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise QueryError(
            f"{text!r} is neither a day (2026-11-01) nor a time (2026-11-01T14:00:00Z): correct it"
        ) from None
    if moment.tzinfo is None:
        if len(text) > len("2026-11-01"):
            raise QueryError(f"{text!r} has no time zone: write 2026-11-01T14:00:00Z, or a day alone")
        moment = moment.replace(tzinfo=UTC)
    if not 1970 < moment.year < 2105:
        raise QueryError(f"{text!r} is not between the years 1970 and 2105")
    return int(moment.timestamp() * 1_000)


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100000")
    return value
