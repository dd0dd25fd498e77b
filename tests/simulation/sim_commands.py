"""What commands say: every kind that the ledger carries out, with terms that make its timers fire within a schedule."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.sim_scheduler import BEGAN_SECONDS

Data = dict[str, object]

PRO_LINE = "pro"
WITHIN_MILLISECOND = 0.0004
"""Added to a tenth of a second, so that no rounding makes it the millisecond before."""
_SOON_SECONDS = (0.5, 3.0, 8.0, 1_200.0, 7_200.0, 172_800.0)
_MIDNIGHT_SECONDS = 43_200.0
_OVERAGES: tuple[Data, ...] = (
    {},
    {"mode": "carried"},
    {"mode": "carried", "limit_credits": "40"},
    {"mode": "billed", "price_minor": "1.5"},
    {"mode": "billed", "price_minor": "2.25", "limit_credits": "60"},
)


class Commands:
    """Draws what commands say of accounts; it remembers the names that they may name again."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._number = 0
        self._grants: defaultdict[str, list[str]] = defaultdict(list)
        self._kinds: tuple[tuple[Callable[[float, str], Data], int], ...] = (
            (self.grant, 6),
            (self._top_up, 6),
            (self._void_grant, 3),
            (self._adjust, 3),
            (self.activate, 4),
            (self._change, 2),
            (self._cancel, 2),
            (self._renew, 2),
            (self.policy, 4),
        )

    def data(self, now: float, account: str) -> Data:
        """Of any kind but answers to refill requests, which come from those who are asked."""
        draws, weights = zip(*self._kinds, strict=True)
        draw: Callable[[float, str], Data] = self._random.choices(draws, weights)[0]
        return draw(now, account)

    def opening(self, now: float, account: str) -> Data:
        """What an account may begin with."""
        draw = self._random.choice((self.grant, self.grant, self._top_up, self.activate, self.policy))
        return draw(now, account)

    def grant(self, now: float, account: str) -> Data:
        """Credits, some of them for a short time, or from a later time on."""
        return {"kind": "grant", "grant": self._name(account), "credits": self._credits(200), **self._terms(now)}

    def activate(self, _: float, __: str) -> Data:
        """A plan with any terms."""
        return {"kind": "activate_plan", "plan": self._plan(), "overage": self._random.choice(("keep", "waive"))}

    def policy(self, _: float, __: str) -> Data:
        """Thresholds, refills, mode: each may stay as it is."""
        random = self._random
        said: Data = {}
        if random.random() < 0.5:
            levels = random.sample((*({"percent": each} for each in (5, 20, 50, 80)), *_LEVELS), random.randint(0, 3))
            said["thresholds"] = levels
        if random.random() < 0.6:
            said["refill"] = self._refill() if random.random() < 0.8 else "off"
        if random.random() < 0.4 or not said:
            said["mode"] = random.choice(("observe", "enforce"))
            if said["mode"] == "enforce" and random.random() < 0.9:
                said["overage"] = random.choice(("keep", "waive"))
        return {"kind": "set_policy", **said}

    def answer(self, request: str) -> Data:
        """What the payment service says of a refill: most often that it was paid."""
        self._number += 1
        if self._random.random() < 0.3:
            declined: Data = {"kind": "refill_declined", "request": request}
            return declined if self._random.random() < 0.7 else {**declined, "retry": False}
        return {"kind": "refill_paid", "request": request, "payment": self._payment()}

    def correction(self, event: Data, cards: list[int]) -> Data:
        """An event is voided, wholly or in part, or priced by a card; now and then it is named wrongly."""
        random = self._random
        if random.random() < 0.1:
            event = {**event, random.choice(("offset", "partition")): random.randint(0, 3)}
        if random.random() < 0.5:
            return {"kind": "reprice", "event": event, "rate_card": f"v{random.choice(cards)}"}
        part = {} if random.random() < 0.6 else {"credits": self._credits(4)}
        return {"kind": "void_event", "event": event, **part}

    def _top_up(self, now: float, account: str) -> Data:
        return {**self.grant(now, account), "kind": "top_up", "payment": self._payment()}

    def _void_grant(self, _: float, account: str) -> Data:
        random = self._random
        names = [f"free:{account}", *self._grants[account]]
        said: Data = {"kind": "void_grant", "grant": random.choice(names)}
        chance = random.random()
        if chance < 0.3:
            return said | {"credits": self._credits(50)}
        return said | {"spent": random.choice(("owe", "keep"))} if chance < 0.7 else said

    def _adjust(self, _: float, account: str) -> Data:
        sign = self._random.choice(("", "-"))
        adjusted = {"adjustment": self._name(account), "credits": sign + self._credits(100)}
        return {"kind": "adjust", **adjusted, "reason": "put right", "actor": "mia"}

    def _change(self, _: float, __: str) -> Data:
        return {"kind": "change_plan", "plan": self._plan(), "at": self._random.choice(("once", "period_end"))}

    def _cancel(self, _: float, __: str) -> Data:
        return {"kind": "cancel_plan", "at": self._random.choice(("once", "period_end"))}

    def _renew(self, now: float, _: str) -> Data:
        days = self._random.choice((-22, -1, 0, 0, 1, 9, 30))
        day = datetime.fromtimestamp(BEGAN_SECONDS + now, UTC) + timedelta(days=days)
        return {"kind": "renew", "period": day.date().isoformat()}

    def _plan(self) -> Data:
        random = self._random
        overage = random.choice(_OVERAGES)
        plan: Data = {
            "plan": f"plan-{random.randint(1, 4)}",
            "included_credits": random.choice(("0", "30", "100", "100.000001", "300")),
            "anchor_day": random.choice((1, 22, 23, 23, 24, 31)),
            "renews": random.choice(("by_clock", "by_clock", "on_payment")),
            "currency": "EUR",
        }
        if overage:
            plan["overage"] = overage
        if random.random() < 0.5:
            plan["rollover"] = {"cap_credits": random.choice(("20", "500")), "periods": random.randint(1, 2)}
        if random.random() < 0.3:
            plan["rate_card_line"] = PRO_LINE
        return plan

    def _refill(self) -> Data:
        random = self._random
        refill: Data = {"below_credits": random.choice(("20", "100", "450")), "credits": random.choice(("50", "130.5"))}
        if random.random() < 0.4:
            refill |= {"most_credits": random.choice(("150", "400"))}
        if random.random() < 0.4:
            refill |= {"most_requests": random.randint(1, 3)}
        return refill

    def _terms(self, now: float) -> Data:
        random, said = self._random, {}
        begins = now
        if random.random() < 0.2:
            begins = self._soon(begins)
            said["effective_at"] = moment(begins)
        if random.random() < 0.4:
            said["expires_at"] = moment(self._soon(begins))
        return {**said, "priority": random.randint(0, 100)} if random.random() < 0.3 else dict(said)

    def _soon(self, now: float) -> float:
        """At a tenth of a second, or at the midnight at which some periods end."""
        random = self._random
        if random.random() < 0.2 and now < _MIDNIGHT_SECONDS:
            return _MIDNIGHT_SECONDS + WITHIN_MILLISECOND
        return round(now + random.choice(_SOON_SECONDS) * random.random() + 0.2, 1) + WITHIN_MILLISECOND

    def _payment(self) -> Data:
        return {"reference": f"payment-{self._number}", "amount_minor": 500, "currency": "EUR"}

    def _name(self, account: str) -> str:
        self._number += 1
        name = f"grant-{self._number}"
        self._grants[account].append(name)
        return name

    def _credits(self, most: int) -> str:
        whole = str(self._random.randint(1, most))
        return f"{whole}.000001" if self._random.random() < 0.2 else whole


_LEVELS: tuple[Data, ...] = ({"credits": "10"}, {"credits": "100"}, {"credits": "499"})


def moment(now: float) -> str:
    """RFC 3339, of virtual seconds since the simulation's beginning."""
    began = datetime.fromtimestamp(BEGAN_SECONDS, UTC)
    return (began + timedelta(milliseconds=int(now * 1_000))).isoformat()
