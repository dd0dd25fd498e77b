"""A fault: what breaks, and what takes part."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from tests.chaos.stage import Stage


class Fault(Struct, frozen=True, kw_only=True):
    """`breaks` acts on a running system under load, and says when its fault is over; recovery is then awaited."""

    name: str
    about: str
    breaks: "Callable[[Stage], None]"
    workers: int = 2
    sink: bool = False
    load: dict[str, Any] = {}
    """Changes of the workload's settings."""
    rate: int = 1_500
    """Events a second while the fault lasts."""
    events: int = 60_000
    """At least so many events in a full run."""
    within_seconds: float | None = None
    """The longest recovery that is promised."""
    worker_module: str = "stream"
    interposed: bool = False
    """Its processes run under the interposer: their clocks can be set."""
    session_seconds: int = 6
