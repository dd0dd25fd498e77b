"""The main job on real input: a trace of LLM requests, and a story of plans and purchases, through the whole system."""

import os
import shutil
import signal
import textwrap
import time
from pathlib import Path

from deploy.local.demo_ledger import print_ledger
from deploy.local.demo_processes import ROOT, DemoProcesses
from deploy.local.demo_progress import DATABASE, Counter, Counts, Display
from deploy.local.demo_report import print_report
from deploy.local.demo_story import ACME, Story, Told
from deploy.local.demo_tables import indented
from deploy.local.errors import LocalStackError
from deploy.local.exclusive import AlreadyHeldError, exclusive
from deploy.local.stack import Endpoints, LocalStack
from schemas.topics import TopicNames

_PARTITIONS = 4
_SPREAD = "7d"
# The trace is spread over seven days: ids must be remembered, and usage accepted, for longer than that.
_DEDUP_WINDOW_HOURS = 192
_TOP_UPS = {"account-001": "25000", "account-002": "10000.5", "account-003": "0.000001"}
_TOP_UP = "demo-top-up"
_POLL_SECONDS = 0.5
_STALL_SECONDS = 90
_STORY_WIDTH = 110
_OURS = ("kafka", "clickhouse", "processes", "worker")


def run_demo(data: Path, *, once: bool, limit: int | None = None) -> int:
    """0 when all went well; with `once` 1 if any figure differs from the oracle's. `limit` shortens the trace."""
    data = data.resolve()
    try:
        with exclusive(data / ".demo.lock", wait=False):
            return _run_alone(data, once=once, limit=limit)
    except AlreadyHeldError:
        raise LocalStackError(f"another demo runs in {data}: end it, or choose another folder with --data.") from None


def _run_alone(data: Path, *, once: bool, limit: int | None) -> int:
    stack = LocalStack(data, owner_pid=os.getpid())
    stack.stop()
    for name in _OURS:
        shutil.rmtree(data / name, ignore_errors=True)
    folder = data / "processes"
    folder.mkdir(parents=True)
    processes: DemoProcesses | None = None
    try:
        _say("Starting Kafka and ClickHouse (the first time, 45 MB of jars are downloaded)")
        endpoints = stack.start()
        processes = DemoProcesses(folder, _settings(endpoints, data))
        return _run_on(endpoints, processes, data, once=once, limit=limit)
    finally:
        # A second Ctrl-C must not leave something behind: what is left ends with this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if processes is not None:
            processes.stop()
        stack.stop()
        _say("Everything that was started has ended")


def _run_on(endpoints: Endpoints, processes: DemoProcesses, data: Path, *, once: bool, limit: int | None) -> int:
    _say("Creating topics, publishing the rate card, making ClickHouse's tables")
    topics = ("stream", "create-topics", "--partitions", str(_PARTITIONS), "--replication", "1")
    processes.run_each([topics, ("sinks", "migrate")])
    processes.run("producers", "rate-card", "publish", *_rate_cards())
    _say("Starting the worker and the sink")
    worker_url = processes.start("worker", "stream", "worker", "--single-node")
    sink_url = processes.start("sink", "sinks", "worker")
    _say(f"Replaying the trace, spread over the last {_SPREAD}")
    shortened = [] if limit is None else ["--limit", str(limit)]
    processes.start("trace", "producers", "trace", "--spread", _SPREAD, "--quiet", *shortened, ends=True)
    told = _tell(endpoints, processes)
    counter = Counter(endpoints, _PARTITIONS, worker_url, told)
    try:
        _say("Waiting until ClickHouse has all of it")
        _wait(counter, processes, told)
        print_report(processes, counter.clickhouse)
        print_ledger(processes, counter.clickhouse, data)
    finally:
        counter.close()
    print(
        f"\n  worker      {worker_url}/metrics   {worker_url}/healthz   {worker_url}/readyz"
        f"\n  sink        {sink_url}/metrics   {sink_url}/healthz   {sink_url}/readyz"
        f"\n  ClickHouse  http://{endpoints.clickhouse_host}:{endpoints.clickhouse_port}"
        f"   database {DATABASE}, user {endpoints.clickhouse_user}, no password"
        f"\n  Kafka       {endpoints.bootstrap_servers}"
        f"\n  more        python -m stream explain --bootstrap-servers {endpoints.bootstrap_servers} --account {ACME}"
        f"\n              python -m stream forecast --bootstrap-servers {endpoints.bootstrap_servers} --most 10"
    )
    return _compare(processes) if once else _stay(processes)


def _settings(endpoints: Endpoints, data: Path) -> dict[str, str]:
    return {
        **endpoints.environment(),
        "CREDITSTREAM_CLICKHOUSE_DATABASE": DATABASE,
        "CREDITSTREAM_CLICKHOUSE_PASSWORD": "",
        "CREDITSTREAM_CLICKHOUSE_SECURE": "false",
        "CREDITSTREAM_TOPIC_PREFIX": "",
        "CREDITSTREAM_APP": TopicNames().app,
        "CREDITSTREAM_DATA_FOLDER": str(data / "worker"),
        "CREDITSTREAM_DEDUP_WINDOW_HOURS": str(_DEDUP_WINDOW_HOURS),
    }


def _rate_cards() -> list[str]:
    return [str(path) for path in sorted((ROOT / "deploy" / "rate-cards").glob("*.toml"))]


def _tell(endpoints: Endpoints, processes: DemoProcesses) -> Told:
    """Top-ups of the trace's accounts, and the story, while the trace is replayed."""
    bought = ("--grant", _TOP_UP, "--credits")
    processes.run_each(
        ("producers", "command", "top-up", "--account", account, *bought, amount)
        for account, amount in _TOP_UPS.items()
    )
    _say("Meanwhile, the story of two accounts: what `python -m producers command` sends, and -> what the worker tells")
    story = Story(
        processes,
        endpoints.bootstrap_servers,
        _PARTITIONS,
        say=_say_of_story,
    )
    told = story.tell()
    return Told((*told.lots, *((account, _TOP_UP) for account in _TOP_UPS)), told.alerts, told.refill_requests)


def _wait(counter: Counter, processes: DemoProcesses, told: Told) -> None:
    """Return once ClickHouse has all that was sent; LocalStackError when a process dies or nothing moves."""
    display = Display()
    seen: Counts | None = None
    moved_at = time.monotonic()
    while True:
        has_sent = processes.has_ended("trace")
        processes.require_alive()
        counts = counter.look()
        done = has_sent and counts.in_clickhouse.has_all(counts.sent, told)
        display.show(counts, last=done)
        if done:
            return
        if counts != seen:
            seen, moved_at = counts, time.monotonic()
        elif time.monotonic() - moved_at > _STALL_SECONDS:
            raise LocalStackError(f"nothing moved for {_STALL_SECONDS} s: {counts}\n{processes.logs()}")
        time.sleep(_POLL_SECONDS)


def _compare(processes: DemoProcesses) -> int:
    _say("Comparing every balance, lot, entry, alert, refill, rollup and charge with an independent oracle")
    code, said = processes.run_any("tests.simulation.oracle")
    print(said, end="")
    return 0 if code == 0 else 1


def _stay(processes: DemoProcesses) -> int:
    _say("All is running. Ctrl-C ends it")
    try:
        while True:
            time.sleep(_POLL_SECONDS)
            processes.require_alive()
    except KeyboardInterrupt:
        return 0


def _say_of_story(line: str) -> None:
    folded = textwrap.fill(
        line, _STORY_WIDTH, break_on_hyphens=False, break_long_words=False, subsequent_indent=" " * 10
    )
    print(indented(folded), flush=True)


def _say(text: str) -> None:
    print(f"{text} …" if not text.startswith(("All", "Everything")) else f"\n{text}.", flush=True)
