"""Hourly usage of every account, channel, agent and node: absolute rows, begun anew when they were evicted."""

from collections.abc import Iterable
from typing import Any

from schemas.charge import ChargeRow
from schemas.credits import QUANTITY_MICROS_PER_UNIT
from schemas.identifiers import Account, Agent, Node
from schemas.rollup import Rollup
from stream.rules.usage import US_PER_HOUR

RollupKey = tuple[Account, int, str, Agent, Node]
"""Account, hour since 1970, channel, agent, node."""

MOST_ROWS = 200_000
LONGEST_MS = 10 * 60_000
# A row of more units goes on in a new segment, so that they fit into 64 bits: an event has up to 10¹². What an account
# is charged in all fits anyway.
_LARGE_UNITS = 1 << 60


class OpenRollups:
    """The rollup rows in memory: those used lately, in two generations, the older of which is forgotten next.

    A row that comes back after it was forgotten starts from zero in a new segment, so that forgetting is always
    right; it is done only to rows whose last change was handed out.
    """

    def __init__(self, most_rows: int = MOST_ROWS, longest_ms: int = LONGEST_MS) -> None:
        self._most_rows = most_rows
        self._longest_ms = longest_ms
        self._recent: dict[RollupKey, Rollup] = {}
        self._older: dict[RollupKey, Rollup] = {}
        self._changed: list[Rollup] = []
        self._large: list[RollupKey] = []
        self._turned_at_ms = 0
        self._same: dict[int | str, Any] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def add(self, charges: Iterable[ChargeRow], version: int) -> None:
        """Count charges into their rows, as part of checkpoint `version`."""
        recent, older, changed, same = self._recent, self._older, self._changed, self._same.setdefault
        for account, _, _, agent, _, channel, node, quantity_micros, cost, messages, _, occurred_us, _, _ in charges:
            hour = occurred_us // US_PER_HOUR
            # Always the same objects: keys are then told equal without a look into them, and rows keep no copies.
            account, hour = same(account, account), same(hour, hour)
            channel, agent, node = same(channel, channel), same(agent, agent), same(node, node)
            key = (account, hour, channel, agent, node)
            units, millionths = divmod(quantity_micros, QUANTITY_MICROS_PER_UNIT)
            row = recent.get(key)
            if row is None and older:
                row = self._recall(key)
            if row is None:
                row = recent[key] = Rollup(
                    account, hour, channel, agent, node, version, 1, messages, units, millionths, cost, version
                )
                changed.append(row)
                continue
            row.events += 1
            if messages:
                row.messages += messages
            row.quantity_units += units
            if millionths:
                row.quantity_millionths += millionths
            row.cost_microcredits += cost
            if row.version != version:
                row.version = version
                changed.append(row)
                if row.quantity_units > _LARGE_UNITS:
                    self._large.append(key)

    def correct(self, key: RollupKey, more_microcredits: int, version: int) -> None:
        """Count what an event of that key costs more, or less, than it did: the event itself was counted before."""
        row = self._recent.get(key) or self._recall(key)
        if row is None:
            account, hour, channel, agent, node = key
            row = self._recent[key] = Rollup(account, hour, channel, agent, node, version)
        row.cost_microcredits += more_microcredits
        if row.version != version:
            row.version = version
            self._changed.append(row)

    def drain(self) -> list[Rollup]:
        """The rows changed since the last call; they are clean once they are encoded."""
        changed, self._changed = self._changed, []
        return changed

    def forget(self, clock_ms: int) -> None:
        """Turn the generations if the younger one is large or old; only right after what was drained is encoded."""
        for key in self._large:
            self._recent.pop(key, None)
        self._large = []
        if not self._turned_at_ms:
            self._turned_at_ms = clock_ms
        if len(self._recent) >= self._most_rows or clock_ms - self._turned_at_ms >= self._longest_ms:
            self._older, self._recent, self._same = self._recent, {}, {}
            self._turned_at_ms = clock_ms

    def _recall(self, key: RollupKey) -> Rollup | None:
        """A row of the older generation, young again."""
        row = self._older.pop(key, None)
        if row is not None:
            self._recent[key] = row
        return row
