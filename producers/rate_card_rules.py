"""Whether a rate card may be published beside those that are there."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from schemas.identifiers import RateCardVersion
from schemas.rate_card import RateCard

SHORTEST_NOTICE = timedelta(seconds=60)


class RateCardRefusedError(Exception):
    """A card that may not be published, or withdrawn, and what to do instead."""


def rows_to_publish(
    cards: Iterable[RateCard], published: Iterable[RateCard], now: datetime, *, reprice: bool
) -> list[RateCard]:
    """The rows to write, in order of effective_at; a card that is published already makes none.

    `reprice` accepts a card that is effective in less than a minute, or was in the past: usage priced since
    then is priced again. The cards of a line that has none yet need no notice.
    """
    known = {(card.line, card.version): card for card in published}
    begun_lines = {line for line, _ in known}
    rows = []
    for card in sorted(cards, key=lambda card: card.effective_at):
        row = _row(card, known, now, is_first=card.line not in begun_lines, reprice=reprice)
        if row is not None:
            known[card.line, card.version] = row
            rows.append(row)
    return rows


def row_to_withdraw(line: str, version: str, published: Iterable[RateCard]) -> RateCard | None:
    """The row that withdraws a card; None if it was withdrawn before."""
    for card in published:
        if (card.line, card.version) == (line, version):
            return None if card.withdrawn else msgspec.structs.replace(card, withdrawn=True)
    raise RateCardRefusedError(f"rate card {version} of line {line} was never published")


def _row(
    card: RateCard,
    known: dict[tuple[str, RateCardVersion], RateCard],
    now: datetime,
    *,
    is_first: bool,
    reprice: bool,
) -> RateCard | None:
    name = f"rate card {card.version} of line {card.line}"
    same = known.get((card.line, card.version))
    if same is not None:
        if same.withdrawn:
            raise RateCardRefusedError(f"{name} was withdrawn: publish it under a new version")
        if _content(same) != _content(card):
            raise RateCardRefusedError(f"{name} is published with other content: give it a new version")
        return None
    for other in known.values():
        if other.line == card.line and other.effective_at == card.effective_at and not other.withdrawn:
            raise RateCardRefusedError(
                f"{name} is effective at {card.effective_at.isoformat()}, and so is {other.version}: "
                "give it another time, or withdraw the other"
            )
    has_notice = card.effective_at >= now + SHORTEST_NOTICE
    if not has_notice and not is_first and not reprice:
        raise RateCardRefusedError(
            f"{name} is effective at {card.effective_at.isoformat()}, less than "
            f"{SHORTEST_NOTICE.seconds} s from now: give a later time, or pass --reprice to price usage again"
        )
    return msgspec.structs.replace(card, published_at=now, reprice=not has_notice and not is_first)


def _content(card: RateCard) -> RateCard:
    return msgspec.structs.replace(card, published_at=None, reprice=False, withdrawn=False)
