"""`python -m stream simulate`: a rate card and a time in, what usage cost and would have cost out."""

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from schemas.clickhouse_settings import ClickHouseSettings
from schemas.partitioning import partition_of
from schemas.rate_card_file import RateCardFileError, read_rate_card
from schemas.settings import BadSettingError, load_settings
from stream.admission import admitted
from stream.moments import parse_moment
from stream.reading_progress import ReadingProgress
from stream.rules.pricing import BadRateCardError, compile_card
from stream.settings import WorkerSettings
from stream.simulate.chosen import By, Chosen, UnreadableChargesError
from stream.simulate.from_kafka import MARGIN_MS, KafkaCharges
from stream.simulate.show import FORMATS, Answer, left_out_lines
from stream.simulate.simulation import Simulation
from stream.topic_reader import TopicReader, UnreadableTopicError

NOT_PRICED = 3
_USAGE_ERROR = 2
_CLICKHOUSE = "CREDITSTREAM_CLICKHOUSE_"

EPILOG = """
Prices every recorded charge's node and quantity by the card of a file, as a worker would if it had been effective then:
the card's effective_at and line are not looked at. Where an installation has several lines, --priced-by names the cards
whose charges are meant. The time is that of the events. Nothing is published, and nothing is written.

Charges are read from ClickHouse if any setting CREDITSTREAM_CLICKHOUSE_* is given, else from credits.charges, which
retains them for 97 days; --source decides otherwise. The output says which, and from when on that is complete.

Exit codes: 0 done, 1 it failed, 2 a setting, an argument or the card cannot be used, 3 done, and the card does not
price all of it: those charges are left out of the rows, and told by node.

Examples:
  python -m stream simulate --rate-card deploy/rate-cards/2026-01.toml --from 2026-11-01 --to 2026-12-01
  python -m stream simulate --rate-card deploy/rate-cards/2026-01.toml --from 2026-11-01 --to 2026-12-01 \\
      --account acme --by agent --format csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; the card and the time must be said."""
    parser.add_argument(
        "--rate-card", required=True, type=Path, metavar="FILE", help="the card, as it would be published"
    )
    parser.add_argument(
        "--from",
        dest="start",
        required=True,
        type=parse_moment,
        metavar="TIME",
        help="occurred on this day or time, or later",
    )
    parser.add_argument("--to", dest="end", required=True, type=parse_moment, metavar="TIME", help="occurred before it")
    parser.add_argument("--account", default="", help="of this account")
    parser.add_argument("--by", choices=get_args(By), default="account", help="a row for each (account)")
    parser.add_argument(
        "--priced-by", action="append", default=[], metavar="VERSION", help="charged by this rate card; repeatable"
    )
    parser.add_argument("--source", choices=("clickhouse", "kafka"), help="where charges are read")
    parser.add_argument("--format", choices=sorted(FORMATS), default="table", help="how to show it (table)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def simulate(settings: WorkerSettings, options: Mapping[str, Any]) -> int:
    """The exit code."""
    try:
        chosen = _chosen(options)
        simulation = Simulation(compile_card(read_rate_card(options["rate_card"])))
        if _is_from_clickhouse(options["source"]):
            source, notes = _from_clickhouse(simulation, chosen)
        else:
            source, notes = _from_kafka(simulation, settings, chosen, quiet=options["quiet"])
    except (RateCardFileError, BadRateCardError, BadSettingError) as error:
        print(error, file=sys.stderr)
        return _USAGE_ERROR
    except (UnreadableTopicError, UnreadableChargesError) as error:
        print(error, file=sys.stderr)
        return 1
    answer = Answer(simulation, chosen.by, source, notes)
    print(FORMATS[options["format"]](answer))
    if options["format"] == "csv":
        print("\n".join([*left_out_lines(simulation), source, *notes]), file=sys.stderr)
    return NOT_PRICED if simulation.left_out else 0


def _chosen(options: Mapping[str, Any]) -> Chosen:
    if options["start"] >= options["end"]:
        raise BadSettingError("--from is not before --to")
    return Chosen(options["start"], options["end"], options["by"], options["account"], frozenset(options["priced_by"]))


def _is_from_clickhouse(asked: str | None) -> bool:
    return asked == "clickhouse" or (asked is None and any(name.startswith(_CLICKHOUSE) for name in os.environ))


def _from_clickhouse(simulation: Simulation, chosen: Chosen) -> tuple[str, tuple[str, ...]]:
    # Workers have this command line too, and its client takes a quarter of a second to import.
    from stream.simulate.from_clickhouse import clickhouse_charges, place_of

    clickhouse = load_settings(ClickHouseSettings)
    simulation.take(clickhouse_charges(clickhouse, chosen))
    return f"charges from {place_of(clickhouse)}", ()


def _from_kafka(
    simulation: Simulation, settings: WorkerSettings, chosen: Chosen, *, quiet: bool
) -> tuple[str, tuple[str, ...]]:
    admitted(settings.kafka)
    topic = settings.topics.charges
    reader = TopicReader(settings.kafka, settings.inquiry_group)
    partitions = None
    if chosen.account:
        partitions = [partition_of(chosen.account.encode(), reader.partitions(topic))]
    spans = reader.spans(topic, partitions, chosen.from_ms - MARGIN_MS)
    progress = ReadingProgress(spans, "records of charges", quiet=quiet)
    charges = KafkaCharges(chosen, spans, progress.watch(reader.read(spans)))
    simulation.take(charges)
    notes: tuple[str, ...] = ()
    if charges.retained_from_ms > chosen.from_ms:
        since = datetime.fromtimestamp(charges.retained_from_ms // 1_000, UTC).isoformat().replace("+00:00", "Z")
        notes = (f"NOT ALL OF IT: what was charged before {since} is not retained there; ask ClickHouse",)
    return f"charges from Kafka {topic}", notes
