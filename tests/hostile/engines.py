"""What makes up hostile input: atheris, led by the code that an input reaches, or else chance alone.

Run in a process of its own, as atheris never returns: `python -m tests.hostile.engines KIND FOUND SEED INPUTS SECONDS`.
Exit code 77 when something was found, as libFuzzer has it. Nothing of ours is imported before atheris can watch it.
"""

import importlib.util
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import NamedTuple

FOUND_CODE = 77
LONGEST_BYTES = 16_384
_WATCHED = ("schemas", "sinks", "stream", "tests.simulation", "json")
_JSON_KINDS = ("usage", "command", "rate-card", "alerts", "refill-requests", "bills", "dead-letters")
_STALLED_SECONDS = 120
_MOST_MIB = 4_096


class Task(NamedTuple):
    """What to look at, where findings go, and when to stop: at so many inputs or seconds, 0 for no such end."""

    kind: str
    found: Path
    seed: int
    inputs: int
    seconds: int


def guided_is_possible() -> bool:
    """Whether atheris is installed: there are builds of it for Linux on x86-64."""
    return importlib.util.find_spec("atheris") is not None


def guided(task: Task) -> None:
    """Atheris: mutates what reached something new, of our Python; msgspec's C is a black box to it. Never returns."""
    import atheris

    with atheris.instrument_imports(include=list(_WATCHED)):
        from tests.hostile.judged import JUDGES
    from tests.hostile.corpus_files import FOLDER
    from tests.hostile.mutations import randomly_changed

    judge = JUDGES[task.kind]

    def mutate(value: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if task.kind in _JSON_KINDS and random.random() < 0.5:
            return randomly_changed(value, random)[:most]
        return bytes(atheris.Mutate(value, most))

    with tempfile.TemporaryDirectory(prefix="creditstream-fuzz-") as reached:
        options = [
            f"-artifact_prefix={task.found}/{task.kind}-",
            f"-max_len={LONGEST_BYTES}",
            f"-seed={task.seed}",
            # Small inputs are broken ones: nearly whole records reach further.
            "-reduce_inputs=0",
            f"-timeout={_STALLED_SECONDS}",
            # By the wall's clock: a machine that stood still meanwhile is no finding.
            f"-report_slow_units={_STALLED_SECONDS}",
            f"-rss_limit_mb={_MOST_MIB}",
            f"-max_total_time={task.seconds}",
            *([f"-runs={task.inputs}"] if task.inputs else []),
        ]
        atheris.Setup(["fuzz", *options, reached, str(FOLDER / task.kind)], judge, custom_mutator=mutate)
        atheris.Fuzz()


def unguided(task: Task) -> int:
    """Chance: kept records with other pieces in them."""
    from tests.hostile.corpus_files import kept
    from tests.hostile.judged import JUDGES
    from tests.hostile.mutations import randomly_changed

    random = Random(task.seed)
    records = [each.value for each in kept(task.kind)]
    until = time.monotonic() + task.seconds if task.seconds else float("inf")
    count = 0
    while (not task.inputs or count < task.inputs) and time.monotonic() < until:
        count += 1
        value = randomly_changed(random.choice(records), random)[:LONGEST_BYTES]
        try:
            JUDGES[task.kind](value)
        except Exception:
            traceback.print_exc()
            (task.found / f"{task.kind}-crash-{count}").write_bytes(value)
            return FOUND_CODE
    print(f"#{count} DONE")
    return 0


if __name__ == "__main__":
    kind, found, *numbers = sys.argv[1:]
    asked = Task(kind, Path(found), *map(int, numbers))
    if guided_is_possible():
        guided(asked)
    sys.exit(unguided(asked))
