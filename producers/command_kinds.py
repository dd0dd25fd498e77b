"""How a kind of command is asked for on the command line."""

import argparse
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from producers.commands import amount

Options = argparse.Namespace
Data = dict[str, object]


class Kind(NamedTuple):
    """A kind: what it does, options of an example, what its own options are, and what they say."""

    help: str
    example: str
    add_options: Callable[[argparse.ArgumentParser], None]
    data: Callable[[Options, str], Data]
    """From the options, and the command's id, which names what nothing else does."""


def add_payment(parser: argparse.ArgumentParser) -> None:
    """What was paid."""
    parser.add_argument("--payment-reference", default="", help="names the payment, used once (default: the id)")
    parser.add_argument("--amount-minor", type=int, default=0, help="paid, in cents or alike (default: 0)")
    parser.add_argument("--currency", default="USD", help="three letters (default: USD)")


def payment(options: Options, command_id: str) -> Data:
    """The payment as a command has it."""
    reference = options.payment_reference or command_id
    return {"reference": reference, "amount_minor": options.amount_minor, "currency": options.currency}


def decimal(options: Options, name: str, field: str = "") -> Decimal | None:
    """A decimal option by its field, None when it was not given; InvalidCommandError when it is none."""
    text = getattr(options, name)
    return None if text is None else amount(field or name, text)


def given(fields: Mapping[str, object]) -> Data:
    """Without what was not given."""
    return {name: value for name, value in fields.items() if value is not None}
