"""`python -m stream explain`: options in, entries and a verdict out."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from schemas.credits import format_credits
from schemas.partitioning import partition_of
from stream.admission import admitted
from stream.explain.asked import MOST_ENTRIES, Asked, Event
from stream.explain.explanation import Explanation, NotFoundError
from stream.explain.show import as_json, as_text, plain
from stream.reading_progress import ReadingProgress
from stream.settings import WorkerSettings
from stream.topic_reader import TopicReader, UnreadableTopicError

BROKEN = 3

EPILOG = """
Reads the account's entries of credits.ledger, oldest first, and shows of each what it moved, the balance after it, the
event or command that caused it, and where Kafka has that: topic/partition/offset. What an event used is shown as long
as credits.charges retains it. Times are those of the ledger's clock. --event shows an event's entries, the corrections
of it, what it costs now, and how to void it or price it anew. --json is an object a line, the last one a `summary`.

Exit codes: 0 done, 1 it failed, or there is no such account, entry or event, 2 a setting or an argument cannot be used,
3 the entries do not follow on from each other.

Examples:
  python -m stream explain --account acme
  python -m stream explain --account acme --sequence 100-200
  python -m stream explain --account acme --event runtime/eu-1 e-4711 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; the account must be said."""
    parser.add_argument("--account", required=True, help="whose entries")
    parser.add_argument("--event", nargs=2, metavar=("SOURCE", "ID"), help="only those of this usage event")
    parser.add_argument(
        "--sequence", type=_sequences, default=(1, MOST_ENTRIES), metavar="N|N-M", help="only this entry, or these"
    )
    parser.add_argument("--json", action="store_true", help="for programs: an object a line")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def explain(settings: WorkerSettings, options: Mapping[str, Any]) -> int:
    """The exit code."""
    event = None if options["event"] is None else Event(*options["event"])
    asked = Asked(options["account"], event, *options["sequence"])
    show = as_json if options["json"] else as_text
    admitted(settings.kafka)
    try:
        explanation = _explanation(settings, asked, quiet=options["quiet"])
        for explained in explanation:
            print(show(explained))
    except (NotFoundError, UnreadableTopicError) as error:
        print(error, file=sys.stderr)
        return 1
    print(_summary_json(explanation) if options["json"] else summary(asked, explanation))
    return BROKEN if explanation.chain.broken else 0


def _explanation(settings: WorkerSettings, asked: Asked, *, quiet: bool) -> Explanation:
    topics = settings.topics
    reader = TopicReader(settings.kafka, settings.inquiry_group)
    partition = partition_of(asked.account.encode(), reader.partitions(topics.ledger))
    # Charges first: entries that are booked in between have no charge here, rather than charges no entry.
    charges = reader.spans(topics.charges, [partition])
    ledger = reader.spans(topics.ledger, [partition])
    progress = ReadingProgress(ledger, "entries' records", quiet=quiet)
    return Explanation(
        asked,
        topics,
        partition,
        progress.watch(reader.read(ledger)),
        reader.read(charges),
        is_cut=any(span.is_cut for span in ledger),
    )


def summary(asked: Asked, explanation: Explanation) -> str:
    """What was read, whether it chains, and of an event how it is corrected."""
    chain = explanation.chain
    shown = f"{plain(asked.account)}: {explanation.found} shown of #{chain.first} to #{chain.last}"
    lines = [f"{shown}; balance after #{chain.last}: {format_credits(chain.balance_microcredits)} credits"]
    if chain.broken:
        lines.append(f"THE CHAIN IS BROKEN: {chain.broken}")
    else:
        since = "the account's first entry" if chain.first == 1 else f"#{chain.first}, the oldest that is retained"
        lines.append(f"the chain holds from {since}")
    if asked.event is not None and explanation.offset is not None:
        lines += _of_event(asked, explanation)
    return "\n".join(lines)


def _of_event(asked: Asked, explanation: Explanation) -> list[str]:
    assert asked.event is not None  # noqa: S101  asked for only with one
    place = {
        "--account": asked.account,
        "--event-source": asked.event.source,
        "--event-id": asked.event.id,
        "--partition": str(explanation.partition),
        "--offset": str(explanation.offset),
    }
    # A name that begins like an option is one only behind its own option's sign.
    given = ((f"{name}={value}",) if value.startswith("-") else (name, value) for name, value in place.items())
    words = shlex.join(word for pair in given for word in pair)
    charged, costs = format_credits(explanation.charged_microcredits), format_credits(explanation.cost_microcredits)
    told = f"the event was charged {charged} credits and costs {costs} now"
    if explanation.is_voided:
        return [told, "it was voided: no other void or price takes effect"]
    return [
        told,
        f"to refund it: python -m producers command void-event {words}",
        f"to price it anew: python -m producers command reprice {words} --rate-card VERSION",
    ]


def _summary_json(explanation: Explanation) -> str:
    chain = explanation.chain
    told: dict[str, object] = {
        "shown": explanation.found,
        "first_read": chain.first,
        "last_read": chain.last,
        "balance_credits": format_credits(chain.balance_microcredits),
        "chain": chain.broken or "holds",
    }
    if explanation.offset is not None:
        told["event"] = {
            "partition": explanation.partition,
            "offset": explanation.offset,
            "charged_credits": format_credits(explanation.charged_microcredits),
            "costs_credits": format_credits(explanation.cost_microcredits),
            "voided": explanation.is_voided,
        }
    return json.dumps({"summary": told})


def _sequences(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or not 1 <= int(first) <= int(last or first):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither an entry's number, such as 12, nor a range, such as 1-20"
        )
    return int(first), int(last or first)
