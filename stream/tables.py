"""The tables of a partition: what is kept of every account, and what may be used only once."""

from schemas.balance import Balance
from schemas.codec import decode_balance, encode_packed
from schemas.topics import TopicNames
from stream.engine.tables import Table
from stream.rules.commands import Remembered, decode_remembered


def balances_table(names: TopicNames) -> Table[str, Balance]:
    """Balances by account."""
    return Table(
        names.balances_changelog,
        lambda row: row.account.encode(),
        encode_packed,
        lambda key: key.decode(),
        decode_balance,
    )


def commands_table(names: TopicNames) -> Table[bytes, Remembered]:
    """Commands, grants and payments that were carried out."""
    return Table(names.commands_changelog, lambda row: row.key, encode_packed, lambda key: key, decode_remembered)
