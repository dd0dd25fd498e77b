"""A library loaded before libc into the processes of a fault: their wall clock jumps when told to."""

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).with_name("interposer.c")
_BUILD_SECONDS = 60
_OFFSET_BYTES = 8
_NS_PER_SECOND = 1_000_000_000


class NoCompilerError(Exception):
    """The fault cannot be made here."""


class Interposer:
    """What the processes that were started with it take the time to be."""

    def __init__(self, control: mmap.mmap) -> None:
        self._control = control

    def shift_clock(self, seconds: float) -> None:
        """Set the wall clock of all of them off by so much, at once."""
        struct.pack_into("q", self._control, 0, round(seconds * _NS_PER_SECOND))


@contextmanager
def interposed(folder: Path) -> Iterator[Interposer]:
    """Whatever is started meanwhile is under the interposer's hand; ClickHouse's engine binds past it."""
    library, control_file = folder / "interposer.so", folder / "interposer.control"
    _build(library)
    control_file.write_bytes(bytes(_OFFSET_BYTES))
    names = {"LD_PRELOAD": str(library), "CHAOS_CONTROL_FILE": str(control_file)}
    with control_file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as control:
        os.environ.update(names)
        try:
            yield Interposer(control)
        finally:
            for name in names:
                os.environ.pop(name, None)


def _build(library: Path) -> None:
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise NoCompilerError(f"clocks are bent by a small library: install a C compiler, {compiler}, and run again")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    if built.returncode:
        raise NoCompilerError(f"{' '.join(command)} failed: {built.stderr.strip()[-1000:]}")
