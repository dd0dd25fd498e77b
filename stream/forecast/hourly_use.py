"""What accounts used in each hour of the last week, from their charges."""

from collections.abc import Iterable

from confluent_kafka import Message

from stream.charge_batches import charges_in, read_head
from stream.rules.ledger.forecast import KNOWN_DAYS
from stream.rules.ledger.use_curve import DAY_HOURS, DAY_MS, HOUR_MS

WEEK_HOURS = KNOWN_DAYS * DAY_HOURS
WEEK_MS = KNOWN_DAYS * DAY_MS
_US_PER_MS = 1_000


class HourlyUse:
    """Microcredits by account and hour until `now_ms`, by when events occurred; corrections change nothing of it."""

    def __init__(self, now_ms: int, account: str = "") -> None:
        self._now_ms = now_ms
        self._account = account
        self._hours: dict[str, list[int]] = {}
        self._known_from_ms = now_ms - WEEK_MS

    def read(self, records: Iterable[Message], *, is_cut: bool) -> None:
        """The charges of a partition; where retention cut it, use is known from its first record on."""
        last_us, hours_by_account = self._now_ms * _US_PER_MS, self._hours
        for message in records:
            head = read_head(message)
            if is_cut:
                self._known_from_ms, is_cut = max(self._known_from_ms, head.booked_at_ms), False
            for charge in charges_in(head, self._account):
                # An event may say that it occurred a little later than its worker's clock.
                ago = max(0, last_us - charge.occurred_at_us) // (HOUR_MS * _US_PER_MS)
                if ago < WEEK_HOURS and charge.cost_microcredits:
                    hours = hours_by_account.get(charge.account)
                    if hours is None:
                        hours = hours_by_account[charge.account] = [0] * WEEK_HOURS
                    hours[-1 - ago] += charge.cost_microcredits

    def last_day(self, account: str) -> int:
        """What an account used in the last 24 hours, or since it opened."""
        return sum(self._hours.get(account, ())[-DAY_HOURS:])

    def of(self, account: str, opened_at_ms: int) -> list[int]:
        """The whole hours that are known of an account, the last one until now."""
        known = (self._now_ms - max(opened_at_ms, self._known_from_ms)) // HOUR_MS
        hours = self._hours.get(account, [0] * WEEK_HOURS)
        return hours[WEEK_HOURS - known :] if known > 0 else []
