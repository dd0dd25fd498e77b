"""Puts accounts together again from their rows and their lots' rows, which come in any order."""

from collections.abc import Callable

import msgspec

from schemas.account import AccountRow
from schemas.lot import Lot
from stream.rules.ledger.book import Book

decode_account = msgspec.msgpack.Decoder(AccountRow).decode
decode_lot = msgspec.msgpack.Decoder(Lot).decode
_decode_key = msgspec.json.Decoder(tuple[str, str]).decode


class Restoring:
    """What was read of the changelogs so far: the latest bytes of every row, decoded once all are there."""

    def __init__(self) -> None:
        self._accounts: dict[str, bytes] = {}
        self._lots: dict[str, dict[str, bytes]] = {}

    def account(self, key: bytes, value: bytes) -> None:
        """An account's row; there is always one for every account with lots."""
        self._accounts[key.decode()] = value

    def lot(self, key: bytes, value: bytes | None) -> None:
        """A lot's row, or its removal."""
        account, name = _decode_key(key)
        lots = self._lots.setdefault(account, {})
        if value is None:
            lots.pop(name, None)
        else:
            lots[name] = value

    def finish(self, restore: Callable[[Book], None]) -> None:
        """Every account, one by one; nothing is kept of it here."""
        while self._accounts:
            account, value = self._accounts.popitem()
            row = decode_account(value)
            lots = {lot.id: lot for lot in map(decode_lot, self._lots.pop(account, {}).values())}
            first, row.first_lot = row.first_lot, None
            # The latest that was written of an account is in its row: whatever changed, that was written too.
            if first is not None:
                lots[first.id] = first
            restore(Book(row, list(lots.values())))
