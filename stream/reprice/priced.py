"""What recorded charges cost now, and what they cost by another card: as the worker will find it."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Message

from schemas.account import AccountRow
from schemas.charge import Charge
from schemas.rate_card import DEFAULT_LINE
from stream.charge_batches import charges_in, read_head
from stream.rules.corrected import Corrected, corrected_key
from stream.rules.ledger.corrections import CORRECTED_MS
from stream.rules.ledger.plans import line_at
from stream.rules.pricing import CostTooLargeError
from stream.rules.rate_cards import RateCards


class Repriced(NamedTuple):
    """A charge of which `new_microcredits` differ from what it costs now."""

    partition: int
    charge: Charge
    recorded_microcredits: int
    new_microcredits: int


class LeftOut(NamedTuple):
    """A charge that no command is sent for, and why; `is_unpriced` if that is for want of a price."""

    charge: Charge
    why: str
    is_unpriced: bool = False


class Known(NamedTuple):
    """What a worker goes by: the cards, the accounts that have plans, and what was corrected before."""

    rate_cards: RateCards
    accounts: Mapping[str, AccountRow]
    corrected: Mapping[bytes, Corrected]


class Asked(NamedTuple):
    """Charges of events that occurred from `from_ms` until before `until_ms`, of an account or of all."""

    rate_card: str
    from_ms: int
    until_ms: int
    account: str = ""
    priced_by: Container[str] = ()


def priced(asked: Asked, known: Known, records: Iterable[Message], now_ms: int) -> Iterator[Repriced | LeftOut]:
    """Every charge that is asked for, in the order in which it was booked."""
    from_us, until_us = asked.from_ms * 1_000, asked.until_ms * 1_000
    for message in records:
        head = read_head(message)
        for charge in charges_in(head, asked.account):
            is_meant = from_us <= charge.occurred_at_us < until_us
            if is_meant and (not asked.priced_by or charge.rate_card in asked.priced_by):
                yield _priced(asked, known, head.partition, charge, now_ms)


def _priced(asked: Asked, known: Known, partition: int, charge: Charge, now_ms: int) -> Repriced | LeftOut:
    corrected = known.corrected.get(corrected_key(charge.account, charge.source, charge.id, charge.offset))
    recorded = charge.cost_microcredits if corrected is None else corrected.charge.cost
    if corrected is not None and corrected.charge.is_voided:
        return LeftOut(charge, "was voided")
    if corrected is not None and asked.rate_card in corrected.charge.cards:
        return LeftOut(charge, "was priced by that card before")
    if now_ms - charge.ingested_at_ms > CORRECTED_MS:
        return LeftOut(charge, "was booked more than 90 days ago: adjust instead")
    row = known.accounts.get(charge.account)
    line = DEFAULT_LINE if row is None else line_at(row, charge.occurred_at_us)
    card = known.rate_cards.card(line, asked.rate_card)
    if isinstance(card, str):
        return LeftOut(charge, card, is_unpriced=True)
    price = card.prices.get(charge.node)
    if price is None:
        return LeftOut(charge, f"{line}/{card.version} has no price for {charge.node!r}", is_unpriced=True)
    try:
        cost = price.cost_microcredits(charge.quantity_micros)
    except CostTooLargeError:
        return LeftOut(charge, f"would cost more than {line}/{card.version} may charge for an event", is_unpriced=True)
    if cost == recorded:
        return LeftOut(charge, "costs as much")
    return Repriced(partition, charge, recorded, cost)
