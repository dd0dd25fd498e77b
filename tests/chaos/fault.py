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
    worker_module: str = "stream"
