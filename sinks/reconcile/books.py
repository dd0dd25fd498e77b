"""The books of one partition, kept anew: its clock, what it remembers, and every account's totals.

Records come as the worker merges them: by append time, commands first at a tie, each input in its own order.
"""

from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.command import TopUp
from schemas.credits import FREE_GRANT_MICROCREDITS
from schemas.dead_letter import Reason
from schemas.rate_card import DEFAULT_LINE
from sinks.reconcile.inputs import Gift, InputRecord, Told, Usage, belongs, read_command, read_usage
from sinks.reconcile.prices import Answer, Priced, Prices
from sinks.reconcile.settings import FUTURE_TOLERANCE_MS, ReconcileSettings

LARGEST_TOTAL_MICROCREDITS = 4 * 10**18
COMMANDS_REMEMBERED_MS = 90 * 24 * 3_600_000 + FUTURE_TOLERANCE_MS
_OLDEST_COMMAND_MS = 90 * 24 * 3_600_000
_US_PER_MS = 1_000
_OWN_NAMES = ("plan:", "rollover:", "refill:", "waived:")
_BY_THE_LEDGER = frozenset({"invalid_terms", "too_many_lots"})
_BY_OTHERS = _BY_THE_LEDGER | {"command_id_reused", "grant_id_reused", "payment_reused"}
"""Why a grant may be refused for what is not looked at here: its terms by the clock, and other kinds of commands."""

_packed = msgspec.msgpack.Encoder().encode


class Charged(NamedTuple):
    """An event that must be booked, and what it costs."""

    usage: Usage
    priced: Priced


class Refused(NamedTuple):
    """A record that must not be booked; `reason` is None where the schema alone refuses it: then any will do."""

    reason: Reason | None


class Repeated(NamedTuple):
    """A record that was booked before, and is dropped without a word."""


class CarriedOut(NamedTuple):
    """A command that must be carried out: a grant of so much."""

    account: str
    grant: str
    microcredits: int


class NotJudged(NamedTuple):
    """A command of which the ledger alone says what became of it."""


Verdict = Charged | Refused | Repeated | CarriedOut | NotJudged


class Shown(NamedTuple):
    """What is said of a record: the rate card and cost of its charge, the reasons of its dead letters."""

    rate_card: str | None = None
    cost_microcredits: int = 0
    reasons: frozenset[str] = frozenset()


NOTHING_SHOWN = Shown()


class Totals(Struct):
    """Running totals of an account, in microcredits."""

    granted: int = 0
    charged: int = 0
    events: int = 0
    messages: int = 0
    grants: int = 0


class _Used(NamedTuple):
    at_ms: int
    content: object


class Books:
    """One partition. It remembers the ids of the dedup window, about 250 bytes each, and every account."""

    def __init__(self, partition: int, partitions: int, prices: Prices, settings: ReconcileSettings) -> None:
        self.accounts: dict[str, Totals] = {}
        self._partition = partition
        self._partitions = partitions
        self._prices = prices
        self._settings = settings
        self._clock_ms = 0
        self._events: dict[bytes, tuple[int, bytes]] = {}
        self._order: deque[bytes] = deque()
        self._once: dict[tuple[str, ...], _Used] = {}
        self._told: dict[str, set[str]] = {}
        """Accounts with commands of other kinds, and the lines of rate cards that their plans may price by."""

    def advance(self, appended_ms: int) -> None:
        """The clock follows the append times of both inputs, and never goes back."""
        self._clock_ms = max(self._clock_ms, appended_ms)

    def usage(self, record: InputRecord, shown: Shown = NOTHING_SHOWN) -> Verdict:
        """Books a record of usage.events; `shown` decides only where two prices are right."""
        self.advance(record.appended_ms)
        usage = read_usage(record)
        if usage is None:
            return Refused(None)
        if not self._belongs(usage.account):
            return Refused(None)
        oldest_us = (self._clock_ms - self._settings.horizon_ms) * _US_PER_MS
        if usage.occurred_at_us < oldest_us:
            return Refused(Reason.OLDER_THAN_DEDUP_WINDOW)
        if usage.occurred_at_us > (self._clock_ms + FUTURE_TOLERANCE_MS) * _US_PER_MS:
            return Refused(Reason.TOO_FAR_AHEAD)
        answer = _chosen(self._answers(usage, record.appended_ms), shown)
        if isinstance(answer, Reason):
            return Refused(answer)
        known = self._remember(usage)
        if known is not None:
            return known
        return self._charge(usage, answer)

    def command(self, record: InputRecord, shown: Shown = NOTHING_SHOWN) -> Verdict:
        """Books a record of credits.commands; `shown` decides where other commands may have used a name before."""
        self.advance(record.appended_ms)
        gift = read_command(record)
        if gift is None or not self._belongs(gift.account):
            return Refused(None)
        if isinstance(gift, Told):
            self._told.setdefault(gift.account, {DEFAULT_LINE}).add(gift.line)
            return NotJudged()
        if gift.time_us > (self._clock_ms + FUTURE_TOLERANCE_MS) * _US_PER_MS:
            return Refused(Reason.TOO_FAR_AHEAD)
        if gift.time_us < (self._clock_ms - _OLDEST_COMMAND_MS) * _US_PER_MS:
            return Refused(Reason.COMMAND_TOO_OLD)
        refused = self._used_before(gift)
        if refused is not None:
            return refused
        refused_by_ledger = shown.reasons & (_BY_OTHERS if gift.account in self._told else _BY_THE_LEDGER)
        if refused_by_ledger:
            return Refused(Reason(min(refused_by_ledger)))
        totals = self.accounts.get(gift.account) or Totals()
        if totals.granted + gift.microcredits > LARGEST_TOTAL_MICROCREDITS:
            return Refused(Reason.INVALID_AMOUNT)
        for key in _once_keys(gift):
            self._once[key] = _Used(self._clock_ms, gift.data)
        totals.granted += gift.microcredits
        totals.grants += 1
        self.accounts[gift.account] = totals
        return CarriedOut(gift.account, gift.data.grant, gift.microcredits)

    def _answers(self, usage: Usage, appended_ms: int) -> list[Answer]:
        """By the default line, which every account has most of its time; before it by those that its plans name."""
        lines = self._told.get(usage.account, {DEFAULT_LINE}) - {DEFAULT_LINE}
        by_plans = [self._prices.of_line(line).answers(usage, appended_ms) for line in sorted(lines)]
        return [answer for answers in by_plans for answer in answers] + self._prices.answers(usage, appended_ms)

    def _belongs(self, account: str) -> bool:
        return account in self.accounts or belongs(account, self._partition, self._partitions)

    def _remember(self, usage: Usage) -> Verdict | None:
        """What the event is if its id was used within the window; else its id is, from now on."""
        window_ms = self._settings.window_ms
        identity = blake2b(_packed(usage[:3]), digest_size=16).digest()
        content = blake2b(_packed(usage[3:]), digest_size=8).digest()
        self._forget(self._clock_ms - window_ms)
        seen = self._events.get(identity)
        if seen is None:
            self._events[identity] = (self._clock_ms, content)
            self._order.append(identity)
            return None
        return Repeated() if seen[1] == content else Refused(Reason.EVENT_ID_REUSED)

    def _forget(self, before_ms: int) -> None:
        """Ids are in the order of their times: the oldest come first."""
        while self._order and self._events[self._order[0]][0] < before_ms:
            del self._events[self._order.popleft()]

    def _charge(self, usage: Usage, priced: Priced) -> Verdict:
        totals = self.accounts.get(usage.account)
        if totals is None:
            # Usage that opens an account brings the free grant, once ever.
            totals = self.accounts[usage.account] = Totals(FREE_GRANT_MICROCREDITS, grants=1)
        elif totals.charged + priced.cost_microcredits > LARGEST_TOTAL_MICROCREDITS:
            return Refused(Reason.COST_TOO_LARGE)
        totals.charged += priced.cost_microcredits
        totals.events += 1
        totals.messages += priced.messages
        return Charged(usage, priced)

    def _used_before(self, gift: Gift) -> Verdict | None:
        identity, grant, *payment = _once_keys(gift)
        known = self._known(identity)
        if known is not None:
            return Repeated() if known.content == gift.data else Refused(Reason.COMMAND_ID_REUSED)
        name = gift.data.grant
        if self._known(grant) is not None or name == f"free:{gift.account}" or name.startswith(_OWN_NAMES):
            return Refused(Reason.GRANT_ID_REUSED)
        if payment and self._known(payment[0]) is not None:
            return Refused(Reason.PAYMENT_REUSED)
        return None

    def _known(self, key: tuple[str, ...]) -> _Used | None:
        used = self._once.get(key)
        return used if used and self._clock_ms - used.at_ms <= COMMANDS_REMEMBERED_MS else None


def _chosen(answers: Sequence[Answer], shown: Shown) -> Answer:
    """The one of several right answers that was booked; the one by all that is known now if none was."""
    for answer in answers[:-1]:
        if isinstance(answer, Reason):
            if answer.value in shown.reasons:
                return answer
        elif (answer.rate_card, answer.cost_microcredits) == (shown.rate_card, shown.cost_microcredits):
            return answer
    return answers[-1]


def _once_keys(gift: Gift) -> list[tuple[str, ...]]:
    """What a command may use once in its account: its identity, its grant's name, its payment."""
    keys: list[tuple[str, ...]] = [
        ("command", gift.account, gift.source, gift.id),
        ("grant", gift.account, gift.data.grant),
    ]
    if isinstance(gift.data, TopUp):
        keys.append(("payment", gift.account, gift.data.payment.reference))
    return keys
