"""`python -m producers`: what sends to creditstream from a command line."""

import argparse
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from producers import cli_command, cli_rate_card, cli_trace, cli_workload
from schemas.settings import BadSettingError, KafkaSettings, load_settings

_EPILOG = """\
settings, which the options override:
  CREDITSTREAM_BOOTSTRAP_SERVERS   where Kafka is (default: 127.0.0.1:9092)
  CREDITSTREAM_TOPIC_PREFIX        put before every topic's name (default: none)
  CREDITSTREAM_APP                 the installation's name (default: creditstream)"""
_SUBJECTS: dict[str, tuple[ModuleType, str]] = {
    "trace": (cli_trace, "replay a real trace of LLM requests"),
    "workload": (cli_workload, "send seeded load"),
    "command": (cli_command, "decide about an account: credits, plans, policies, corrections"),
    "rate-card": (cli_rate_card, "check, publish and withdraw rate cards"),
}
_INTERRUPTED = 130
_BAD_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted."""
    parsed = _parser().parse_args(arguments)
    try:
        settings = load_settings(
            KafkaSettings,
            bootstrap_servers=parsed.bootstrap_servers,
            topic_prefix=parsed.topic_prefix,
            app=parsed.app,
        )
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return _BAD_USAGE
    run: Callable[[argparse.Namespace, KafkaSettings], int] = _SUBJECTS[parsed.subject][0].run
    try:
        return run(parsed, settings)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m producers",
        description="Sends usage events, commands and rate cards.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bootstrap-servers", help="where Kafka is: host:port, several with commas")
    parser.add_argument("--topic-prefix", help="put before every topic's name")
    parser.add_argument("--app", help="the installation's name")
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="|".join(_SUBJECTS))
    for name, (module, summary) in _SUBJECTS.items():
        subject = subjects.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subject)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
