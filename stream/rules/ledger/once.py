"""What a command may use once in an account, whatever the command's id."""

from schemas.dead_letter import Reason
from stream.rules.ledger.commands import Adjust, Grant, LedgerCommand, RefillPaid


def once(command: LedgerCommand) -> list[tuple[tuple[str, str], Reason]]:
    """Each name with its kind, and the reason to give when it was used: remembered for 90 days.

    What else happens once needs no memory of its own: a period's renewal and a refill's answer are in the account's
    row, an event's void and its repricing by a card in its row of `corrections`.
    """
    names: list[tuple[tuple[str, str], Reason]] = []
    if isinstance(command, Grant | Adjust):
        names.append((("grant", command.grant), Reason.GRANT_ID_REUSED))
    if isinstance(command, RefillPaid):
        names.append((("refill", command.request), Reason.REFILL_ANSWERED))
    if isinstance(command, Grant | RefillPaid) and command.payment:
        names.append((("payment", command.payment), Reason.PAYMENT_REUSED))
    return names
