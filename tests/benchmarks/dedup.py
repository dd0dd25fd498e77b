"""What the dedup window costs: bytes an id at its peak, and microseconds of CPU an event, as ids fill up and expire.

`python -m tests.benchmarks.dedup [millions of ids …]` (1 and 10 by default; 50 takes 2 GB and a few minutes).
"""

import resource
import sys
from pathlib import Path
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from stream.rules.dedup import DedupWindow
from stream.rules.identity import contents, identities
from tests.unit.charge_rows import charge_row

_BATCH = 5_000
_CALLS = 40
_WINDOW_MS = 24 * 3_600_000
_START_MS = 1_760_000_000_000


def main(millions: list[int]) -> None:
    """Prints one line for each size."""
    _print_hashing()
    for million in millions:
        _print_window(million * 1_000_000)


def _print_hashing() -> None:
    rows = [
        charge_row(
            source="agent-runtime/eu-1",
            event_id=f"0198c0de-7a1e-7000-8000-{number:012d}",
            conversation="conversation-19827389",
            past_hour_us=number,
        )
        for number in range(100_000)
    ]
    started = thread_time()
    identities(rows)
    contents(rows)
    print(f"identity and content: {(thread_time() - started) * 10:.2f} µs an event")


def _print_window(rows: int) -> None:
    draw = np.random.default_rng(7)
    before_bytes = _resident_bytes()
    window = DedupWindow(_WINDOW_MS, 1 << 40)
    step_ms = max(1, _WINDOW_MS * _BATCH // rows)
    peak_bytes, slowest, admitting, now_ms = 0, 0.0, 0.0, _START_MS
    # Twice the window: in its second half as many ids expire as come.
    for number in range(2 * rows // _BATCH):
        identities, contents = _ids(draw, _BATCH)
        now_ms += step_ms
        took = _timed(window, identities, contents, now_ms)
        admitting, slowest = admitting + took, max(slowest, took)
        peak_bytes = max(peak_bytes, _resident_bytes() - before_bytes)
        if number % 5 == 0:
            window.drain_new()
    window.drain_new()
    last = [_ids(draw, _BATCH) for _ in range(_CALLS)]
    fresh = [_timed(window, *ids, now_ms) for ids in last]
    copies = [_timed(window, *ids, now_ms) for ids in last]
    small = {few: [_timed(window, *_ids(draw, few), now_ms) for _ in range(_CALLS)] for few in (1, 10, 50, 500)}
    window.drain_new()
    print(
        f"{rows / 1e6:.0f} M ids in the window: {peak_bytes / rows:.1f} bytes an id resident at the peak, "
        f"{window.memory_bytes / len(window):.1f} accounted; {admitting / (2 * rows) * 1e6:.2f} µs an event over all, "
        f"slowest batch {slowest * 1e3:.0f} ms; full: {np.mean(fresh) / _BATCH * 1e6:.2f} µs a new event, "
        f"{np.mean(copies) / _BATCH * 1e6:.2f} a duplicate; "
        + ", ".join(f"{few} rows {np.median(times) * 1e6:.0f} µs" for few, times in small.items())
    )
    del fresh, copies, last
    _print_restore(window, rows)


def _print_restore(window: DedupWindow, rows: int) -> None:
    arrays = window.snapshot()
    started = thread_time()
    DedupWindow.from_snapshot(arrays, _WINDOW_MS, 1 << 40)
    snapshot_seconds = thread_time() - started
    draw = np.random.default_rng(8)
    log = _log(draw, min(rows, 10_000_000))
    restored = DedupWindow(_WINDOW_MS, 1 << 40)
    started = thread_time()
    for packed in log:
        restored.restore(packed)
    restored.finish_restore()
    seconds = thread_time() - started
    print(
        f"  restore of {len(restored) / 1e6:.0f} M ids: {len(restored) / seconds / 1e6:.1f} M ids/s from the log, "
        f"{len(window) / snapshot_seconds / 1e6:.1f} M ids/s from a snapshot in memory"
    )


def _log(draw: np.random.Generator, rows: int) -> list[bytes]:
    """The log of that many ids, a record of 18,000 ids each."""
    source = DedupWindow(_WINDOW_MS, 1 << 40)
    log = []
    for _ in range(rows // 18_000):
        identities, contents = _ids(draw, 18_000)
        source.admit(identities, contents, _START_MS)
        log.append(source.drain_new())
    return log


def _ids(draw: np.random.Generator, rows: int) -> tuple[bytes, list[int]]:
    return draw.bytes(16 * rows), draw.integers(0, 2**63, rows).tolist()


def _timed(window: DedupWindow, identities: bytes, contents: list[int] | NDArray[np.uint64], now_ms: int) -> float:
    started = thread_time()
    window.admit(identities, contents, now_ms)
    return thread_time() - started


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 10])
