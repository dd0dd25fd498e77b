"""The demo's own story of two accounts: plan, policy, purchases, usage, alerts, refills that are asked for and paid.

`acme` has a plan whose overage is billed, and refills by itself. `globex` has no plan: it begins with the free credits,
is blocked once they are gone, and owes what it used beyond them until it buys some.
"""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from deploy.local.demo_notices import Notices, title
from deploy.local.demo_processes import DemoProcesses
from deploy.local.demo_usage import SOURCE, StoryUsage, event_id
from schemas.notice_events import AlertData, NoticeEvent, RefillRequestData

ACME, GLOBEX = "acme", "globex"
ACCOUNTS = (ACME, GLOBEX)
_SEED = 7
_DAYS = 3
# With this seed and the shipped rate card: 1,228.985 and 434.9025 credits of acme, 391.294 and 208.7845 of globex.
_ACME_EVENTS = (191, 80)
_GLOBEX_EVENTS = (68, 32)
# The top-up pays for what is left of it, the rest is overage.
_SPLIT_EVENT = 186
_EVENTS = sum(_ACME_EVENTS) + sum(_GLOBEX_EVENTS)


class Told(Struct, frozen=True):
    """What the story did, by which it is known when ClickHouse has all of it."""

    lots: tuple[tuple[str, str], ...]
    """Account and lot of every grant that was given by command."""
    alerts: int
    refill_requests: int


class Story:
    """Sends the commands and the usage, and plays the payment service; `say` gets a line of everything that happens."""

    def __init__(
        self,
        processes: DemoProcesses,
        bootstrap_servers: str,
        partitions: int,
        *,
        say: Callable[[str], None],
    ) -> None:
        self._processes = processes
        self._say = say
        self._today = datetime.now(UTC)
        self._usage = StoryUsage(
            bootstrap_servers,
            seed=_SEED,
            begins_at=self._today - timedelta(days=_DAYS),
            apart=timedelta(days=_DAYS) / _EVENTS,
        )
        self._notices = Notices(bootstrap_servers, partitions, ACCOUNTS, processes, heard=self._heard, say=say)
        self._lots: list[tuple[str, str]] = []

    def tell(self) -> Told:
        """Returns once both accounts were told everything that the story leads to."""
        with self._notices:
            self._tell_acme()
            self._tell_globex()
            events = [event.data for event in self._notices.events.values()]
        refills = sum(isinstance(data, RefillRequestData) for data in events)
        return Told(tuple(self._lots), len(events) - refills, refills)

    def _tell_acme(self) -> None:
        self._activate_plan()
        self._top_up(ACME, "acme-top-up", credits="200", paid_minor="500", ends_in_days=365)
        refill = ("--refill-below", "100", "--refill-credits", "500", "--refill-most-requests", "8")
        self._command(ACME, "set-policy", "--threshold", "20%", "--threshold", "50", *refill)
        self._use(ACME, _ACME_EVENTS[0])
        # All of it was sent before anybody paid: the plan and the top-up are used up, and some overage is billed.
        *_, asked = self._notices.wait_for(ACME, "threshold 20%", "threshold 50", "threshold 0", "refill 1")
        self._pay(asked, "pay-acme-2")
        self._use(ACME, _ACME_EVENTS[1])
        *_, asked = self._notices.wait_for(ACME, "threshold 20%", "refill 2")
        self._pay(asked, "pay-acme-3")
        self._refund(ACME, event_id(ACME, _SPLIT_EVENT), "the answer was wrong")
        ends = ("--expires-at", self._day(30))
        self._grant(ACME, "acme-sorry", "grant", "--credits", "50", *ends, "--reason", "sorry for the outage")

    def _tell_globex(self) -> None:
        self._use(GLOBEX, _GLOBEX_EVENTS[0])
        self._command(GLOBEX, "set-policy", "--mode", "enforce", "--owed", "keep", "--threshold", "75")
        self._use(GLOBEX, _GLOBEX_EVENTS[1])
        self._notices.wait_for(GLOBEX, "threshold 75", "threshold 0", "blocked")
        self._top_up(GLOBEX, "globex-top-up", credits="400", paid_minor="900", ends_in_days=180)
        self._notices.wait_for(GLOBEX, "unblocked")

    def _activate_plan(self) -> None:
        # Periods begin on today's day, so that the first one has all of the credits.
        anchor = ("--anchor-day", str(self._today.day))
        terms = ("--plan", "team", "--included-credits", "1000", *anchor, "--rollover-cap", "250")
        overage = ("--overage", "billed", "--price-minor", "0.9", "--overage-limit", "500")
        money = ("--currency", "EUR", "--fee-minor", "2900")
        self._command(ACME, "activate-plan", *terms, *overage, *money, "--owed", "keep")

    def _top_up(self, account: str, grant: str, *, credits: str, paid_minor: str, ends_in_days: int) -> None:  # noqa: A002
        paid = ("--payment-reference", f"pay-{grant}", "--amount-minor", paid_minor, "--currency", "EUR")
        self._grant(account, grant, "top-up", "--credits", credits, "--expires-at", self._day(ends_in_days), *paid)

    def _grant(self, account: str, grant: str, kind: str, *options: str) -> None:
        self._command(account, kind, "--grant", grant, *options)
        self._lots.append((account, grant))

    def _pay(self, asked: NoticeEvent, reference: str) -> None:
        assert isinstance(asked.data, RefillRequestData)  # noqa: S101  it was waited for by its title
        request = asked.data.request
        paid = ("--payment-reference", reference, "--amount-minor", "1200", "--currency", "EUR")
        self._command(asked.subject, "refill-paid", "--request", request, *paid)
        self._lots.append((asked.subject, f"refill:{request}"))

    def _refund(self, account: str, event: str, reason: str) -> None:
        """`stream explain` says where Kafka has the event: that must be named."""
        explained = self._processes.run(
            "stream", "explain", "--account", account, "--event", SOURCE, event, "--json", "--quiet"
        )
        burned = json.loads(next(line for line in explained.splitlines() if line.startswith("{")))
        place = ("--partition", str(burned["partition"]), "--offset", str(burned["offset"]))
        named = ("--event-source", SOURCE, "--event-id", event, *place)
        self._command(account, "void-event", *named, "--reason", reason)

    def _command(self, account: str, kind: str, *options: str) -> None:
        self._say(f"{account:<7} {kind} {shlex.join(options)}")
        self._processes.run("producers", "command", kind, "--account", account, *options)

    def _use(self, account: str, events: int) -> None:
        self._say(f"{account:<7} reports {events} usage events")
        self._usage.report(account, events)

    def _heard(self, event: NoticeEvent) -> None:
        data = event.data
        if isinstance(data, RefillRequestData):
            self._say(f"{event.subject:<7} -> {title(event)}: asks for {data.credits} credits, request {data.request}")
        elif isinstance(data, AlertData):
            self._say(f"{event.subject:<7} -> {title(event)}: {data.remaining_credits} credits remain")

    def _day(self, days: int) -> str:
        return f"{(self._today + timedelta(days=days)).date()}T00:00:00Z"
