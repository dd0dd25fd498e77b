"""How each schema is written: JSON for what people and other services send, msgpack for what the pipeline packs."""

import msgspec

from schemas.balance import Balance
from schemas.charge import ChargeBatch
from schemas.command import Command
from schemas.dead_letter import DeadLetter
from schemas.lot import Lot
from schemas.rate_card import RateCard
from schemas.rollup import RollupBatch
from schemas.usage import UsageEvent

encode_json = msgspec.json.Encoder().encode
encode_packed = msgspec.msgpack.Encoder().encode

decode_usage_event = msgspec.json.Decoder(UsageEvent).decode
decode_command = msgspec.json.Decoder(Command).decode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
decode_balance = msgspec.msgpack.Decoder(Balance).decode
decode_lot = msgspec.msgpack.Decoder(Lot).decode
decode_charges = msgspec.msgpack.Decoder(ChargeBatch).decode
decode_rollups = msgspec.msgpack.Decoder(RollupBatch).decode

_decode_rate_card = msgspec.json.Decoder(RateCard).decode


def decode_rate_card(value: bytes | str) -> RateCard:
    """A rate card; msgspec.DecodeError for any bytes that are none, so that no record stops who reads the topic."""
    try:
        # The decoder does not look into fields it skips, and says what is not UTF-8 in another way.
        return _decode_rate_card(value if isinstance(value, str) else value.decode())
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"is no JSON: {error}") from None
