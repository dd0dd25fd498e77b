"""One partition's pipeline: decode → check → price → deduplicate → burn down → roll up → emit.

A stage returns its value or a Reject. An event is remembered only once it will be booked, so that one which was
rejected can be repaired and sent again.
"""

from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Message

from schemas.balance import Balance
from schemas.charge import Charge
from schemas.dead_letter import Reason
from schemas.identifiers import RateCardVersion
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
from stream.rules.identity import content, identity
from stream.rules.outcome import Reject
from stream.rules.partitioning import PartitionsFor, check_partitions
from stream.rules.pricing import CostTooLargeError
from stream.rules.rate_cards import RateCards
from stream.rules.rollup import OpenRollups
from stream.rules.usage import (
    FUTURE_TOLERANCE_US,
    US_PER_HOUR,
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


Arrived = tuple[Received, int, Message]
"""An event that could be read, the clock at its arrival in ms, and its record."""

Priced = tuple[Received, int, int, int, int, int, RateCardVersion, Message, bytes, bytes]
"""An event that may be booked, if it is no duplicate: the event, the clock in ms, when it occurred in µs, its quantity
in 10⁻⁶ units, its cost in microcredits, the messages it counts as, its rate card, its record, its identity and content.
A plain tuple, since one of a class takes a tenth of the time that an event has."""


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
        self._line = self.rate_cards.interval_at(DEFAULT_LINE, 0)

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
        self._line = broadcast.interval_at(DEFAULT_LINE, 0)

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
            arrived, clock_ms = self._read(records[first : first + _RECORDS_AT_ONCE], clock_ms)
            self._book_new(self._price_all(arrived), version)
        return clock_ms

    def _read(self, records: Sequence[Message], clock_ms: int) -> tuple[list[Arrived], int]:
        arrived: list[Arrived] = []
        for record in records:
            ingested_at_ms = record.timestamp()[1]
            if ingested_at_ms > clock_ms:
                clock_ms = ingested_at_ms
            event = read_usage(record.value(), record.key())
            if isinstance(event, Reject):
                self._reject(event, record, clock_ms)
            else:
                arrived.append((event, clock_ms, record))
        return arrived, clock_ms

    def _price_all(self, arrived: Sequence[Arrived]) -> list[Priced]:
        balances = self.balances
        # On first sight of an account; those that have a balance were checked then.
        unknown = {event.subject for event, _, _ in arrived if event.subject not in balances}
        misplaced = check_partitions(unknown, self._partition, self._partitions_for) if unknown else {}
        priced: list[Priced] = []
        for event, clock_ms, record in arrived:
            found = misplaced.get(event.subject) or self._price(event, clock_ms, record)
            if isinstance(found, tuple):
                priced.append(found)
            else:
                self._reject(found, record, clock_ms)
        return priced

    def _book_new(self, priced: Sequence[Priced], version: int) -> None:
        outcomes = self._deduplicate(priced)
        for each, outcome in zip(priced, outcomes, strict=True):
            if outcome == _NEW:
                self._charge(each, version)
            elif outcome == _CONFLICT:
                event, clock_ms, record = each[0], each[1], each[7]
                detail = f"{event.source} used the id {event.id!r} for another event"
                self._reject(Reject(Reason.EVENT_ID_REUSED, detail, event.subject), record, clock_ms)
        self._outcomes["duplicate"] += outcomes.count(_DUPLICATE)

    def _price(self, event: Received, clock_ms: int, record: Message) -> Priced | Reject:
        account, used = event.subject, event.data
        occurred_at_us = microseconds(event.time)
        clock_us = clock_ms * 1_000
        if not clock_us - self._horizon_us <= occurred_at_us <= clock_us + FUTURE_TOLERANCE_US:
            return wrong_time(event, occurred_at_us, clock_us, self._horizon_us)
        from_us, until_us, card = self._line
        if not from_us <= occurred_at_us < until_us:
            from_us, until_us, card = self._line = self.rate_cards.interval_at(DEFAULT_LINE, occurred_at_us)
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
            event,
            clock_ms,
            occurred_at_us,
            quantity,
            cost,
            price.messages,
            card.version,
            record,
            identity(account, event.source, event.id),
            content(occurred_at_us, used.agent, used.conversation, used.channel, used.node, quantity),
        )

    def _deduplicate(self, priced: Sequence[Priced]) -> list[int]:
        identities, contents = [each[8] for each in priced], [each[9] for each in priced]
        return self.dedup.admit(identities, contents, [each[1] for each in priced])

    def _charge(self, priced: Priced, version: int) -> None:
        event, clock_ms, occurred_at_us, quantity, cost, messages, rate_card, record, _, _ = priced
        account, used = event.subject, event.data
        agent, channel, node = used.agent, used.channel, used.node
        balance = self.balances.get(account)
        if balance is None:
            balance = self.balances[account] = burndown.open_by_usage(account, clock_ms)
        elif balance.charged_microcredits + cost > LARGEST_TOTAL_MICROCREDITS:
            detail = f"with it the account would have used more than {LARGEST_TOTAL_MICROCREDITS} microcredits"
            self._reject(Reject(Reason.COST_TOO_LARGE, detail, account), record, clock_ms)
            return
        burn(balance, cost, messages, clock_ms)
        if balance.version != version:
            balance.version = version
            self.balances.changed.append(balance)
        self._rollups.add(
            (account, occurred_at_us // US_PER_HOUR, channel, agent, node), version, messages, quantity, cost
        )
        self._outputs.charges.append(
            Charge(
                account,
                event.source,
                event.id,
                agent,
                used.conversation,
                channel,
                node,
                quantity,
                cost,
                messages,
                rate_card,
                occurred_at_us,
                clock_ms,
                record.offset() or 0,
            )
        )
        self._outcomes["booked"] += 1

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
