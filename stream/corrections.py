"""Events that were booked: what each costs now, for those who void or reprice them."""

from schemas.correction_command import BookedEvent
from schemas.dead_letter import Reason
from schemas.identifiers import Account, RateCardVersion
from stream.rules.ledger.corrections import ChargeNow
from stream.rules.outcome import Reject


class Corrections:
    """Nothing is read back yet: no charge is found."""

    def charge_of(self, account: Account, event: BookedEvent) -> ChargeNow | None:  # noqa: ARG002
        return None

    def cost_by_card(self, account: Account, event: BookedEvent, rate_card: RateCardVersion) -> int | Reject:  # noqa: ARG002
        return Reject(Reason.CHARGE_NOT_FOUND, "no charge of that event was booked there", account)

    def corrected(self, event: BookedEvent, charge: ChargeNow, more_microcredits: int) -> None:
        """Never asked: no charge is found."""
