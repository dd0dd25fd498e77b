"""The sink's command line: migrate, worker, query, reconcile, charged, verify-ledger, notify, redeliver."""

import argparse
import logging
import sys
from collections.abc import Sequence

from confluent_kafka import KafkaException

from schemas.settings import BadSettingError, load_settings
from sinks.charged import add_charged
from sinks.migrate import SchemaError, migrate
from sinks.notify.command import add_notify
from sinks.notify.redeliver import RedeliveryFailedError
from sinks.query import QueryError
from sinks.query_command import add_query
from sinks.reconcile.command import add_reconcile
from sinks.reconcile.log import LogError
from sinks.reconcile.point import SinkBehindError
from sinks.refusals import ClickHouseAwayError, RowsRefusedError, UnclearError
from sinks.service import serve
from sinks.settings import ClickHouseSettings, SinkSettings
from sinks.verify.command import add_verify_ledger
from sinks.verify.run import LedgerBehindError
from sinks.verify.statement import StatementError
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

_FAILURES = (
    SchemaError,
    SinkFailedError,
    RowsRefusedError,
    UnclearError,
    KafkaException,
    LogError,
    RedeliveryFailedError,
    SinkBehindError,
    LedgerBehindError,
    StatementError,
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
    commands.add_parser("worker", help="write what the workers wrote into ClickHouse until told to stop").set_defaults(
        run=_worker
    )
    add_query(commands)
    add_reconcile(commands)
    add_charged(commands)
    add_notify(commands)
    add_verify_ledger(commands)
    return parser


def _migrate(_options: argparse.Namespace) -> int:
    applied = migrate(load_settings(ClickHouseSettings))
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do: the schema is up to date")
    return 0


def _worker(_options: argparse.Namespace) -> int:
    serve(load_settings(SinkSettings), load_settings(ClickHouseSettings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
