"""The demo, on the beginning of the trace."""

import re
import subprocess
import sys
from pathlib import Path

from deploy.local.exclusive import exclusive

ROOT = Path(__file__).parents[2]
REQUESTS = 300


def demo(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", "demo", "--data", str(data), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def processes_of(data: Path) -> str:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if str(data) in line)


def test_the_demo_shows_right_figures_and_leaves_no_process_behind(tmp_path: Path) -> None:
    """Every figure in ClickHouse is the oracle's, balances and the four tables are shown, and all has ended."""
    done = demo(tmp_path, "--once", "--limit", str(REQUESTS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference" in done.stdout
    assert f"charges: expected {3 * REQUESTS}, in ClickHouse {3 * REQUESTS}" in done.stdout
    for title in ("Balances of the 3 busiest accounts", "by day", "by channel", "by agent", "by node"):
        assert title in done.stdout
    assert len(re.findall(r"http://127\.0\.0\.1:\d+/metrics", done.stdout)) == 2
    assert processes_of(tmp_path) == ""


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It would take the first one's data from under it."""
    with exclusive(tmp_path / ".demo.lock"):
        done = demo(tmp_path, "--once")
    assert done.returncode == 1
    assert "another demo runs" in done.stderr
