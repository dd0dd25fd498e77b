"""`python -m producers trace`: replays a real trace of LLM requests as usage events."""

import argparse
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from producers.failures import DeliveryError
from producers.pace import Pace, Progress
from producers.reporter import UsageReporter
from producers.trace import TraceEvent, TraceReplay, trace_events
from producers.trace_file import SHIPPED_TRACE, TraceFileError, read_trace
from schemas.settings import KafkaSettings

DESCRIPTION = """\
Replays a trace of LLM requests. Each becomes a prompt-token event (node llm_prompt), a generated-token event
(llm_completion) and a message event (message). Times and token counts are those of the trace, moved to now or
stretched, keeping their proportions; account, agent, conversation and channel are not in it, and are assigned
from --seed."""
EXAMPLES = """\
examples:
  python -m producers trace --live --speed 10        ten times as fast as it happened, times are now
  python -m producers trace --spread 7d              at once, times stretched over the last seven days
  python -m producers trace AzureLLMInferenceTrace_conv.csv --spread 12h --limit 500
  python -m producers trace --spread 7d --run a --until 2026-07-01T00:00:00Z     the same events every time"""
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SECONDS_TO_DELIVER = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `trace`."""
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_TRACE, help="default: the shipped trace")
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--live", action="store_true", help="times are now, as the events are sent")
    when.add_argument("--spread", type=_duration, metavar="7d", help="times stretched over so long, ending now")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--speed", type=_speed, help="times as fast as it happened (with --live: 1)")
    how.add_argument("--flat-out", action="store_true", help="as fast as Kafka takes it (with --spread: default)")
    parser.add_argument("--seed", type=int, default=1, help="assigns who made each request (default: 1)")
    parser.add_argument("--accounts", type=int, default=40, help="how many accounts (default: 40)")
    parser.add_argument("--agents", type=int, default=4, help="how many agents an account has (default: 4)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N requests")
    parser.add_argument("--run", help="part of every event's id (default: this moment), so that runs differ")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="what is now (RFC 3339, with a zone)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """Replays the trace; 1 if the file or an event's delivery failed."""
    try:
        requests = read_trace(arguments.file, arguments.limit)
        speed = None if arguments.flat_out else arguments.speed or (1.0 if arguments.live else None)
        now = arguments.until or datetime.now(UTC)
        replay = _replay(arguments, now, timedelta(milliseconds=requests[-1].offset_ms), speed)
        events = list(trace_events(requests, replay))
    except (TraceFileError, ValueError) as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    return _send(events, speed, settings, quiet=arguments.quiet)


def _replay(arguments: argparse.Namespace, now: datetime, length: timedelta, speed: float | None) -> TraceReplay:
    lasts = arguments.spread if arguments.spread is not None else length / (speed or 1.0)
    # Live at some speed, an event happens when it is sent. Otherwise all of them happened before now.
    begins_at = now if arguments.live and speed else now - lasts
    return TraceReplay(
        run=arguments.run or f"{time.time_ns() // 1_000_000:x}",
        begins_at=begins_at,
        lasts=lasts,
        seed=arguments.seed,
        accounts=arguments.accounts,
        agents=arguments.agents,
    )


def _send(events: list[TraceEvent], speed: float | None, settings: KafkaSettings, *, quiet: bool) -> int:
    failed = 0

    def note(failure: DeliveryError) -> None:
        nonlocal failed
        if not failed:
            print(f"trace: {failure}", file=sys.stderr)
        failed += 1

    progress, pace = Progress("events sent", len(events), quiet=quiet), Pace()
    with UsageReporter(
        bootstrap_servers=settings.bootstrap_servers,
        kafka_config=settings.security,
        topic=settings.topics.usage_events,
        source="trace",
        on_error=note,
        delivery_timeout_seconds=_SECONDS_TO_DELIVER,
        close_timeout_seconds=1.0,
    ) as reporter:
        sent = 0
        for sent, event in enumerate(events, 1):
            if speed is not None:
                pace.until(event.offset_ms / 1000 / speed, lambda sent=sent: progress.show(sent))  # type: ignore[misc]
            progress.show(sent)
            _report(reporter, event)
        reporter.flush()
        progress.finish(sent - failed)
    if failed:
        print(f"trace: {failed} of {len(events)} events were not delivered", file=sys.stderr)
    return 1 if failed else 0


def _report(reporter: UsageReporter, event: TraceEvent) -> None:
    reporter.report(
        account=event.part.account,
        agent=event.part.agent,
        conversation=event.part.conversation,
        channel=event.part.channel,
        node=event.node,
        quantity=event.quantity,
        occurred_at=event.occurred_at,
        id=event.id,
    )


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([mhd])", text)
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write 90m, 12h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed: write a number above 0")
    return speed


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: write 2026-07-01T00:00:00Z") from None
    if moment.utcoffset() is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no zone: write 2026-07-01T00:00:00Z")
    return moment.astimezone(UTC)
