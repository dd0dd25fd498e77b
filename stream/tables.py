"""The tables of what was corrected and of what may be used only once; accounts and lots: `ledger_tables`."""

from schemas.codec import encode_packed
from schemas.topics import TopicNames
from stream.engine.tables import Table
from stream.rules.commands import Remembered, decode_remembered
from stream.rules.corrected import Corrected, decode_corrected


def commands_table(names: TopicNames) -> Table[bytes, Remembered]:
    """Commands, grants and payments that were carried out."""
    return Table(names.commands_changelog, lambda row: row.key, encode_packed, lambda key: key, decode_remembered)


def corrections_table(names: TopicNames) -> Table[bytes, Corrected]:
    """Events that were voided or priced anew."""
    return Table(names.corrections_changelog, lambda row: row.key, encode_packed, lambda key: key, decode_corrected)
