"""`python -m producers command`: decides about an account, by a command of any kind."""

import argparse
import sys
from datetime import UTC, datetime

from producers import command_credits, command_plans, command_policies
from producers.commands import InvalidCommandError, make_command
from producers.event_ids import stamp_source
from producers.sender import Sender, UndeliveredError
from schemas.codec import encode_json
from schemas.command import Command
from schemas.settings import KafkaSettings

KINDS = {**command_credits.KINDS, **command_plans.KINDS, **command_policies.KINDS}
DESCRIPTION = """\
Sends a command to the account's partition, waits until Kafka has it, and prints its id. A command sent again with
its --id and the same content is carried out once. What is refused is a dead letter with its reason."""
_ACCOUNT = "python -m producers command {} --account acme {}"
EXAMPLES = "\n".join(
    [
        "examples:",
        *(f"  {_ACCOUNT.format(name, kind.example)}" for name, kind in KINDS.items()),
        f"  {_ACCOUNT.format('grant', '--credits 100 --dry-run')}",
    ]
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `command`."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, kind in KINDS.items():
        options = kinds.add_parser(
            name,
            help=kind.help,
            description=f"{kind.help.capitalize()}.",
            epilog=f"example:\n  {_ACCOUNT.format(name, kind.example)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        options.add_argument("--account", required=True)
        kind.add_options(options)
        options.add_argument("--id", help="the command's id (default: a new one)")
        options.add_argument("--source", default="cli", help="with the id, the identity (default: cli)")
        options.add_argument("--dry-run", action="store_true", help="print the command, send nothing")


def run(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """Sends the command; 1 if it was not delivered, 2 if it is invalid."""
    try:
        command = _command(arguments)
    except InvalidCommandError as error:
        print(f"command: {error}", file=sys.stderr)
        return 2
    value = encode_json(command)
    if arguments.dry_run:
        print(value.decode())
        return 0
    try:
        with Sender(settings.bootstrap_servers, kafka_config=settings.security) as sender:
            sender.send(settings.topics.commands, command.subject.encode(), value)
    except UndeliveredError as error:
        print(f"command: {error}", file=sys.stderr)
        return 1
    print(command.id)
    return 0


def _command(arguments: argparse.Namespace) -> Command:
    command_id = stamp_source()()[0] if arguments.id is None else arguments.id
    said = {"kind": arguments.kind.replace("-", "_"), **KINDS[arguments.kind].data(arguments, command_id)}
    return make_command(
        id=command_id, source=arguments.source, account=arguments.account, time=datetime.now(UTC), data=said
    )
