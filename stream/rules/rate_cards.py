"""The book of rate cards: which card of a line is effective at a time.

What is effective depends on the latest row of each card alone, never on the order in which rows were read, so
that a worker that reads the topic after its compaction prices like one that saw every row.
"""

from bisect import bisect_right
from typing import NamedTuple

from schemas.rate_card import RateCard
from stream.rules.pricing import BadRateCardError, CompiledCard, compile_card

ALWAYS_US = -(2**63)
FOREVER_US = 2**63 - 1

CardKey = tuple[str, str]


class Interval(NamedTuple):
    """`card` is effective from `from_us` until before `until_us` (since 1970, UTC); None before the first."""

    from_us: int
    until_us: int
    card: CompiledCard | None


class RateCards:
    """An immutable book; `unused` says, by (line, version), why a card not withdrawn is not in use."""

    __slots__ = ("_cards", "_intervals", "unused")

    def __init__(self, cards: dict[CardKey, CompiledCard | str] | None = None) -> None:
        self._cards = {} if cards is None else cards
        self.unused = {key: card for key, card in self._cards.items() if isinstance(card, str)}
        self._intervals: dict[str, list[Interval]] = {}
        for line in {line for line, _ in self._cards}:
            self._intervals[line] = _intervals(self._in_use(line))

    def __len__(self) -> int:
        """Cards that can price something."""
        return len(self._cards) - len(self.unused)

    def with_card(self, row: RateCard) -> "RateCards":
        """The book after a row of the topic: a new card, another form of a known one, or a withdrawal."""
        cards = dict(self._cards)
        key = (row.line, str(row.version))
        if row.withdrawn:
            cards.pop(key, None)
        else:
            try:
                cards[key] = compile_card(row)
            except BadRateCardError as error:
                cards[key] = str(error)
        return RateCards(cards)

    def card(self, line: str, version: str) -> CompiledCard | str:
        """The card of that name, in use or not; or why there is none."""
        return self._cards.get((line, version), f"there is no rate card {line}/{version}")

    def card_at(self, line: str, occurred_at_us: int) -> CompiledCard | None:
        """The card of the line that is effective at a time, in microseconds since 1970, UTC."""
        return self.interval_at(line, occurred_at_us).card

    def interval_at(self, line: str, time_us: int) -> Interval:
        """The card effective at a time and how long it is, so that a caller asks again only outside of it."""
        intervals = self._intervals.get(line)
        if intervals is None:
            return Interval(ALWAYS_US, FOREVER_US, None)
        return intervals[bisect_right(intervals, time_us, key=_from_us) - 1]

    def _in_use(self, line: str) -> list[CompiledCard]:
        """The line's cards by effective_at; of two with an equal one, the earlier published is in use."""
        cards = [card for key, card in self._cards.items() if key[0] == line and isinstance(card, CompiledCard)]
        cards.sort(key=lambda card: (card.effective_at_us, card.published_at_us, card.version))
        in_use: list[CompiledCard] = []
        for card in cards:
            if in_use and in_use[-1].effective_at_us == card.effective_at_us:
                self.unused[(line, card.version)] = (
                    f"rate card {line}/{card.version} is not in use: {line}/{in_use[-1].version} is "
                    "effective from the same time and was published first; withdraw one of the two"
                )
            else:
                in_use.append(card)
        return in_use


def _intervals(cards: list[CompiledCard]) -> list[Interval]:
    starts = [ALWAYS_US, *(card.effective_at_us for card in cards)]
    ends = [*starts[1:], FOREVER_US]
    return [Interval(*each) for each in zip(starts, ends, [None, *cards], strict=True)]


def _from_us(interval: Interval) -> int:
    return interval.from_us
