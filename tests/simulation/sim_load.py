"""What upstream sends: usage and commands, with duplicates, conflicts, late and malformed ones, in transactions too."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from producers.malformed import KINDS, malformed
from tests.simulation.oracle_numbers import java_partition
from tests.simulation.sim_scheduler import BEGAN_SECONDS

NODES = ("answer", "search", "tokens")
CHANNELS = ("api", "widget", "whatsapp")
_MALFORMED = tuple(kind for kind in KINDS if kind != "too_large")
_LATE_MINUTES = 180
_encode = json.JSONEncoder(separators=(",", ":")).encode
_TIME = re.compile(rb'"time":"[^"]*"')


@dataclass(frozen=True)
class Sent:
    """A record on its way to one of the inputs."""

    usage: bool
    partition: int
    key: bytes | None
    value: bytes


class Load:
    """Draws records; every account has a partition, and some get commands."""

    def __init__(self, random: Random, partitions: int, accounts: int) -> None:
        self._random = random
        self._partitions = partitions
        self.accounts = [f"account-{number}" for number in range(accounts)]
        self._numbers = 0
        self._usage: list[Sent] = []
        self._commands: list[Sent] = []

    def opening(self, now: float, account: str, *, usage: bool) -> Sent:
        """A good record of the account."""
        return self._good_usage(now, account) if usage else self._good_command(now, account)

    def usage(self, now: float) -> Sent:
        """One usage event, most often a good one."""
        chance = self._random.random()
        if self._usage and chance < 0.12:
            return self._again(self._usage, now)
        if chance < 0.2:
            return self._malformed(self._good_usage(now, self._account()), now)
        return self._good_usage(now, self._account())

    def command(self, now: float) -> Sent:
        """One grant or top-up, most often a good one."""
        if self._commands and self._random.random() < 0.2:
            return self._again(self._commands, now)
        return self._good_command(now, self._account())

    def _account(self) -> str:
        return self._random.choice(self.accounts)

    def _good_command(self, now: float, account: str) -> Sent:
        self._numbers += 1
        data: dict[str, object] = {"grant": f"grant-{self._numbers}", "credits": f"{self._random.randint(1, 900)}"}
        if self._random.random() < 0.5:
            payment = {"reference": f"payment-{self._numbers}", "amount_minor": 500, "currency": "EUR"}
            data |= {"kind": "top_up", "payment": payment}
        else:
            data |= {"kind": "grant"}
        value = _envelope("creditstream.command", f"c{self._numbers}", account, _text(now), data)
        sent = self._sent(account, value, usage=False)
        self._commands.append(sent)
        return sent

    def _good_usage(self, now: float, account: str) -> Sent:
        self._numbers += 1
        late = self._random.random() ** 6 * _LATE_MINUTES * 60
        data = {
            "agent": f"agent-{self._random.randint(0, 1)}",
            "conversation": f"conversation-{self._random.randint(0, 3)}",
            "channel": self._random.choice(CHANNELS),
            "node": self._random.choice(NODES),
            "quantity": self._random.randint(1, 50),
        }
        value = _envelope("creditstream.usage", f"u{self._numbers}", account, _text(now - late), data)
        sent = self._sent(account, value, usage=True)
        self._usage.append(sent)
        return sent

    def _again(self, before: list[Sent], now: float) -> Sent:
        """A record that was sent before, now and then with other content or another time."""
        sent = self._random.choice(before)
        if self._random.random() < 0.3:
            anew = _TIME.sub(b'"time":"%b"' % _text(now).encode(), sent.value)
            return Sent(sent.usage, sent.partition, sent.key, anew)
        if self._random.random() < 0.2:
            changed = sent.value.replace(b'"quantity":', b'"quantity":9').replace(b'"credits":"', b'"credits":"9')
            return Sent(sent.usage, sent.partition, sent.key, changed)
        return sent

    def _malformed(self, sent: Sent, now: float) -> Sent:
        kind = self._random.choice(_MALFORMED)
        if kind == "wrong_partition" and self._partitions == 1:
            kind = "not_json"
        moment = datetime.fromtimestamp(BEGAN_SECONDS + now, UTC)
        key, value, partition = malformed(kind, sent.key or b"", sent.value, moment, self._partitions)
        return Sent(True, sent.partition if partition is None else partition, key, value)

    def _sent(self, account: str, value: bytes, *, usage: bool) -> Sent:
        key = account.encode()
        return Sent(usage, java_partition(key, self._partitions), key, value)


def rate_card(version: str, effective: float, prices: int) -> bytes:
    """A card in force from a time on; every node's price is a multiple."""
    tiers = {"answer": "2", "search": "0.5", "tokens": "0.0015"}
    card = {
        "version": version,
        "effective_at": _text(effective),
        "prices": {
            node: {
                "unit": "unit",
                "tiers": [{"credits_per_unit": str(Decimal(price) * prices)}],
                "counts_as_message": node == "answer",
            }
            for node, price in tiers.items()
        },
    }
    return json.dumps(card).encode()


def _envelope(type_: str, id_: str, account: str, time: str, data: dict[str, object]) -> bytes:
    event = {
        "specversion": "1.0",
        "type": type_,
        "id": id_,
        "source": "/simulation",
        "subject": account,
        "time": time,
        "data": data,
    }
    return _encode(event).encode()


def _text(now: float) -> str:
    moment = datetime.fromtimestamp(BEGAN_SECONDS, UTC) + timedelta(milliseconds=int(now * 1_000))
    return moment.isoformat()
