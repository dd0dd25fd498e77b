"""What is asked: which entries of which account."""

from typing import NamedTuple

from schemas.ledger import Entry

MOST_ENTRIES = 1 << 62


class Event(NamedTuple):
    """A usage event of the account, by its identity."""

    source: str
    id: str


class Asked(NamedTuple):
    """The entries from `first` to `last`, or those of one event: what it burned, and its corrections."""

    account: str
    event: Event | None = None
    first: int = 1
    last: int = MOST_ENTRIES

    def has(self, entry: Entry) -> bool:
        """Whether the entry is asked for."""
        if not self.first <= entry.sequence <= self.last:
            return False
        return self.event is None or is_of(entry, self.event)


def is_of(entry: Entry, event: Event) -> bool:
    """Whether an event caused the entry, or a correction of that event did.

    A correction's entries name the event, where they say nothing else; one on a bill names the currency after it.
    """
    if entry.cause == "event":
        return (entry.source, entry.id) == event
    about = f"{event.source} {event.id}"
    named = entry.detail.rpartition(" ")[0] if entry.billed_microcredits else entry.detail
    return entry.cause == "command" and about in (entry.detail, named)
