"""Puts accounts together again from their rows and their lots' rows, which come in any order."""

from collections.abc import Callable

import msgspec

_decode_key = msgspec.json.Decoder(tuple[str, str]).decode


class Restoring:
    """What was read of the changelogs so far: the latest bytes of every row."""

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

    def finish(self, restore: Callable[[str, bytes, list[bytes]], object]) -> None:
        """Every account, one by one, with the rows of its lots; nothing is kept of it here."""
        while self._accounts:
            account, row = self._accounts.popitem()
            restore(account, row, list(self._lots.pop(account, {}).values()))
