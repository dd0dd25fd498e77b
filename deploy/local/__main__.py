"""Kafka and ClickHouse on this machine without Docker, and the demo that uses them."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from deploy.local.errors import LocalStackError
from deploy.local.service import LocalService
from deploy.local.stack import LocalStack

DEFAULT_DATA = Path(".data/local")
_DEMO_DATA = Path(".data/demo")


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 1 with the reason on stderr; `status` is 1 unless both services answer."""
    options = _parser().parse_args(arguments)
    # SIGTERM ends a start or a demo as Ctrl-C does: through every `finally`.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(options.run(options))
    except LocalStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start both, or find them running")
    start.add_argument("--kafka-port", type=int, help="a free one unless given")
    start.add_argument("--clickhouse-port", type=int, help="a free one unless given")
    start.set_defaults(run=_start)
    stop = commands.add_parser("stop", help="end both")
    stop.set_defaults(run=_stop)
    status = commands.add_parser("status", help="tell whether they answer, and where")
    status.set_defaults(run=_status)
    for command in (start, stop, status):
        command.add_argument("--data", type=Path, default=DEFAULT_DATA, help=f"default: {DEFAULT_DATA}")
    demo = commands.add_parser("demo", help="the shipped trace through Kafka, worker and sink into ClickHouse")
    demo.add_argument("--data", type=Path, default=_DEMO_DATA, help=f"emptied first; default: {_DEMO_DATA}")
    demo.add_argument("--once", action="store_true", help="compare every figure with the oracle, then end")
    demo.add_argument("--limit", type=int, metavar="N", help="only the first N requests of the trace")
    demo.set_defaults(run=_demo)
    return parser


def _start(options: argparse.Namespace) -> int:
    stack = LocalStack(options.data, kafka_port=options.kafka_port, clickhouse_port=options.clickhouse_port)
    endpoints = stack.start()
    print(f"Kafka       {endpoints.bootstrap_servers}\nClickHouse  {stack.clickhouse.url}\n")
    print("\n".join(f"export {name}={value}" for name, value in endpoints.environment().items()))
    return 0


def _stop(options: argparse.Namespace) -> int:
    LocalStack(options.data).stop()
    print(f"nothing of {options.data} runs any more")
    return 0


def _status(options: argparse.Namespace) -> int:
    if not options.data.exists():
        print(f"nothing was ever started in {options.data}")
        return 1
    stack = LocalStack(options.data)
    print(_describe(stack.kafka), _describe(stack.clickhouse), sep="\n")
    return 0 if stack.kafka.answers() and stack.clickhouse.answers() else 1


def _describe(service: LocalService) -> str:
    if service.pid is None:
        return f"{service.title:<11} is not running"
    state = "answers" if service.answers() else "does not answer"
    return f"{service.title:<11} {state} on {service.host}:{service.port}, pid {service.pid}, log {service.log_file}"


def _demo(options: argparse.Namespace) -> int:
    from deploy.local.demo import run_demo  # the stack must start and stop where the demo's parts are missing

    return run_demo(options.data, once=options.once, limit=options.limit)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
