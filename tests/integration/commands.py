"""Commands of the project run to their end, whatever their exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.processes import ROOT

_SECONDS = 180


def ended(settings: Mapping[str, object], module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS` with these settings and none of the caller's."""
    given = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSTREAM_")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**others, **given},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
