"""Joins an account's entries with where their causes are, and with what was charged."""

from collections.abc import Iterator

from confluent_kafka import Message
from msgspec import Struct

from schemas.charge import Charge
from schemas.ledger import Entry
from schemas.topics import TopicNames
from stream.explain.asked import Asked
from stream.explain.chain import Chain
from stream.explain.charge_records import AccountCharges
from stream.explain.ledger_records import entries_of_account

_COSTS = frozenset({"burned", "owed", "billed", "refunded"})


class NotFoundError(Exception):
    """The account has no entries, or none that is asked for; the text says which, and why that may be."""


class Explained(Struct, frozen=True):
    """An entry; the topic of its cause, none if that was the clock; its event's charge, where that is retained."""

    entry: Entry
    topic: str
    partition: int
    charge: Charge | None


class Explanation:
    """What is asked of one account; the rest is known once its entries were gone through.

    Of an event, `charged_microcredits` is what it cost at first, `cost_microcredits` what it costs now, and `is_voided`
    whether it was refunded by a void, after which nothing corrects it any more.
    """

    def __init__(
        self,
        asked: Asked,
        topics: TopicNames,
        partition: int,
        ledger: Iterator[Message],
        charges: Iterator[Message],
        *,
        is_cut: bool = False,
    ) -> None:
        self._asked = asked
        self._topics = topics
        self.partition = partition
        self._ledger = ledger
        self._charges = AccountCharges(asked.account, charges, asked.event)
        self._is_cut = is_cut
        self.chain = Chain(asked.account)
        self.found = 0
        self.offset: int | None = None
        self.charged_microcredits = 0
        self.cost_microcredits = 0
        self.is_voided = False

    def __iter__(self) -> Iterator[Explained]:
        """The entries that are asked for, in order; NotFoundError at the end if there was none."""
        asked, topics = self._asked, self._topics
        for version, entry in entries_of_account(asked.account, self._ledger):
            if entry.sequence > asked.last:
                break
            self.chain.follow(entry)
            if not asked.has(entry):
                continue
            self.found += 1
            self._count(entry)
            if entry.cause == "event":
                yield Explained(entry, topics.usage_events, self.partition, self._charges.at(version, entry.offset))
            else:
                topic = topics.commands if entry.cause == "command" else ""
                yield Explained(entry, topic, self.partition, None)
        if not self.found:
            raise NotFoundError(self._why_none())

    def _count(self, entry: Entry) -> None:
        if self._asked.event is None or entry.kind not in _COSTS:
            return
        cost = entry.owed_microcredits + entry.billed_microcredits - entry.lot_microcredits
        self.cost_microcredits += cost
        if entry.cause == "event":
            self.offset = entry.offset
            self.charged_microcredits += cost
        elif entry.kind == "refunded" and not entry.rate_card:
            # What a repricing gives back names its card.
            self.is_voided = True

    def _why_none(self) -> str:
        account, event = self._asked.account, self._asked.event
        kept = "older ones are not retained any more" if self._is_cut else "none was removed by retention"
        if not self.chain.last:
            return f"account {account!r} has no entries in {self._topics.ledger}/{self.partition}; {kept}"
        shown = f"#{self.chain.first} to #{self.chain.last} were read; {kept}"
        if event is None:
            return f"account {account!r} has no such entry: {shown}"
        self._charges.finish()
        charge = self._charges.of_event
        if charge is not None:
            return (
                f"event {event.source} {event.id!r} of account {account!r} cost "
                f"{charge.cost_microcredits} microcredits ({charge.node}, rate card {charge.rate_card}, "
                f"{self._topics.usage_events}/{self.partition}/{charge.offset}) and has no entry"
            )
        return f"account {account!r} has no entry of event {event.source} {event.id!r}: {shown}"
