"""Tells a ledger stories that a finance person can read.

A story is steps divided by `;`, each `TIME: WHAT`. TIME is like `30 Nov` (its midnight) or `30 Nov 17:05`, UTC, of
November 2026 and after; a step without one comes a minute after the one before. Amounts are credits.
"""

import re
from collections.abc import Callable

from schemas.credits import parse_credits
from schemas.ledger import verify_chain
from schemas.plan import Mode, RefillPolicy, Threshold
from stream.rules.ledger import commands
from stream.rules.ledger.corrections import ChargeNow, charge_of
from stream.rules.ledger.laws import broken_laws
from stream.rules.ledger.posting import Cause
from stream.rules.ledger.refill import request_id
from stream.rules.outcome import Reject
from tests.unit.ledger_charges import charged
from tests.unit.ledger_facts import ACME, Told
from tests.unit.ledger_words import after, day_after, instant, plan_of

MINUTE_MS = 60_000


class Story(Told):
    """One account, from a story's first step to its last; the laws are checked after every step."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._charges: dict[str, ChargeNow] = {}
        self._events = 0
        self._commands = 0
        for step in filter(None, (each.strip() for each in text.split(";"))):
            self._step(step)
        verify_chain(ACME, self.entries)

    def _step(self, step: str) -> None:
        timed = re.match(r"(\d+ [A-Z][a-z]{2}(?: \d+:\d+(?::\d+)?)?): ", step)
        self.now_ms = instant(timed[1]) if timed else self.now_ms + MINUTE_MS
        words = step[timed.end() if timed else 0 :].split()
        act: Callable[[list[str]], object] = getattr(self, f"_do_{words[0]}")
        self.ledger.advance(self.now_ms)
        answer = act(words[1:])
        if isinstance(answer, Reject):
            self.answers.append(answer.reason)
        drained = self.ledger.drain()
        self.ledger.version += 1
        self.entries += drained.entries
        self.notices += drained.notices
        book = self.ledger.book(ACME)
        assert book is None or broken_laws(book) == [], step

    def _command(self, command: commands.LedgerCommand) -> Reject | None:
        return self.ledger.command(ACME, command, self._cause(), self.now_ms)

    def _cause(self, card: str = "") -> Cause:
        self._commands += 1
        return Cause("command", "/billing", str(self._commands), self._commands, self.now_ms * 1_000, card)

    def _do_wait(self, _: list[str]) -> None:
        """Nothing but time passes."""

    def _do_behind(self, _: list[str]) -> None:
        self.ledger.catch_up(self.now_ms, caught_up=False)

    def _do_caught(self, _: list[str]) -> None:
        self.ledger.catch_up(self.now_ms, caught_up=True)

    def _do_charge(self, words: list[str]) -> Reject | None:
        """Charge 5 [x20] [of 30 Nov 23:50]: events are named e1, e2, …."""
        times = next((int(word[1:]) for word in words if word[0] == "x"), 1)
        occurred_ms = instant(" ".join(words[words.index("of") + 1 :])) if "of" in words else self.now_ms
        refused = None
        for _ in range(times):
            self._events += 1
            name = f"e{self._events}"
            before, cost = len(self.ledger.entries), parse_credits(words[0])
            refused = charged(
                self.ledger, ACME, cost, 1, "/runtime", name, self._events, "v1", occurred_ms * 1_000, self.now_ms
            )
            mine = [entry for entry in self.ledger.entries[before:] if entry.id == name]
            found = charge_of(mine)
            if found is not None:
                self._charges[name] = found
        return refused

    def _do_grant(self, words: list[str]) -> Reject | None:
        """Grant T 100 [KIND] [priority 5] [from 3 Nov] [until 5 Dec] [paid]."""
        kind = next((word for word in words if word in ("top_up", "promotional", "adjustment")), "promotional")
        return self._command(
            commands.Grant(
                words[0],
                parse_credits(words[1]),
                kind,  # type: ignore[arg-type]
                priority=int(after(words, "priority") or -1) if "priority" in words else None,
                effective_at_ms=day_after(words, "from"),
                expires_at_ms=day_after(words, "until"),
                payment="p" if "paid" in words else "",
            )
        )

    def _do_void(self, words: list[str]) -> Reject | None:
        spent = next((word for word in words if word in ("owe", "keep")), None)
        amount = next((parse_credits(word) for word in words[1:] if word[0].isdigit()), None)
        return self._command(commands.VoidGrant(words[0], spent, amount))  # type: ignore[arg-type]

    def _do_adjust(self, words: list[str]) -> Reject | None:
        return self._command(commands.Adjust(words[0], parse_credits(words[1]), "a mistake, by ann"))

    def _do_plan(self, words: list[str]) -> Reject | None:
        return self._command(commands.ActivatePlan(plan_of(words), "waive" if "waive" in words else "keep"))

    def _do_change(self, words: list[str]) -> Reject | None:
        return self._command(commands.ChangePlan(plan_of(words), "now" if "now" in words else "period_end"))

    def _do_cancel(self, words: list[str]) -> Reject | None:
        return self._command(commands.CancelPlan("now" if "now" in words else "period_end"))

    def _do_renew(self, words: list[str]) -> Reject | None:
        return self._command(commands.RenewPlan(instant(" ".join(words))))

    def _do_policy(self, words: list[str]) -> Reject | None:
        """Policy [alert 100] [alert 20%] [refill 100 below 50 [cap 300] [most 2]] [enforce] [waive]."""
        levels = [words[at + 1] for at, word in enumerate(words) if word == "alert"]
        asks = RefillPolicy(
            parse_credits(after(words, "below") or "0"),
            parse_credits(after(words, "refill") or "0"),
            parse_credits(after(words, "cap") or "-0.000001"),
            int(after(words, "most") or -1),
        )
        thresholds = tuple(
            Threshold(percent=int(level[:-1])) if level[-1] == "%" else Threshold(parse_credits(level))
            for level in levels
        )
        mode: Mode = "enforce" if "enforce" in words else "observe"
        overage: commands.Overage = "waive" if "waive" in words else "keep"
        return self._command(commands.SetPolicy(thresholds, asks if "refill" in words else "off", mode, overage))

    def _do_paid(self, words: list[str]) -> Reject | None:
        return self._command(commands.RefillPaid(request_id(ACME, int(words[0].lstrip("r"))), 900, "EUR", "p"))

    def _do_declined(self, words: list[str]) -> Reject | None:
        number = int(words[0].lstrip("r"))
        return self._command(commands.RefillDeclined(request_id(ACME, number), "final" not in words))

    def _do_refund(self, words: list[str]) -> bool | Reject:
        amount = parse_credits(words[1]) if len(words) > 1 else None
        found = self._charges.get(words[0])
        outcome = self.ledger.void_event(ACME, found, self._cause(), self.now_ms, amount)
        if outcome is False:
            self.answers.append("dropped")
        return outcome

    def _do_reprice(self, words: list[str]) -> bool | Reject:
        """Reprice e1 15 v2."""
        found = self._charges[words[0]]
        outcome = self.ledger.reprice(found, parse_credits(words[1]), self._cause(words[2]), self.now_ms)
        if outcome is False:
            self.answers.append("dropped")
        return outcome
