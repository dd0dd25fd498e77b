"""One partition's pipeline: decode → check → price → deduplicate → burn down → roll up → emit.

A stage returns its value or a Reject. An event is remembered only once it will be booked, so that one which was
rejected can be repaired and sent again.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import compress
from typing import Final

from confluent_kafka import Message

from schemas.balance import Balance
from schemas.charge import ChargeRow
from schemas.dead_letter import Reason
from schemas.identifiers import Account
from schemas.rate_card import DEFAULT_LINE
from stream.dedup_log import DedupLog
from stream.engine.lane import MANY, Run
from stream.engine.outbox import Record
from stream.engine.tables import Table
from stream.outputs import Outputs
from stream.rules import burndown
from stream.rules.burndown import LARGEST_TOTAL_MICROCREDITS, burn
from stream.rules.commands import REMEMBERED_MS, Remembered
from stream.rules.dedup import Outcome
from stream.rules.grants import book_command
from stream.rules.identity import contents, identities
from stream.rules.outcome import Reject
from stream.rules.partitioning import PartitionsFor, check_partitions
from stream.rules.pricing import CompiledCard, CostTooLargeError
from stream.rules.rate_cards import RateCards
from stream.rules.rollup import OpenRollups
from stream.rules.usage import (
    FUTURE_TOLERANCE_US,
    Received,
    microseconds,
    quantity_in_micros,
    read_usage,
    wrong_time,
)

_MOST_FORGOTTEN = 1_000
# As plain integers: comparing with an IntEnum costs a Python call.
_NEW, _DUPLICATE, _CONFLICT = map(int, (Outcome.NEW, Outcome.DUPLICATE, Outcome.CONFLICT))
# What so many records are read into stays in a core's cache until they are booked: 5,000 take 1.5 µs an event more.
_RECORDS_AT_ONCE = 1_000

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


class Pipeline:
    """Everything that one partition knows and does about credits."""

    def __init__(
        self,
        partition: int,
        partitions_for: PartitionsFor,
        balances: Table[str, Balance],
        commands: Table[bytes, Remembered],
        dedup: DedupLog,
        outputs: Outputs,
        horizon_us: int,
        outcomes: Counter[str],
    ) -> None:
        self.tables = (balances, commands)
        self.logs = (dedup,)
        self.balances = balances
        self.rate_cards = RateCards()
        self._partition = partition
        self._partitions_for = partitions_for
        self._commands = commands
        self.dedup = dedup
        self._outputs = outputs
        self._rollups = OpenRollups()
        self._horizon_us = horizon_us
        self._outcomes = outcomes
        self._clock_ms = 0
        self._window: Window = (0, 0, 0, None)

    def apply(self, runs: Sequence[Run], version: int, clock_ms: int) -> int:
        """Book records in order; the clock after them."""
        for which, records in runs:
            book = self._book_usage if which == MANY else self._book_commands
            clock_ms = book(records, version, clock_ms)
        self._clock_ms = clock_ms
        return clock_ms

    def adopt(self, broadcast: object) -> None:
        """Price with these rate cards from the next batch on."""
        assert isinstance(broadcast, RateCards)  # noqa: S101  the app's broadcast folds into nothing else
        self.rate_cards = broadcast
        self._window = (0, 0, 0, None)

    def drain(self, version: int, booked_at_ms: int) -> list[Record]:
        """Every output since the last checkpoint, and the ids to remember."""
        return self._outputs.drain(self._rollups.drain(), version, booked_at_ms) + self.dedup.drain()

    def drained(self) -> None:
        """Nothing that was drained needs its memory any more."""
        self._rollups.forget(self._clock_ms)
        self._forget_commands()
        self.dedup.expire(self._clock_ms)

    def _book_usage(self, records: Sequence[Message], version: int, clock_ms: int) -> int:
        for first in range(0, len(records), _RECORDS_AT_ONCE):
            priced, clock_ms = self._price_all(records[first : first + _RECORDS_AT_ONCE], clock_ms)
            booked = self._burn(self._deduplicate(priced), version)
            self._rollups.add(booked, version)
            self._outputs.charge(booked)
            self._outcomes["booked"] += len(booked)
        return clock_ms

    def _price_all(self, records: Sequence[Message], clock_ms: int) -> tuple[Priced, int]:
        """Read, check and price records in order; the clock after them."""
        balances = self.balances
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
                misplaced = self._check_partition(account) if balance is None else None
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
        from_us, until_us, card = self.rate_cards.interval_at(DEFAULT_LINE, occurred_at_us)
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
        outcomes = self.dedup.admit(identities(charges), contents(charges), clocks_ms)
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
        balances, changed = self.balances, self.balances.changed
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

    def _book_commands(self, records: Sequence[Message], version: int, clock_ms: int) -> int:
        for record in records:
            clock_ms = max(clock_ms, record.timestamp()[1])
            outcome = book_command(
                record.value(),
                record.key(),
                clock_ms,
                version,
                self.balances,
                self._commands,
                self._check_partition,
            )
            if isinstance(outcome, Reject):
                self._reject(outcome, record, clock_ms)
            else:
                self._outcomes["command" if outcome else "duplicate_command"] += 1
        return clock_ms

    def _forget_commands(self) -> None:
        """Rows are in the order in which they were booked: the oldest come first."""
        for _ in range(_MOST_FORGOTTEN):
            oldest = next(iter(self._commands.values()), None)
            if oldest is None or self._clock_ms - oldest.at_ms <= REMEMBERED_MS:
                return
            self._commands.remove(oldest.key)

    def _check_partition(self, account: str) -> Reject | None:
        return check_partitions([account], self._partition, self._partitions_for).get(account)

    def _reject(self, reject: Reject, record: Message, clock_ms: int) -> None:
        self._outcomes[reject.reason] += 1
        self._outputs.reject(reject, record, clock_ms)


def _those(priced: Priced, chosen: Sequence[bool]) -> Priced:
    charges, records = priced
    return list(compress(charges, chosen)), list(compress(records, chosen))
