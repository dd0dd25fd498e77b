"""What upstream sends: usage and commands, with duplicates, conflicts, late and malformed ones, in transactions too."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

from producers.malformed import KINDS, malformed
from tests.simulation.oracle_numbers import java_partition
from tests.simulation.sim_commands import Commands, moment
from tests.simulation.sim_scheduler import BEGAN_SECONDS

NODES = ("answer", "search", "tokens")
CHANNELS = ("api", "widget", "whatsapp")
_MALFORMED = tuple(kind for kind in KINDS if kind != "too_large")
_LATE_MINUTES = 180
_encode = json.JSONEncoder(separators=(",", ":")).encode
_IDENTITY = re.compile(rb'"id":"(u[0-9]+)"')
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
        self._said = Commands(random)
        self.cards_in_force = [0.0]
        """When each rate card that was published takes effect."""
        self._usage: list[Sent] = []
        self._placed: list[tuple[Sent, int]] = []
        self._commands: list[Sent] = []

    def opening(self, now: float, account: str, *, usage: bool) -> Sent:
        """A good record of the account."""
        if usage:
            return self._good_usage(now, account)
        return self._good_command(now, account, self._said.opening(now, account))

    def usage(self, now: float) -> Sent:
        """One usage event, most often a good one."""
        chance = self._random.random()
        if self._usage and chance < 0.12:
            return self._again(self._usage, now)
        if chance < 0.2:
            return self._malformed(self._good_usage(now, self._account()), now)
        return self._good_usage(now, self._account())

    def command(self, now: float) -> Sent:
        """One of any kind, most often one that was not sent before."""
        if self._commands and self._random.random() < 0.2:
            return self._again(self._commands, now)
        if self._placed and self._random.random() < 0.3:
            return self._correction(now)
        account = self._account()
        return self._good_command(now, account, self._said.data(now, account))

    def placed(self, sent: Sent, offset: int) -> None:
        """A record got that offset: from now on commands may name it."""
        if sent.usage and sent.value.startswith(b"{"):
            self._placed.append((sent, offset))

    def answer(self, now: float, account: str, request: str) -> Sent:
        """What the payment service says of a refill request."""
        return self._good_command(now, account, self._said.answer(request))

    def partition_of(self, account: str) -> int:
        """Where its records are."""
        return java_partition(account.encode(), self._partitions)

    def _correction(self, now: float) -> Sent:
        """Of an event that was sent: lately most often, and perhaps never booked."""
        back = int(len(self._placed) * self._random.random() ** 3)
        sent, offset = self._placed[-1 - back]
        found = _IDENTITY.search(sent.value)
        event = {
            "source": "/simulation",
            "id": "u0" if found is None else found[1].decode(),
            "partition": sent.partition,
            "offset": offset,
        }
        account = (sent.key or b"").decode(errors="replace")
        # A card that is not in force may not have reached whoever reprices: what is done then depends on when it does.
        cards = [number for number, effective_at in enumerate(self.cards_in_force) if effective_at <= now]
        said = self._said.correction(event, cards)
        return self._good_command(now, account if account in self.accounts else self._account(), said)

    def _account(self) -> str:
        return self._random.choice(self.accounts)

    def _good_command(self, now: float, account: str, data: dict[str, object]) -> Sent:
        self._numbers += 1
        value = _envelope("creditstream.command", f"c{self._numbers}", account, moment(now), data)
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
        value = _envelope("creditstream.usage", f"u{self._numbers}", account, moment(now - late), data)
        sent = self._sent(account, value, usage=True)
        self._usage.append(sent)
        return sent

    def _again(self, before: list[Sent], now: float) -> Sent:
        """A record that was sent before, now and then with other content or another time."""
        sent = self._random.choice(before)
        if self._random.random() < 0.3:
            anew = _TIME.sub(b'"time":"%b"' % moment(now).encode(), sent.value)
            return Sent(sent.usage, sent.partition, sent.key, anew)
        if self._random.random() < 0.2:
            changed = sent.value.replace(b'"quantity":', b'"quantity":9').replace(b'"credits":"', b'"credits":"9')
            return Sent(sent.usage, sent.partition, sent.key, changed)
        return sent

    def _malformed(self, sent: Sent, now: float) -> Sent:
        kind = self._random.choice(_MALFORMED)
        if kind == "wrong_partition" and self._partitions == 1:
            kind = "not_json"
        sent_at = datetime.fromtimestamp(BEGAN_SECONDS + now, UTC)
        key, value, partition = malformed(kind, sent.key or b"", sent.value, sent_at, self._partitions)
        return Sent(True, sent.partition if partition is None else partition, key, value)

    def _sent(self, account: str, value: bytes, *, usage: bool) -> Sent:
        return Sent(usage, self.partition_of(account), account.encode(), value)


def rate_card(line: str, version: str, effective: float, prices: int) -> bytes:
    """A card of a line in force from a time on; every node's price is a multiple."""
    tiers = {"answer": "2", "search": "0.5", "tokens": "0.0015"}
    card = {
        "line": line,
        "version": version,
        "effective_at": moment(effective),
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
