"""The books of one partition: its clock, its memory of what it booked, and the figures it adds to."""

from typing import NamedTuple

from schemas.dead_letter import Reason
from tests.simulation.oracle_checks import Gift, Rejected, Usage, read_command, read_usage
from tests.simulation.oracle_numbers import MICROS
from tests.simulation.oracle_prices import Card, Price, card_at
from tests.simulation.oracle_records import (
    BalanceTotals,
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

FREE_GRANT = 500 * MICROS
LARGEST_COST = 10**14
LARGEST_TOTAL = 4 * 10**18
_HOUR_US = 3600 * MICROS
_DAY_US = 24 * _HOUR_US


class _Seen(NamedTuple):
    at_ms: int
    content: object


class Books:
    """Books the records of one partition, in order, into `expected`."""

    def __init__(self, expected: Expected, cards: list[Card], settings: OracleSettings) -> None:
        self.expected = expected
        self.cards = cards
        self.settings = settings
        self.now_ms = 0
        self.events: dict[Identity, _Seen] = {}
        self.commands: dict[tuple[str, ...], _Seen] = {}
        self._costs: dict[tuple[str, str, int], int] = {}

    def book(self, record: RawRecord) -> None:
        """The record is booked, dropped as a duplicate, or Rejected: then only the clock has moved."""
        self.now_ms = max(self.now_ms, record.timestamp_ms)
        if record.topic_kind == "commands":
            self._book_command(read_command(record, self.settings))
        else:
            usage = read_usual(record, self.settings)
            self._book_usage(record, usage if usage is not None else read_usage(record, self.settings))

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
        booked = self.expected.balances.get(usage.account)
        if booked is not None and booked.charged + cost > LARGEST_TOTAL:
            raise Rejected(Reason.COST_TOO_LARGE)
        messages = int(price.counts_as_message)
        self.expected.charges[identity] = ChargeFacts(
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
        self._charge(usage.account, cost, messages)
        self._roll_up(usage, cost, messages)

    def _check_time(self, time_us: int, oldest_ms: int, too_old: Reason) -> None:
        if time_us > (self.now_ms + self.settings.future_tolerance_ms) * 1000:
            raise Rejected(Reason.TOO_FAR_AHEAD)
        if time_us < (self.now_ms - oldest_ms) * 1000:
            raise Rejected(too_old)

    def _price(self, usage: Usage) -> tuple[Card, Price, int]:
        card = card_at(self.cards, usage.occurred_at_us)
        if card is None:
            raise Rejected(Reason.NO_RATE_CARD)
        price = card.prices.get(usage.node)
        if price is None:
            raise Rejected(Reason.UNKNOWN_NODE)
        asked = (card.version, usage.node, usage.quantity_micros)
        cost = self._costs.get(asked, -1)
        if cost < 0:
            # Worked out once for each quantity: fractions take half of the oracle's time.
            cost = self._costs[asked] = price.cost_microcredits(usage.quantity_micros)
        if cost > LARGEST_COST:
            raise Rejected(Reason.COST_TOO_LARGE)
        return card, price, cost

    def _charge(self, account: str, cost: int, messages: int) -> None:
        balance = self.expected.balances.get(account)
        if balance is None:
            balance = BalanceTotals(FREE_GRANT, 0, 0, 0, 1)
            self.commands["grant", account, f"free:{account}"] = _Seen(self.now_ms, None)
        self.expected.balances[account] = BalanceTotals(
            balance.granted, balance.charged + cost, balance.events + 1, balance.messages + messages, balance.grants
        )

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

    def _book_command(self, gift: Gift) -> None:
        self._check_time(gift.time_us, self.settings.command_memory_ms, Reason.COMMAND_TOO_OLD)
        command = ("command", gift.account, gift.source, gift.id)
        seen = self._remembered(command)
        if seen is not None:
            if seen.content != gift.content:
                raise Rejected(Reason.COMMAND_ID_REUSED)
            self.expected.dropped_commands += 1
            return
        unique: list[tuple[str, ...]] = [("grant", gift.account, gift.grant)]
        if gift.grant == f"free:{gift.account}" or self._remembered(unique[0]) is not None:
            raise Rejected(Reason.GRANT_ID_REUSED)
        if gift.payment_reference is not None:
            unique.append(("payment", gift.account, gift.payment_reference))
            if self._remembered(unique[1]) is not None:
                raise Rejected(Reason.PAYMENT_REUSED)
        held = self.expected.balances.get(gift.account)
        if held is not None and held.granted + gift.amount > LARGEST_TOTAL:
            raise Rejected(Reason.INVALID_AMOUNT)
        for key in (command, *unique):
            self.commands[key] = _Seen(self.now_ms, gift.content)
        balance = self.expected.balances.get(gift.account, BalanceTotals(0, 0, 0, 0, 0))
        self.expected.balances[gift.account] = balance._replace(
            granted=balance.granted + gift.amount, grants=balance.grants + 1
        )

    def _remembered(self, key: tuple[str, ...]) -> _Seen | None:
        seen = self.commands.get(key)
        # A command may be said ahead of the clock: its last retry comes that much later.
        memory_ms = self.settings.command_memory_ms + self.settings.future_tolerance_ms
        return seen if seen and self.now_ms - seen.at_ms <= memory_ms else None
