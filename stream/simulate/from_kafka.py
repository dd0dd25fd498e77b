"""Recorded usage from credits.charges, as far back as it is retained."""

from collections.abc import Iterable, Iterator

from confluent_kafka import Message

from schemas.charge import Charge
from stream.charge_batches import charges_in, read_head
from stream.simulate.chosen import Chosen, Recorded
from stream.topic_reader import Span

MARGIN_MS = 3_600_000
"""How much before an event's time its charge may seem to be written: five minutes, and what clocks differ."""


class KafkaCharges:
    """The charges that are chosen; `retained_from_ms` says from when on they are complete, once they were read."""

    def __init__(self, chosen: Chosen, spans: Iterable[Span], records: Iterable[Message]) -> None:
        self._chosen = chosen
        self._cut = {(span.topic, span.partition) for span in spans if span.is_cut}
        self._records = records
        self.retained_from_ms = chosen.from_ms

    def __iter__(self) -> Iterator[Recorded]:
        chosen = self._chosen
        from_us, until_us = chosen.from_ms * 1_000, chosen.until_ms * 1_000
        for message in self._records:
            head = read_head(message)
            place = message.topic() or "", message.partition() or 0
            if place in self._cut:
                self._cut.remove(place)
                self.retained_from_ms = max(self.retained_from_ms, head.booked_at_ms)
            for charge in charges_in(head, chosen.account):
                if from_us <= charge.occurred_at_us < until_us and self._is_priced_by(charge):
                    yield Recorded(
                        getattr(charge, chosen.by), charge.node, charge.quantity_micros, 1, charge.cost_microcredits
                    )

    def _is_priced_by(self, charge: Charge) -> bool:
        return not self._chosen.priced_by or charge.rate_card in self._chosen.priced_by
