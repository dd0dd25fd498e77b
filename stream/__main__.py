"""The worker's command line: `python -m stream --help`."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.settings import BadSettingError
from stream.admission import NotAdmittedError, admitted
from stream.create_topics import create_topics
from stream.engine import topics as topic_checks
from stream.explain import command as explaining
from stream.forecast import command as forecasting
from stream.replay import command as replaying
from stream.reprice import command as repricing
from stream.settings import WorkerSettings, load_worker_settings
from stream.simulate import command as simulating

logger = logging.getLogger("stream")

_USAGE_ERROR = 2


class _Tool(NamedTuple):
    """A command with a package of its own."""

    run: Callable[[WorkerSettings, Mapping[str, Any]], int]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    help: str
    epilog: str


_TOOLS = {
    "replay": _Tool(
        replaying.replay, replaying.add_arguments, "feed repaired dead letters back, each once", replaying.EPILOG
    ),
    "explain": _Tool(
        explaining.explain, explaining.add_arguments, "say why an account's balance is what it is", explaining.EPILOG
    ),
    "simulate": _Tool(
        simulating.simulate,
        simulating.add_arguments,
        "say what usage would have cost by another card",
        simulating.EPILOG,
    ),
    "reprice": _Tool(
        repricing.reprice, repricing.add_arguments, "price what was charged by another card", repricing.EPILOG
    ),
    "forecast": _Tool(
        forecasting.forecast, forecasting.add_arguments, "say when accounts run out of credits", forecasting.EPILOG
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it went well, 1 when it failed, 2 when it was asked for wrongly."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    try:
        settings = load_worker_settings(**options)
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return _USAGE_ERROR
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Their DEBUG and chatter cost more than the pipeline.
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    try:
        if command in _TOOLS:
            return _asked(_TOOLS[command], settings, options)
        return {"worker": _worker, "create-topics": _create_topics}[command](settings)
    except NotAdmittedError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stream",
        description="Prices usage events, keeps live balances, writes charges and rollups.",
        epilog="Every option is also a setting in the environment, CREDITSTREAM_ and its name in capitals.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    worker = commands.add_parser("worker", help="run a worker until it is told to stop")
    create = commands.add_parser("create-topics", help="create every topic that does not exist")
    parsers = [worker, create]
    for name, tool in _TOOLS.items():
        parsers.append(
            commands.add_parser(
                name, help=tool.help, epilog=tool.epilog, formatter_class=argparse.RawDescriptionHelpFormatter
            )
        )
        tool.add_arguments(parsers[-1])
    for each in parsers:
        each.add_argument("--bootstrap-servers", help="Kafka, as host:port,host:port (default 127.0.0.1:9092)")
        each.add_argument("--topic-prefix", help="put before every topic's name")
        each.add_argument("--app", help="name of the worker group and of its state topics (default creditstream)")
    worker.add_argument(
        "--single-node",
        action="store_true",
        default=None,
        help="accept topics with one replica: for trying out",
    )
    worker.add_argument(
        "--accept-new-state",
        action="store_true",
        default=None,
        help="start although topics were made again, or progress was lost: events may be booked again",
    )
    worker.add_argument(
        "--instance-id", help="the worker's name in its group, kept over restarts; no two workers share one"
    )
    worker.add_argument("--http-port", type=int, help="port of /metrics, /healthz and /readyz, 0 for none (8080)")
    create.add_argument("--partitions", type=int, help="of every keyed topic (default 12); cannot be changed later")
    create.add_argument("--replication", type=int, help="replicas of every topic (default 3)")
    return parser


def _asked(tool: _Tool, settings: WorkerSettings, options: Mapping[str, Any]) -> int:
    try:
        return tool.run(settings, options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:
        # Whoever reads, as `head` does, has seen enough; what Python flushes at its end must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _create_topics(settings: WorkerSettings) -> int:
    return create_topics(admitted(settings.kafka), settings.specs)


def _worker(settings: WorkerSettings) -> int:
    from stream.run import run_worker

    try:
        return run_worker(settings)
    except topic_checks.WrongTopicsError as error:
        print(f"the topics are not as they must be: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
