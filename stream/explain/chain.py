"""Whether an account's entries follow on from each other, from the first one that is still there."""

from schemas.ledger import Entry, entry_hash, first_hash


class Chain:
    """Follows the entries of one account; `broken` says the first thing that is wrong, `first` and `last` how far."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._head = first_hash(account)
        self.balance_microcredits = 0
        self.first = 0
        self.last = 0
        self.broken = ""

    def follow(self, entry: Entry) -> None:
        """Take the next entry; what came before the first one is taken on trust, unless that is the account's first."""
        if not self.broken:
            self.broken = self._problem(entry)
        self.first = self.first or entry.sequence
        self.last = entry.sequence
        self.balance_microcredits = entry.balance_microcredits
        self._head = entry_hash(entry)

    def _problem(self, entry: Entry) -> str:
        sequence = entry.sequence
        if not self.first and sequence != 1:
            return ""
        if sequence != self.last + 1:
            return f"#{sequence} follows #{self.last}"
        if entry.previous != self._head:
            before = f"#{self.last}" if self.last else "the account's name"
            return f"#{sequence} does not follow {before}: one of them was changed"
        if entry.balance_microcredits != self.balance_microcredits + entry.lot_microcredits - entry.owed_microcredits:
            return f"#{sequence} says a balance that its effects do not come to"
        return ""
