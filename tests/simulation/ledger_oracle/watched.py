"""What is watched about an account: levels of Remaining, usage behind a closed gate, refills."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tests.simulation.ledger_oracle.records import RefillPolicy, Threshold


@dataclass
class Level:
    """A threshold with its state: fired until Remaining comes back above it."""

    threshold: Threshold
    arming: int
    has_fired: bool = False
    is_new: bool = False


@dataclass
class RefillRequest:
    """One refill that was asked for; the month of its payment counts it towards the caps."""

    id: str
    amount: int
    asked_at: datetime
    next_ask_at: datetime
    retry_after: timedelta
    state: Literal["open", "paid", "declined"] = "open"
    paid_at: datetime | None = None
    attempts: int = 1


@dataclass
class Refill:
    """The state machine: idle, requested, waiting or suspended."""

    policy: RefillPolicy | None = None
    state: Literal["idle", "requested", "waiting", "suspended"] = "idle"
    requests: list[RefillRequest] = field(default_factory=list)
    declines: int = 0
    wait_until: datetime | None = None
    capped_until: datetime | None = None


@dataclass
class Closed:
    """Usage that came while the gate was closed already."""

    events: int = 0
    credits: int = 0
