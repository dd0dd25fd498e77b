"""What the story's agents use: drawn from a seed, reported by the SDK as a runtime would."""

import random
from datetime import datetime, timedelta

from deploy.local.errors import LocalStackError
from producers import DeliveryError, UsageReporter

SOURCE = "runtime/demo"
_NODES = {
    "llm_prompt": (500, 6_000),
    "llm_completion": (200, 2_500),
    "search": (1, 5),
    "code": (5, 120),
    "image": (1, 3),
}
_AGENTS = {"support": "widget", "sales": "whatsapp", "research": "api"}
_FLUSH_SECONDS = 30.0


class StoryUsage:
    """Events numbered in each account, `apart` from each other since `begins_at`; the same for the same seed."""

    def __init__(self, bootstrap_servers: str, *, seed: int, begins_at: datetime, apart: timedelta) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._chance = random.Random(seed)  # noqa: S311  a story, no secret
        self._begins_at = begins_at
        self._apart = apart
        self._reported: dict[str, int] = {}

    def report(self, account: str, events: int) -> None:
        """Returns once Kafka has them all; LocalStackError if it does not take one."""
        failed: list[DeliveryError] = []
        with UsageReporter(
            bootstrap_servers=self._bootstrap_servers, source=SOURCE, on_error=failed.append
        ) as reporter:
            for _ in range(events):
                self._report_one(reporter, account)
            waiting = reporter.flush(_FLUSH_SECONDS)
        if failed or waiting:
            reason = failed[0] if failed else f"Kafka did not take {waiting} events within {_FLUSH_SECONDS:.0f} s"
            raise LocalStackError(str(reason))

    def _report_one(self, reporter: UsageReporter, account: str) -> None:
        number = self._reported[account] = self._reported.get(account, 0) + 1
        agent = self._chance.choice(list(_AGENTS))
        node = self._chance.choice(list(_NODES))
        reporter.report(
            account=account,
            agent=agent,
            conversation=f"{agent}-{self._chance.randrange(8)}",
            channel=_AGENTS[agent],
            node=node,
            quantity=self._chance.randint(*_NODES[node]),
            occurred_at=self._begins_at + self._apart * number,
            id=event_id(account, number),
        )


def event_id(account: str, number: int) -> str:
    """Of the account's event of that number."""
    return f"{account}-{number:03d}"
