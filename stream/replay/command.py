"""`python -m stream replay`: options in, a summary out."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.dead_letter import Reason
from stream.admission import admitted
from stream.moments import parse_moment
from stream.replay.choice import Chosen
from stream.replay.feeder import ReplayFailedError
from stream.replay.files import BadFileError, read_charged, read_repairs, write_identities
from stream.replay.letters import LetterPlace
from stream.replay.run import Outcome, Replay
from stream.settings import WorkerSettings
from stream.topic_reader import UnreadableTopicError

_USAGE_ERROR = 2
_OF_THE_SINK = {Reason.REFUSED_BY_CLICKHOUSE, Reason.UNDECODABLE}

EPILOG = """
Feeds dead letters of usage back into usage.events, each once: events and the record of their replay are written in one
transaction, so that neither a second run nor a crash in the middle feeds one twice. What would be rejected again now is
left out and told: a node without a price, an event older than the horizon. An event keeps its source and id, by which
the worker books it once within the dedup window.

--repairs FILE has the events to send instead, a line each, named by where their dead letter is in usage.dead-letters:
  {"partition": 3, "offset": 42, "event": {"specversion": "1.0", "id": ...}}
Without other conditions a replay with repairs is of these dead letters alone.

An event that is given another time, or was refused for its age, may have been charged while the worker knew its id. It
is sent only once ClickHouse was asked:
  python -m stream replay --reason older_than_dedup_window --repairs repaired.jsonl --dry-run --identities ids.jsonl
  python -m sinks charged ids.jsonl --output charged.jsonl
  python -m stream replay --reason older_than_dedup_window --repairs repaired.jsonl --charged charged.jsonl

Exit codes: 0 done, 1 it failed, or an event must be looked up first, 2 a setting, an argument or a file cannot be used.

Examples:
  python -m stream replay --reason unknown_node --dry-run
  python -m stream replay --reason unknown_node --account acme --from 2026-11-21
  python -m stream replay --repairs repaired.jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; which dead letters are meant must be said."""
    reasons = sorted(reason.value for reason in Reason if reason not in _OF_THE_SINK)
    parser.add_argument(
        "--reason", action="append", choices=reasons, metavar="REASON", help="rejected for it; repeatable"
    )
    parser.add_argument("--account", help="of this account")
    parser.add_argument(
        "--from", dest="start", type=parse_moment, metavar="TIME", help="rejected on this day or time, or later"
    )
    parser.add_argument("--to", dest="end", type=parse_moment, metavar="TIME", help="rejected before this day or time")
    parser.add_argument(
        "--offset", action="append", type=_place, metavar="PARTITION/OFFSET", help="this dead letter; repeatable"
    )
    parser.add_argument("--all", action="store_true", help="every dead letter of usage")
    parser.add_argument("--repairs", type=Path, metavar="FILE", help="events to send instead")
    parser.add_argument("--charged", type=Path, metavar="FILE", help="what `python -m sinks charged` answered")
    parser.add_argument("--identities", type=Path, metavar="FILE", help="write here what it must be asked")
    parser.add_argument("--dry-run", action="store_true", help="say what would be replayed, and send nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def replay(settings: WorkerSettings, options: Mapping[str, Any]) -> int:
    """The exit code."""
    try:
        repairs = read_repairs(options["repairs"]) if options["repairs"] else {}
        charged = read_charged(options["charged"]) if options["charged"] else {}
        chosen = _chosen(options, repairs)
        admitted(settings.kafka)
        outcome = Replay(settings, chosen, repairs, charged, dry=options["dry_run"], quiet=options["quiet"]).run()
        if options["identities"]:
            written = write_identities(options["identities"], outcome.not_looked_up)
            print(f"{written} identities to look up are in {options['identities']}", file=sys.stderr)
    except BadFileError as error:
        print(error, file=sys.stderr)
        return _USAGE_ERROR
    except (ReplayFailedError, UnreadableTopicError) as error:
        print(error, file=sys.stderr)
        return 1
    return _summary(outcome, dry=options["dry_run"], topic=settings.topics.dead_letters)


def _chosen(options: Mapping[str, Any], repairs: Mapping[LetterPlace, bytes]) -> Chosen:
    chosen = Chosen(
        frozenset(options["reason"] or ()),
        options["account"] or "",
        options["start"],
        options["end"],
        frozenset(options["offset"] or ()),
    )
    if chosen == Chosen() and not options["all"]:
        if not repairs:
            raise BadFileError("say which: --reason, --account, --from, --to, --offset, --repairs, or --all")
        return chosen._replace(places=frozenset(repairs))
    return chosen


def _summary(outcome: Outcome, *, dry: bool, topic: str) -> int:
    by_reason = ", ".join(f"{reason} {count}" for reason, count in outcome.replayed.most_common())
    print(f"{'would replay' if dry else 'replayed'} {outcome.replayed.total()}{f': {by_reason}' if by_reason else ''}")
    if outcome.skipped:
        print(f"left out {outcome.skipped.total()}:")
        for why, count in outcome.skipped.most_common():
            print(f"  {count} {why}")
        for skip in outcome.told:
            print(f"  {topic}/{skip.place} {skip.why}{f': {skip.detail}' if skip.detail else ''}")
    for place in outcome.unknown_repairs:
        print(f"there is no dead letter {topic}/{place}, which --repairs names", file=sys.stderr)
    if outcome.not_looked_up:
        print(
            f"{len(outcome.not_looked_up)} must be looked up among ClickHouse's charges first: --help says how",
            file=sys.stderr,
        )
    return 1 if outcome.unknown_repairs or (outcome.not_looked_up and not dry) else 0


def _place(text: str) -> LetterPlace:
    partition, slash, offset = text.partition("/")
    if not (slash and partition.isdecimal() and offset.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not PARTITION/OFFSET, such as 3/42")
    return LetterPlace(int(partition), int(offset))
