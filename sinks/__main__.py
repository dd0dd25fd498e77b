"""The sink's command line: migrate, worker, query, reconcile, charged, notify, redeliver."""

import argparse
import logging
import sys
from collections.abc import Sequence

from confluent_kafka import KafkaException

from schemas.settings import BadSettingError, load_settings
from sinks.answers import FORMATS
from sinks.charged import add_charged
from sinks.migrate import SchemaError, migrate
from sinks.notify.command import add_notify
from sinks.notify.redeliver import RedeliveryFailedError
from sinks.query import QueryError, ask, parse_hour, read_queries
from sinks.reconcile.command import add_reconcile
from sinks.reconcile.log import LogError
from sinks.reconcile.point import SinkBehindError
from sinks.refusals import ClickHouseAwayError, RowsRefusedError, UnclearError
from sinks.service import serve
from sinks.settings import ClickHouseSettings, SinkSettings
from sinks.worker import SinkFailedError

_SETTINGS_HELP = """
Settings come from the environment, or from a file that NAME_FILE names:
  CREDITSTREAM_CLICKHOUSE_HOST, _CLICKHOUSE_PORT, _CLICKHOUSE_USER, _CLICKHOUSE_PASSWORD, _CLICKHOUSE_DATABASE,
  _CLICKHOUSE_SECURE, _CLICKHOUSE_TIMEOUT_SECONDS, _CLICKHOUSE_INSERT_SETTINGS
  CREDITSTREAM_BOOTSTRAP_SERVERS, CREDITSTREAM_TOPIC_PREFIX, CREDITSTREAM_APP
  CREDITSTREAM_HTTP_HOST, CREDITSTREAM_HTTP_PORT (0: none)
  CREDITSTREAM_SINK_FLUSH_ROWS, _SINK_FLUSH_BYTES, _SINK_FLUSH_INTERVAL_MS, _SINK_REWIND_MINUTES
  CREDITSTREAM_NOTIFY_...: see `python -m sinks notify --help`

Exit codes: 0 done, 1 it failed, 2 a setting or an argument cannot be used, 3 reconcile found drift.
"""
_QUERY_EXAMPLES = """
Examples:
  python -m sinks query --list
  python -m sinks query trend --account acme --from 2026-11-01 --to 2026-12-01
  python -m sinks query nodes --account acme --from 2026-11-01T09:00:00Z --to 2026-11-01T17:00:00Z --format csv
  python -m sinks query balance --account acme --format json
"""


_FAILURES = (
    SchemaError,
    SinkFailedError,
    RowsRefusedError,
    UnclearError,
    KafkaException,
    LogError,
    RedeliveryFailedError,
    SinkBehindError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The process's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (BadSettingError, QueryError) as error:
        print(error, file=sys.stderr)
        return 2
    except ClickHouseAwayError as error:
        print(f"ClickHouse is away, or lets us not in: {error}", file=sys.stderr)
    except _FAILURES as error:
        logging.getLogger("sinks").debug("failed", exc_info=True)
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sinks",
        description="Carries credits from Kafka into ClickHouse, and asks ClickHouse about them.",
        epilog=_SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser(
        "migrate", help="make or update ClickHouse's tables; safe to run again, and by two at once"
    ).set_defaults(run=_migrate)
    commands.add_parser(
        "worker", help="write balances, rollups, conversations, charges and dead letters until told to stop"
    ).set_defaults(run=_worker)
    _add_query(commands)
    add_reconcile(commands)
    add_charged(commands)
    add_notify(commands)
    return parser


def _add_query(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    query = commands.add_parser(
        "query",
        help="ask for an account's trend, channels, agents, nodes or balance",
        epilog=_QUERY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    query.add_argument("name", nargs="?", metavar="NAME", help="which question; --list names them")
    query.add_argument("--account", help="whose usage")
    query.add_argument("--from", dest="start", metavar="TIME", help="from this day, or this hour in RFC 3339, on")
    query.add_argument("--to", dest="end", metavar="TIME", help="up to this one, which is not included")
    query.add_argument("--format", choices=sorted(FORMATS), default="table", help="how to show it (table)")
    query.add_argument("--list", action="store_true", help="name the questions and what they answer")
    query.set_defaults(run=_query)


def _migrate(_options: argparse.Namespace) -> int:
    applied = migrate(load_settings(ClickHouseSettings))
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do: the schema is up to date")
    return 0


def _worker(_options: argparse.Namespace) -> int:
    serve(load_settings(SinkSettings), load_settings(ClickHouseSettings))
    return 0


def _query(options: argparse.Namespace) -> int:
    queries = read_queries()
    if options.list:
        print("\n".join(f"{query.name:10} {query.answers}" for query in queries.values()))
        return 0
    if options.name not in queries:
        asked = f"there is no query {options.name!r}" if options.name else "a query is named first"
        raise QueryError(f"{asked}: {', '.join(queries)} are there; --list says what they answer")
    times = {name: text for name, text in (("from", options.start), ("to", options.end)) if text}
    parameters = {name: parse_hour(text) for name, text in times.items()}
    if options.account:
        parameters["account"] = options.account
    if {"from", "to"} <= parameters.keys() and parameters["from"] >= parameters["to"]:
        raise QueryError(f"--from {options.start} is not before --to {options.end}")
    print(FORMATS[options.format](ask(load_settings(ClickHouseSettings), queries[options.name], parameters)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
