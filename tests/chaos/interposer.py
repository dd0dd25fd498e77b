"""A library loaded before libc into the processes of a fault: their clock jumps, their disk is full, when told to."""

import mmap
import os
import shutil
import struct
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).with_name("interposer.c")
_BUILD_SECONDS = 60
_CLOCK, _DISK = 0, 8
_NS_PER_SECOND = 1_000_000_000
_PRELOAD = "LD_PRELOAD"


class NoCompilerError(Exception):
    """The fault cannot be made here."""


class Interposer:
    """What the processes that were started with it believe."""

    def __init__(self, control: mmap.mmap) -> None:
        self._control = control

    def shift_clock(self, seconds: float) -> None:
        """Set the wall clock of all of them off by so much, at once."""
        struct.pack_into("q", self._control, _CLOCK, round(seconds * _NS_PER_SECOND))

    def fill_disk(self, *, full: bool) -> None:
        """Let every write to ClickHouse's files fail for want of space, or no longer."""
        struct.pack_into("q", self._control, _DISK, int(full))


@contextmanager
def interposed(folder: Path, full_folder: Path) -> Iterator[Interposer]:
    """Whatever is started meanwhile is under the interposer's hand; `full_folder` is what may be full."""
    library, control_file = folder / "interposer.so", folder / "interposer.control"
    _build(library)
    control_file.write_bytes(bytes(_DISK + 8))
    names = {
        _PRELOAD: str(library),
        "CHAOS_CONTROL_FILE": str(control_file),
        "CHAOS_FULL_FOLDER": f"{full_folder.resolve()}{os.sep}",
    }
    with control_file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as control:
        os.environ.update(names)
        try:
            yield Interposer(control)
        finally:
            for name in names:
                os.environ.pop(name, None)


def _build(library: Path) -> None:
    compiler = os.environ.get("CC") or (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        compiler = "cc"
    if shutil.which(compiler) is None:
        raise NoCompilerError("clocks and disks are bent by a small library: install a C compiler (cc), and run again")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    if built.returncode:
        raise NoCompilerError(f"{' '.join(command)} failed: {built.stderr.strip()[-1000:]}")
