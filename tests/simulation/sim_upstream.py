"""Those who write the inputs: usage and commands over the time of a schedule, transactions, rate cards."""

import functools
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from schemas.topics import TopicNames
from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.sim_commands import PRO_LINE, WITHIN_MILLISECOND, moment
from tests.simulation.sim_load import Load, Sent, rate_card
from tests.simulation.sim_scheduler import BEGAN_SECONDS, Scheduler

_LONGEST_BETWEEN_SECONDS = 0.3
_USAGE_OF_A_COMMAND = 4
_ANSWERS_SECONDS = 0.7
_MOST_ANSWERED = 3
_LINES = (("default", 1), (PRO_LINE, 2))
"""Lines of rate cards, with how much dearer each is."""


class Upstream:
    """Sends what the load draws; while the cluster is away it waits."""

    def __init__(self, scheduler: Scheduler, cluster: FakeKafka, names: TopicNames, load: Load) -> None:
        self.effective_at = 0.0
        """When the newest rate card takes effect, counted as `now` is."""
        self._scheduler = scheduler
        self._random = scheduler.random
        self._cluster = cluster
        self._names = names
        self._load = load
        self._cards = 0
        self._transactions = 0
        self._answered: dict[int, int] = {}
        self._asked: Counter[str] = Counter()

    @property
    def now(self) -> float:
        """Seconds on the wall since the simulation's beginning."""
        return self._scheduler.wall_seconds - BEGAN_SECONDS

    def plan(self, seconds: float) -> None:
        """Open every account by usage, a command or both, and send to any of them, all of it in so many seconds."""
        random, began = self._random, self._scheduler.now
        for account in self._load.accounts:
            when = began + random.random() * seconds
            for usage in random.choice(((True,), (False,), (True, False), (False, True))):
                self._send_at(when, self._opening(account, usage=usage))
                when += random.random() * _LONGEST_BETWEEN_SECONDS
        busy = random.choice((20, 60, 150))
        for number in range(busy):
            draw = self._load.usage if number % _USAGE_OF_A_COMMAND else self._load.command
            self._send_at(began + random.random() * seconds, draw)
        self._answer_refills()

    def touch_all(self) -> None:
        """A good event of every account within a second, and commands between.

        Memory that differs from the log shows in absolute rows.
        """
        random, now = self._random, self._scheduler.now
        for account in self._load.accounts:
            self._send_at(now + random.random(), self._opening(account, usage=True))
            self._send_at(now + random.random(), self._load.command)

    def touch_partitions(self) -> None:
        """A good event in every partition that has accounts."""
        for account in {self._load.partition_of(account): account for account in self._load.accounts}.values():
            self._send_at(self._scheduler.now, self._opening(account, usage=True))

    def publish_card(self, ahead_seconds: float) -> None:
        """A rate card with other prices, in force so much later."""
        self._cards += 1
        self.effective_at = self.now + ahead_seconds
        # Two at one time, the second of which would be refused before it is published.
        while moment(self.effective_at) in map(moment, self._load.cards_in_force):
            self.effective_at += 0.001
        self._load.cards_in_force.append(self.effective_at)
        version = f"v{self._cards}"
        log = self._cluster.log(self._names.rate_cards, 0)
        for line, dearer in _LINES:
            value = rate_card(line, version, self.effective_at, self._cards * dearer)
            log.append(f"{line}/{version}".encode(), value, [], self._cluster.now_ms)

    def send_together(self, count: int) -> Callable[[Fate], None]:
        """Usage, commands or both in a transaction of their own; what is returned ends it."""
        self._transactions += 1
        name = f"upstream-{self._transactions}"
        touched: list[FakeLog] = []
        draws = self._random.choice(
            ((self._load.usage,), (self._load.command,), (self._load.usage, self._load.command))
        )
        if self._scheduler.now >= self._cluster.down_until:
            for _ in range(count):
                sent = self._random.choice(draws)(self.now)
                log = self._log(sent)
                if self._scheduler.now >= log.away_until:
                    self._append(sent, name)
                    touched += [] if log in touched else [log]

        def finish(fate: Fate) -> None:
            for log in touched:
                self._scheduler.at(log.away_until, functools.partial(mark, log, fate))

        def mark(log: FakeLog, fate: Fate) -> None:
            if self._scheduler.now < log.away_until:
                self._scheduler.at(log.away_until, functools.partial(mark, log, fate))
            else:
                log.finish(name, fate, self._cluster.now_ms)

        return finish

    def _answer_refills(self) -> None:
        """The payment service reads what is asked of it, and answers most of it; some of it twice."""
        for log in self._cluster.topics[self._names.refill_requests]:
            first = self._answered.get(log.partition, 0)
            self._answered[log.partition] = log.stable
            for entry in log.entries[first : log.stable]:
                if entry.fate is Fate.COMMITTED and entry.value is not None:
                    self._answer(json.loads(entry.value))
        self._scheduler.after(_ANSWERS_SECONDS, self._answer_refills)

    def _answer(self, asked: dict[str, Any]) -> None:
        account, request = asked["subject"], asked["data"]["request"]
        self._asked[request] += 1
        if self._asked[request] > _MOST_ANSWERED:
            return
        for _ in range(self._random.choice((0, 1, 1, 1, 1, 2))):
            when = self._scheduler.now + self._random.random() * _LONGEST_BETWEEN_SECONDS
            self._send_at(when, lambda now: self._load.answer(now, account, request))

    def _opening(self, account: str, *, usage: bool) -> Callable[[float], Sent]:
        return lambda now: self._load.opening(now, account, usage=usage)

    def _send_at(self, when: float, draw: Callable[[float], Sent]) -> None:
        """Half of them at tenths of a second, at which credits begin and end, too."""
        if self._random.random() < 0.5:
            when = math.ceil(when * 10) / 10 + WITHIN_MILLISECOND

        def send() -> None:
            if self._scheduler.now < self._cluster.down_until:
                self._scheduler.at(self._cluster.down_until, send)
            else:
                self._append_when_led(draw(self.now))

        self._scheduler.at(when, send)

    def _append_when_led(self, sent: Sent) -> None:
        away_until = self._log(sent).away_until
        if self._scheduler.now < away_until:
            self._scheduler.at(away_until, lambda: self._append_when_led(sent))
        else:
            self._append(sent)

    def _append(self, sent: Sent, transaction: str | None = None) -> None:
        offset = self._log(sent).append(sent.key, sent.value, [], self._cluster.now_ms, transaction)
        self._load.placed(sent, offset)

    def _log(self, sent: Sent) -> FakeLog:
        topic = self._names.usage_events if sent.usage else self._names.commands
        return self._cluster.log(topic, sent.partition)
