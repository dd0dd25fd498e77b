"""A ledger's rows as tables of the engine: accounts and lots, each with a changelog of its own.

A checkpoint drains the accounts first: a lot that travels in its account's row has none of its own.
"""

from schemas.topics import TopicNames
from stream.engine.outbox import Record
from stream.rules.ledger.drained import NOTHING_DRAINED, version_of_account, version_of_lot
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.restoring import Restoring


class LedgerTables:
    """Both tables, and what the ledger's last drain is for the outputs beside them."""

    def __init__(self, names: TopicNames, ledger: Ledger) -> None:
        self.ledger = ledger
        self.restoring = Restoring()
        self.drained = NOTHING_DRAINED
        self.accounts = Accounts(names.balances_changelog, self)
        self.lots = Lots(names.lots_changelog, self)


class Accounts:
    """The rows of accounts, each with the lot that charges burn."""

    def __init__(self, changelog: str, tables: LedgerTables) -> None:
        self.changelog = changelog
        self._tables = tables

    def restore(self, key: bytes, value: bytes | None) -> int:
        """Take a row; the checkpoint that wrote it. An account is never removed."""
        if value is None:
            return 0
        self._tables.restoring.account(key, value)
        return version_of_account(value)

    def finish_restore(self) -> None:
        """Every row of every changelog was read."""
        tables = self._tables
        tables.restoring.finish(tables.ledger.restore)

    def drain(self) -> list[Record]:
        """The rows that changed, encoded."""
        tables = self._tables
        drained = tables.drained = tables.ledger.drain()
        return [(self.changelog, key, value) for key, value in drained.accounts]


class Lots:
    """The rows of all other lots."""

    def __init__(self, changelog: str, tables: LedgerTables) -> None:
        self.changelog = changelog
        self._tables = tables

    def restore(self, key: bytes, value: bytes | None) -> int:
        """Take a row, or its removal; the checkpoint that wrote it."""
        self._tables.restoring.lot(key, value)
        return 0 if value is None else version_of_lot(value)

    def finish_restore(self) -> None:
        """Lots are put to their accounts by those."""

    def drain(self) -> list[Record]:
        """The rows that changed, encoded, and the keys of those that were forgotten."""
        return [(self.changelog, key, value) for key, value in self._tables.drained.lots]
