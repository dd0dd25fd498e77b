"""Carries out commands of every kind, each once."""

from collections.abc import Callable
from typing import Protocol

from schemas.correction_command import BookedEvent, Reprice, VoidEvent
from schemas.credits import parse_credits
from schemas.dead_letter import Reason
from schemas.identifiers import Account, RateCardVersion
from stream.rules.command_terms import ledger_command
from stream.rules.commands import ReceivedCommand, Remembered, check_command_time, content_of, read_command
from stream.rules.ledger.corrections import ChargeNow, is_too_old
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.once import once
from stream.rules.ledger.posting import Cause
from stream.rules.outcome import Reject
from stream.rules.usage import microseconds
from stream.rules.used_once import OnceKey, Rows, key_of, remember, used_before


class BookedEvents(Protocol):
    """What is known of events that were booked: their corrections first, then what was read back."""

    def charge_of(self, account: Account, event: BookedEvent) -> ChargeNow | None:
        """What the event costs now; without pieces when it cost nothing, None when it was not booked there."""
        ...

    def cost_by_card(self, account: Account, event: BookedEvent, rate_card: RateCardVersion) -> int | Reject:
        """What an event that was booked costs by that card, in microcredits."""
        ...

    def corrected(self, event: BookedEvent, charge: ChargeNow, more_microcredits: int, clock_ms: int) -> None:
        """Keep what the event costs now, and roll up the difference."""
        ...


class Carrying:
    """Carries out the commands of one partition; `version` of the ledger is the checkpoint being booked."""

    def __init__(
        self,
        ledger: Ledger,
        remembered: Rows[bytes, Remembered],
        events: BookedEvents,
        check_partition: Callable[[str], Reject | None],
    ) -> None:
        self._ledger = ledger
        self._remembered = remembered
        self._events = events
        self._check_partition = check_partition

    def book(self, value: bytes | None, key: bytes | None, offset: int, clock_ms: int) -> bool | Reject:
        """Carry the command of a record out; False when it, or what it asks for, was done before.

        The ledger was advanced to `clock_ms` before. A command that is rejected changes, opens and uses up nothing.
        """
        command = read_command(value, key)
        if isinstance(command, Reject):
            return command
        account = command.subject
        refused = self._check_partition(account) if account not in self._ledger.books else None
        refused = refused or check_command_time(command, clock_ms)
        if refused is not None:
            return refused
        keys, content = once_keys(command), content_of(command)
        used = used_before(account, keys, content, clock_ms, self._remembered)
        if used is not None:
            return used
        outcome = self._carry_out(command, offset, clock_ms)
        if outcome is True:
            remember(keys, content, clock_ms, self._ledger.version, self._remembered)
        return outcome

    def _carry_out(self, command: ReceivedCommand, offset: int, clock_ms: int) -> bool | Reject:
        data = command.data
        cause = Cause("command", command.source, command.id, offset, microseconds(command.time))
        match data:
            case VoidEvent():
                return self._void_event(command.subject, data, cause, clock_ms)
            case Reprice():
                return self._reprice(command.subject, data, cause, clock_ms)
            case _:
                return self._ledger.command(command.subject, ledger_command(data), cause, clock_ms) or True

    def _void_event(self, account: Account, data: VoidEvent, cause: Cause, clock_ms: int) -> bool | Reject:
        charge = self._events.charge_of(account, data.event)
        before = 0 if charge is None else charge.cost
        amount = None if data.credits is None else parse_credits(data.credits)
        has_cost = charge is not None and (charge.pieces or charge.cards or charge.is_voided)
        outcome = self._ledger.void_event(account, charge if has_cost else None, cause, clock_ms, amount)
        return self._corrected(data.event, charge, before, outcome, clock_ms)

    def _reprice(self, account: Account, data: Reprice, cause: Cause, clock_ms: int) -> bool | Reject:
        charge = self._events.charge_of(account, data.event)
        if charge is None:
            return self._ledger.void_event(account, None, cause, clock_ms)
        before = charge.cost
        # Whatever the card says, nothing is done to an event that was voided, or priced by it, or is too old.
        is_settled = charge.is_voided or data.rate_card in charge.cards or is_too_old(charge, clock_ms)
        cost = before if is_settled else self._events.cost_by_card(account, data.event, data.rate_card)
        if isinstance(cost, Reject):
            return cost
        by_card = Cause(cause.kind, cause.source, cause.id, cause.offset, cause.occurred_at_us, data.rate_card)
        outcome = self._ledger.reprice(charge, cost, by_card, clock_ms)
        return self._corrected(data.event, charge, before, outcome, clock_ms)

    def _corrected(
        self, event: BookedEvent, charge: ChargeNow | None, before: int, outcome: bool | Reject, clock_ms: int
    ) -> bool | Reject:
        if outcome is True and charge is not None:
            self._events.corrected(event, charge, charge.cost - before, clock_ms)
        return outcome


def once_keys(command: ReceivedCommand) -> list[OnceKey]:
    """What a command may use once, with the reason to give when somebody else used it: its identity comes first."""
    account, data = command.subject, command.data
    identity = key_of("command", account, command.source, command.id)
    names = [] if isinstance(data, VoidEvent | Reprice) else once(ledger_command(data))
    used = [(key_of(kind, account, name), reason) for (kind, name), reason in names]
    return [(identity, Reason.COMMAND_ID_REUSED), *used]
