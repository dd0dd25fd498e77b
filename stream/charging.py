"""From records of usage to what is charged: read → check → price → deduplicate → burn down.

A stage returns its value or a Reject. An event is remembered only once it will be booked, so that one which was
rejected can be repaired and sent again.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import compress
from typing import Final

from confluent_kafka import Message

from schemas.balance import Balance
from schemas.charge import ChargeRow
from schemas.dead_letter import Reason
from schemas.identifiers import Account
from schemas.rate_card import DEFAULT_LINE
from stream.dedup_log import DedupLog
from stream.engine.tables import Table
from stream.rules import burndown
from stream.rules.burndown import LARGEST_TOTAL_MICROCREDITS, burn
from stream.rules.dedup import Outcome
from stream.rules.identity import contents, identities
from stream.rules.outcome import Reject
from stream.rules.partitioning import PartitionsFor, check_partitions
from stream.rules.pricing import CompiledCard, CostTooLargeError
from stream.rules.rate_cards import RateCards
from stream.rules.usage import (
    FUTURE_TOLERANCE_US,
    Received,
    microseconds,
    quantity_in_micros,
    read_usage,
    wrong_time,
)

# As plain integers: comparing with an IntEnum costs a Python call.
_NEW, _DUPLICATE, _CONFLICT = map(int, (Outcome.NEW, Outcome.DUPLICATE, Outcome.CONFLICT))

_ACCOUNT: Final = 0
_COST: Final = 8
_MESSAGES: Final = 9
_CLOCK_MS: Final = 12
_OFFSET: Final = 13
"""Places in a charge."""

Priced = tuple[list[ChargeRow], list[Message]]
"""The charges of events that may be booked, if they are no duplicates, and the record of each."""

Window = tuple[int, int, int, CompiledCard | None]
"""At a clock in ms: from when until before when, in µs, an event is accepted and has this rate card's price."""

OnReject = Callable[[Reject, Message, int], None]
"""Takes what is wrong with a record, the record, and the clock in ms."""


class Charging:
    """Charges usage to the balances of one partition."""

    def __init__(
        self,
        partition: int,
        partitions_for: PartitionsFor,
        balances: Table[str, Balance],
        dedup: DedupLog,
        horizon_us: int,
        on_reject: OnReject,
        outcomes: Counter[str],
    ) -> None:
        self._rate_cards = RateCards()
        self._partition = partition
        self._partitions_for = partitions_for
        self._balances = balances
        self._dedup = dedup
        self._horizon_us = horizon_us
        self._reject = on_reject
        self._outcomes = outcomes
        self._window: Window = (0, 0, 0, None)

    def adopt(self, rate_cards: RateCards) -> None:
        """Price with these from now on."""
        self._rate_cards = rate_cards
        self._window = (0, 0, 0, None)

    def charge(self, records: Sequence[Message], version: int, clock_ms: int) -> tuple[list[ChargeRow], int]:
        """What is charged for records in order, as part of checkpoint `version`, and the clock after them."""
        priced, clock_ms = self._price_all(records, clock_ms)
        charges = self._burn(self._deduplicate(priced), version)
        self._outcomes["booked"] += len(charges)
        return charges, clock_ms

    def check_partition(self, account: str) -> Reject | None:
        """Why an account may not open here, if it may not."""
        return check_partitions([account], self._partition, self._partitions_for).get(account)

    def _price_all(self, records: Sequence[Message], clock_ms: int) -> tuple[Priced, int]:
        """Read, check and price records in order; the clock after them."""
        balances = self._balances
        charges: list[ChargeRow] = []
        kept: list[Message] = []
        unknown: dict[Account, None] = {}
        for record in records:
            ingested_at_ms = record.timestamp()[1]
            if ingested_at_ms > clock_ms:
                clock_ms = ingested_at_ms
            event = read_usage(record.value(), record.key())
            if isinstance(event, Reject):
                self._reject(event, record, clock_ms)
                continue
            balance = balances.get(event.subject)
            if balance is None:
                account = event.subject
                unknown[account] = None
            else:
                # The same object for all: its hash is known, and rows that keep it need no copy.
                account = balance.account
            charge = self._price(event, account, clock_ms, record.offset() or 0)
            if isinstance(charge, Reject):
                misplaced = self.check_partition(account) if balance is None else None
                self._reject(misplaced or charge, record, clock_ms)
            else:
                charges.append(charge)
                kept.append(record)
        return self._without_misplaced((charges, kept), unknown), clock_ms

    def _price(self, event: Received, account: Account, clock_ms: int, offset: int) -> ChargeRow | Reject:
        used = event.data
        occurred_at_us = microseconds(event.time)
        priced_at_ms, from_us, until_us, card = self._window
        if priced_at_ms != clock_ms or not from_us <= occurred_at_us < until_us:
            clock_us = clock_ms * 1_000
            if not clock_us - self._horizon_us <= occurred_at_us <= clock_us + FUTURE_TOLERANCE_US:
                return wrong_time(event, occurred_at_us, clock_us, self._horizon_us)
            card = self._look_up(clock_ms, occurred_at_us)
        if card is None:
            return Reject(Reason.NO_RATE_CARD, f"no rate card is effective at {event.time.isoformat()}", account)
        price = card.prices.get(used.node)
        if price is None:
            return Reject(Reason.UNKNOWN_NODE, f"{card.version} has no price for {used.node!r}", account)
        quantity = quantity_in_micros(used.quantity)
        try:
            cost = price.cost_microcredits(quantity)
        except CostTooLargeError as error:
            return Reject(Reason.COST_TOO_LARGE, str(error), account)
        return (
            account,
            event.source,
            event.id,
            used.agent,
            used.conversation,
            used.channel,
            price.node,
            quantity,
            cost,
            price.messages,
            card.version,
            occurred_at_us,
            clock_ms,
            offset,
        )

    def _look_up(self, clock_ms: int, occurred_at_us: int) -> CompiledCard | None:
        """The card effective at that time; noted with the times that it prices at this clock."""
        from_us, until_us, card = self._rate_cards.interval_at(DEFAULT_LINE, occurred_at_us)
        clock_us = clock_ms * 1_000
        earliest_us, latest_us = clock_us - self._horizon_us, clock_us + FUTURE_TOLERANCE_US
        self._window = (clock_ms, max(from_us, earliest_us), min(until_us, latest_us + 1), card)
        return card

    def _without_misplaced(self, priced: Priced, unknown: Collection[Account]) -> Priced:
        """Accounts are checked on first sight; those that have a balance were checked then."""
        misplaced = check_partitions(unknown, self._partition, self._partitions_for) if unknown else {}
        if not misplaced:
            return priced
        for charge, record in zip(*priced, strict=True):
            if charge[_ACCOUNT] in misplaced:
                self._reject(misplaced[charge[_ACCOUNT]], record, charge[_CLOCK_MS])
        return _those(priced, [charge[_ACCOUNT] not in misplaced for charge in priced[0]])

    def _deduplicate(self, priced: Priced) -> Priced:
        """Without the duplicates; the others are remembered."""
        charges = priced[0]
        clocks_ms = [charge[_CLOCK_MS] for charge in charges]
        outcomes = self._dedup.admit(identities(charges), contents(charges), clocks_ms)
        if not any(outcomes):
            return priced
        self._outcomes["duplicate"] += outcomes.count(_DUPLICATE)
        for outcome, charge, record in zip(outcomes, *priced, strict=True):
            if outcome == _CONFLICT:
                account, source, event_id, *_ = charge
                detail = f"{source} used the id {event_id!r} for another event"
                self._reject(Reject(Reason.EVENT_ID_REUSED, detail, account), record, charge[_CLOCK_MS])
        return _those(priced, [outcome == _NEW for outcome in outcomes])

    def _burn(self, priced: Priced, version: int) -> list[ChargeRow]:
        """Take what each event cost from its account's balance; the charges that are booked."""
        balances, changed = self._balances, self._balances.changed
        refused: set[int] = set()
        for charge, record in zip(*priced, strict=True):
            account, cost, clock_ms = charge[_ACCOUNT], charge[_COST], charge[_CLOCK_MS]
            balance = balances.get(account)
            if balance is None:
                balance = balances[account] = burndown.open_by_usage(account, clock_ms)
            elif balance.charged_microcredits + cost > LARGEST_TOTAL_MICROCREDITS:
                detail = f"with it the account would have used more than {LARGEST_TOTAL_MICROCREDITS} microcredits"
                self._reject(Reject(Reason.COST_TOO_LARGE, detail, account), record, clock_ms)
                refused.add(charge[_OFFSET])
                continue
            burn(balance, cost, charge[_MESSAGES], clock_ms)
            if balance.version != version:
                balance.version = version
                changed.append(balance)
        charges = priced[0]
        return [charge for charge in charges if charge[_OFFSET] not in refused] if refused else charges


def _those(priced: Priced, chosen: Sequence[bool]) -> Priced:
    charges, records = priced
    return list(compress(charges, chosen)), list(compress(records, chosen))
