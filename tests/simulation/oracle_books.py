"""The books of one partition: its clock, its memory of what it booked, and the figures it adds to."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.dead_letter import Reason
from tests.simulation.ledger_oracle.records import EventName, Reprice
from tests.simulation.oracle_checks import Gift, Told, Usage, read_command, read_usage
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_ledger import Correction, LedgerBooks
from tests.simulation.oracle_numbers import MICROS
from tests.simulation.oracle_prices import Card, Price, card_at
from tests.simulation.oracle_records import (
    ChargeFacts,
    ConversationKey,
    Expected,
    Identity,
    OracleSettings,
    RawRecord,
    RollupKey,
    RollupTotals,
)
from tests.simulation.oracle_usual import read_usual

LARGEST_COST = 10**14
_HOUR_US = 3600 * MICROS
_DAY_US = 24 * _HOUR_US


class _Seen(NamedTuple):
    at_ms: int
    content: object


class Books:
    """Books the records of one partition, in order, into `expected`."""

    def __init__(
        self,
        expected: Expected,
        cards: list[Card],
        settings: OracleSettings,
        remembers: Callable[[EventName], bool] | None = None,
    ) -> None:
        """With `remembers` no command voids or reprices any other event."""
        self.expected = expected
        self.cards = cards
        self.settings = settings
        self.now_ms = 0
        self.events: dict[Identity, _Seen] = {}
        self.ledger = LedgerBooks(expected, remembers)
        self._remembers = remembers
        self._booked: dict[tuple[str, EventName], ChargeFacts] = {}
        self._costs: dict[tuple[str, str, str, int], int] = {}

    def book(self, record: RawRecord) -> None:
        """The record is booked, dropped as a duplicate, or Rejected: then only the clock has moved."""
        self.now_ms = max(self.now_ms, record.timestamp_ms)
        if record.topic_kind == "commands":
            self._book_command(record, read_command(record, self.settings))
        else:
            usage = read_usual(record, self.settings)
            self._book_usage(record, usage if usage is not None else read_usage(record, self.settings))

    def rest(self, until_ms: int) -> None:
        """The clock goes on until then without records; what accounts are by then is expected."""
        self.ledger.advance(max(self.now_ms, until_ms))
        self.ledger.show()

    def _book_usage(self, record: RawRecord, usage: Usage) -> None:
        self._check_time(usage.occurred_at_us, self.settings.horizon_ms, Reason.OLDER_THAN_DEDUP_WINDOW)
        card, price, cost = self._price(usage)
        identity = Identity(usage.account, usage.source, usage.id)
        seen = self.events.get(identity)
        if seen is not None and self.now_ms - seen.at_ms <= self.settings.dedup_window_ms:
            if seen.content != usage:
                raise Rejected(Reason.EVENT_ID_REUSED)
            self.expected.dropped_events += 1
            return
        self.events[identity] = _Seen(self.now_ms, usage)
        messages = int(price.counts_as_message)
        event = EventName(usage.source, usage.id, record.partition, record.offset)
        self.ledger.book_usage(usage.account, event, cost, messages, card.version, usage.occurred_at_us, self.now_ms)
        facts = self.expected.charges[identity] = ChargeFacts(
            usage.agent,
            usage.conversation,
            usage.channel,
            usage.node,
            usage.quantity_micros,
            cost,
            messages,
            card.version,
            usage.occurred_at_us,
            record.partition,
            record.offset,
        )
        if self._remembers is None or self._remembers(event):
            self._booked[usage.account, event] = facts
        self._roll_up(usage, cost, messages)

    def _check_time(self, time_us: int, oldest_ms: int, too_old: Reason) -> None:
        if time_us > (self.now_ms + self.settings.future_tolerance_ms) * 1000:
            raise Rejected(Reason.TOO_FAR_AHEAD)
        if time_us < (self.now_ms - oldest_ms) * 1000:
            raise Rejected(too_old)

    def _price(self, usage: Usage) -> tuple[Card, Price, int]:
        # What is due before the event may change the plan, and with it the prices.
        self.ledger.advance(self.now_ms)
        line = self.ledger.line_at(usage.account, usage.occurred_at_us)
        card = card_at(self.cards, line, usage.occurred_at_us)
        if card is None:
            raise Rejected(Reason.NO_RATE_CARD)
        price = card.prices.get(usage.node)
        if price is None:
            raise Rejected(Reason.UNKNOWN_NODE)
        asked = (line, card.version, usage.node, usage.quantity_micros)
        cost = self._costs.get(asked, -1)
        if cost < 0:
            # Worked out once for each quantity: fractions take half of the oracle's time.
            cost = self._costs[asked] = price.cost_microcredits(usage.quantity_micros)
        if cost > LARGEST_COST:
            raise Rejected(Reason.COST_TOO_LARGE)
        return card, price, cost

    def _roll_up(self, usage: Usage, cost: int, messages: int) -> None:
        hour, day = usage.occurred_at_us // _HOUR_US, usage.occurred_at_us // _DAY_US
        key = RollupKey(usage.account, hour, usage.channel, usage.agent, usage.node)
        before = self.expected.rollups.get(key, RollupTotals(0, 0, 0, 0))
        self.expected.rollups[key] = RollupTotals(
            before.events + 1,
            before.messages + messages,
            before.quantity_micros + usage.quantity_micros,
            before.cost + cost,
        )
        self.expected.conversations.add(ConversationKey(usage.account, day, usage.agent, usage.conversation))

    def _book_command(self, record: RawRecord, command: Gift | Told) -> None:
        assert record.value is not None
        self._check_time(command.time_us, self.settings.command_memory_ms, Reason.COMMAND_TOO_OLD)
        answer, correction = self.ledger.book_command(record.value, self.now_ms, self._cost_by_card)
        if answer.outcome == "rejected":
            raise Rejected(Reason(answer.reason))
        if answer.outcome == "dropped":
            self.expected.dropped_commands += 1
        if correction is not None:
            self._correct(command.account, correction)

    def _correct(self, account: str, correction: Correction) -> None:
        """What an event costs by now is in the rollup of its own hour, channel, agent and node."""
        facts = self._booked[account, correction.event]
        key = RollupKey(account, facts.occurred_at_us // _HOUR_US, facts.channel, facts.agent, facts.node)
        before = self.expected.rollups[key]
        self.expected.rollups[key] = before._replace(cost=before.cost + correction.more)

    def _cost_by_card(self, account: str, command: Reprice) -> int:
        """Of an event that nobody charged it does not matter; Rejected when the card does not price it."""
        facts = self._booked.get((account, command.event))
        if facts is None:
            return 0
        line = self.ledger.line_at(account, facts.occurred_at_us)
        card = next((card for card in self.cards if (card.line, card.version) == (line, command.rate_card)), None)
        if card is None:
            raise Rejected(Reason.NO_RATE_CARD)
        price = card.prices.get(facts.node)
        if price is None:
            raise Rejected(Reason.UNKNOWN_NODE)
        cost = price.cost_microcredits(facts.quantity_micros)
        if cost > LARGEST_COST:
            raise Rejected(Reason.COST_TOO_LARGE)
        return cost
