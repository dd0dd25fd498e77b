"""`python -m producers command`: grants credits to an account, or tops it up."""

import argparse
import sys
from datetime import UTC, datetime

from producers.commands import InvalidCommandError, grant_command, top_up_command
from producers.event_ids import stamp_source
from producers.sender import Sender, UndeliveredError
from schemas.codec import encode_json
from schemas.command import Command
from schemas.settings import KafkaSettings

DESCRIPTION = """\
Sends a command to the account's partition, waits until Kafka has it, and prints its id. A command sent again with
its --id and the same content is booked once."""
EXAMPLES = """\
examples:
  python -m producers command grant --account acme --credits 100 --reason "sorry for the outage"
  python -m producers command top-up --account acme --credits 2500 --payment-reference pay-871 \\
      --amount-minor 4900 --currency EUR
  python -m producers command grant --account acme --credits 100 --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `command`."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="grant|top-up")
    grant = kinds.add_parser("grant", help="give credits")
    grant.add_argument("--reason", default="", help="why, for whoever reads the ledger")
    top_up = kinds.add_parser("top-up", help="credits that were bought")
    top_up.add_argument("--payment-reference", default="", help="names the payment (default: the id)")
    top_up.add_argument("--amount-minor", type=int, default=0, help="paid, in cents or alike (default: 0)")
    top_up.add_argument("--currency", default="USD", help="three letters (default: USD)")
    for kind in (grant, top_up):
        kind.add_argument("--account", required=True)
        kind.add_argument("--credits", required=True, help="0.000001 to 10^9, at most six decimals")
        kind.add_argument("--grant", default="", help="names the grant (default: the id)")
        kind.add_argument("--id", help="the command's id (default: a new one)")
        kind.add_argument("--source", default="cli", help="with the id, the identity (default: cli)")
        kind.add_argument("--dry-run", action="store_true", help="print the command, send nothing")


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
    now = datetime.now(UTC)
    if arguments.kind == "grant":
        return grant_command(
            id=command_id,
            source=arguments.source,
            account=arguments.account,
            credits=arguments.credits,
            time=now,
            grant=arguments.grant,
            reason=arguments.reason,
        )
    return top_up_command(
        id=command_id,
        source=arguments.source,
        account=arguments.account,
        credits=arguments.credits,
        time=now,
        grant=arguments.grant,
        payment_reference=arguments.payment_reference,
        amount_minor=arguments.amount_minor,
        currency=arguments.currency,
    )
