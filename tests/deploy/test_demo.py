"""The demo, on the beginning of the trace."""

import re
import subprocess
import sys
from pathlib import Path

from deploy.local.exclusive import exclusive

ROOT = Path(__file__).parents[2]
REQUESTS = 300
STORY_EVENTS = 371
SCREENS = (
    "acme, lot by lot as they burn",
    "globex, lot by lot as they burn",
    "acme, the plan's period",
    "acme, overage on the bill that is open",
    "acme, what was bought",
    "acme, what was asked for",
    "acme, who was told what",
    "acme, the newest entries",
    "globex, the newest entries",
    "acme, why the balance is what it is",
)


def demo(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", "demo", "--data", str(data), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
    )


def processes_of(data: Path) -> str:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if str(data) in line)


def test_the_demo_shows_right_figures_and_leaves_no_process_behind(tmp_path: Path) -> None:
    """Every figure in ClickHouse is the oracle's, of the trace and of the story; all is shown, and all has ended."""
    done = demo(tmp_path, "--once", "--limit", str(REQUESTS))
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert "no difference" in said
    charges = 3 * REQUESTS + STORY_EVENTS
    for table, count in {"charges": charges, "alerts": 8, "refills": 2}.items():
        assert f"{table}: expected {count}, in ClickHouse {count}\n" in said
    for title in ("Balances of the 3 busiest accounts", "by day", "by channel", "by agent", "by node", *SCREENS):
        assert title in said
    assert_the_story_was_told(said)
    assert len(re.findall(r"http://127\.0\.0\.1:\d+/metrics", said)) == 2
    assert processes_of(tmp_path) == ""


def assert_the_story_was_told(said: str) -> None:
    """Plan, policy, purchases and use led to these alerts and refills; the ledger has it all, and its chains hold."""
    told = re.findall(r"^  (acme|globex) +-> ([^:]+):", said, re.M)
    assert sorted(told) == [
        ("acme", "refill 1"),
        ("acme", "refill 2"),
        ("acme", "threshold 0"),
        ("acme", "threshold 20%"),
        ("acme", "threshold 20%"),
        ("acme", "threshold 50"),
        ("globex", "blocked"),
        ("globex", "threshold 0"),
        ("globex", "threshold 75"),
        ("globex", "unblocked"),
    ]
    # What was used: by the seed and the shipped rate card, whatever the day.
    assert re.search(r"^  team .* 1657\.8875 ", said, re.M)
    # An event of 6 credits was refunded, of which 0.0605 had been billed.
    assert re.search(r"^  open .* 28\.9245 ", said, re.M)
    assert len(re.findall(r"^ +\d+ +\S+ +\S+ \S+ +500 +paid ", said, re.M)) == 2
    assert re.search(r"^  acme: \d+ entries, the last hash is [0-9a-f]{64}$", said, re.M)
    assert re.search(r"^  \d+ entries of 1 account: every chain holds$", said, re.M)
    assert re.search(r"^  \d+ entries of \d+ accounts: every chain holds$", said, re.M)


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It would take the first one's data from under it."""
    with exclusive(tmp_path / ".demo.lock"):
        done = demo(tmp_path, "--once")
    assert done.returncode == 1
    assert "another demo runs" in done.stderr
