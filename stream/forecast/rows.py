"""The accounts of a partition with their lots, from the changelogs: as of one checkpoint, though workers go on."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec
from confluent_kafka import Message

from schemas.account import CONTROL_KEY_PREFIX, AccountRow, BalanceHead, account_of
from schemas.lot import Lot
from stream.topic_reader import UnreadableTopicError

T = TypeVar("T")

_decode_head = msgspec.msgpack.Decoder(BalanceHead).decode
_decode_lot = msgspec.msgpack.Decoder(Lot).decode
_decode_lot_key = msgspec.json.Decoder(tuple[str, str]).decode


class AccountWithLots(NamedTuple):
    """An account as its last checkpoint left it."""

    row: AccountRow
    lots: list[Lot]


class Rows:
    """The newest row of each account and lot, kept as bytes. Accounts are read first: their rows say up to where."""

    def __init__(self, account: str = "") -> None:
        self._account = account
        self._rows: dict[str, tuple[str, bytes]] = {}
        self._lots: dict[str, dict[str, bytes]] = {}
        self._version = 0

    def __len__(self) -> int:
        return len(self._rows)

    def read_accounts(self, records: Iterable[Message]) -> None:
        """Those of the changelog of balances; UnreadableTopicError for a row that is none."""
        for message, key, value in _rows_in(records):
            account = key.decode()
            if value is None or (self._account and account != self._account):
                continue
            self._version = max(self._version, _read(_decode_head, _place(message), value, "account").version)
            self._rows[account] = _place(message), value

    def read_lots(self, records: Iterable[Message]) -> None:
        """Those of the changelog of lots, but for what a later checkpoint than the accounts' wrote."""
        for message, key, value in _rows_in(records):
            account, name = _read(_decode_lot_key, _place(message), key, "lot's key")
            if account not in self._rows:
                continue
            lots = self._lots.setdefault(account, {})
            if value is None:
                lots.pop(name, None)
            elif _read(_decode_lot, _place(message), value, "lot").version <= self._version:
                lots[name] = value

    def accounts(self) -> Iterator[AccountWithLots]:
        """All of them, by name; the lot that charges burn is in its account's row, and newer there."""
        for account, (place, value) in sorted(self._rows.items()):
            row = _read(account_of, place, value, "account")
            lots = {name: _decode_lot(lot) for name, lot in self._lots.pop(account, {}).items()}
            first = row.first_lot
            if first is not None and (first.id not in lots or first.version >= lots[first.id].version):
                lots[first.id] = first
            yield AccountWithLots(row, list(lots.values()))


def _rows_in(records: Iterable[Message]) -> Iterator[tuple[Message, bytes, bytes | None]]:
    for message in records:
        key = message.key()
        if key is not None and not key.startswith(CONTROL_KEY_PREFIX):
            yield message, key, message.value()


def _place(message: Message) -> str:
    return f"{message.topic()}/{message.partition()}/{message.offset()}"


def _read(decode: Callable[[bytes], T], place: str, value: bytes, what: str) -> T:
    try:
        return decode(value)
    except msgspec.MsgspecError as error:
        raise UnreadableTopicError(f"{place} is no {what} of the ledger: {error}") from None
