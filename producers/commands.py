"""Makes commands: a grant of credits, or a top-up that was paid for."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.command import LARGEST_GRANT_CREDITS, Command, Grant, TopUp
from schemas.credits import MICROCREDITS_PER_CREDIT, format_credits, parse_credits
from schemas.identifiers import Account, GrantId
from schemas.payment import Payment


class InvalidCommandError(ValueError):
    """A command that the pipeline would reject: what is wrong, and what is allowed."""


def grant_command(
    *,
    id: str,  # noqa: A002  # CloudEvents' word
    source: str,
    account: str,
    credits: str | Decimal,  # noqa: A002
    time: datetime,
    grant: str = "",
    reason: str = "",
) -> Command:
    """Gives credits; `grant` names the grant and is the command's id unless given."""
    data = Grant(grant=GrantId(grant or id), credits=_credits(credits), reason=reason)
    return _checked(Command(id=id, source=source, subject=Account(account), time=time, data=data))


def top_up_command(
    *,
    id: str,  # noqa: A002  # CloudEvents' word
    source: str,
    account: str,
    credits: str | Decimal,  # noqa: A002
    time: datetime,
    grant: str = "",
    payment_reference: str = "",
    amount_minor: int = 0,
    currency: str = "USD",
) -> Command:
    """Credits bought; `payment_reference` names the payment and is the command's id unless given."""
    payment = Payment(reference=payment_reference or id, amount_minor=amount_minor, currency=currency)
    data = TopUp(grant=GrantId(grant or id), credits=_credits(credits), payment=payment)
    return _checked(Command(id=id, source=source, subject=Account(account), time=time, data=data))


def _credits(given: str | Decimal) -> Decimal:
    try:
        amount = parse_credits(given)
    except ValueError as error:
        raise InvalidCommandError(f"credits: {error}") from None
    if not 0 < amount <= LARGEST_GRANT_CREDITS * MICROCREDITS_PER_CREDIT:
        raise InvalidCommandError(f"credits is {given}: give 0.000001 to {LARGEST_GRANT_CREDITS}")
    return Decimal(format_credits(amount))


def _checked(command: Command) -> Command:
    """The command as a worker will read it."""
    try:
        return msgspec.convert(msgspec.to_builtins(command), Command)
    except msgspec.ValidationError as error:
        raise InvalidCommandError(str(error)) from None
