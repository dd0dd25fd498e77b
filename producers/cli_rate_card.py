"""`python -m producers rate-card`: checks, publishes and withdraws rate cards."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from producers.rate_card_rules import RateCardRefusedError, row_to_withdraw, rows_to_publish
from producers.rate_card_topic import RateCardTopicError, read_published, write_rows
from producers.sender import UndeliveredError
from schemas.rate_card import RateCard
from schemas.rate_card_file import RateCardFileError, read_rate_card
from schemas.settings import KafkaSettings

DESCRIPTION = """\
A rate card says what a unit of each node costs, from a time on, in one line of prices. It is a TOML file: see
deploy/rate-cards. Workers take up a published card without a restart."""
EXAMPLES = """\
examples:
  python -m producers rate-card check deploy/rate-cards/*.toml
  python -m producers rate-card publish deploy/rate-cards/*.toml
  python -m producers rate-card withdraw default 2026-02"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rate-card`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|publish|withdraw")
    check = actions.add_parser("check", help="say all that is wrong with the files")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    publish = actions.add_parser(
        "publish",
        help="check the files, and write them to the topic",
        description="A card is effective at least 60 s after it is published, unless its line has none yet. "
        "Publishing a card again changes nothing.",
    )
    publish.add_argument("files", nargs="+", type=Path, metavar="FILE")
    publish.add_argument(
        "--reprice",
        "--accept-past",
        action="store_true",
        help="accept cards that are effective earlier: usage since then is to be priced again",
    )
    withdraw = actions.add_parser("withdraw", help="have a card priced by no more")
    withdraw.add_argument("line", metavar="LINE")
    withdraw.add_argument("version", metavar="VERSION")


def run(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """Does what was asked; 1 if a card is wrong or was refused, or Kafka could not be reached."""
    try:
        if arguments.action == "withdraw":
            _withdraw(arguments.line, arguments.version, settings)
            return 0
        cards = _read_all(arguments.files)
        if arguments.action == "publish":
            _publish(cards, settings, reprice=arguments.reprice)
    except (RateCardFileError, RateCardRefusedError, RateCardTopicError, UndeliveredError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _read_all(files: list[Path]) -> list[RateCard]:
    cards, problems = [], []
    for file in files:
        try:
            card = read_rate_card(file)
        except RateCardFileError as error:
            problems.append(str(error))
        else:
            cards.append(card)
            print(f"{file}: line {card.line}, version {card.version}, {len(card.prices)} prices: right")
    if problems:
        raise RateCardFileError("\n".join(problems))
    return cards


def _publish(cards: list[RateCard], settings: KafkaSettings, *, reprice: bool) -> None:
    topic = settings.topics.rate_cards
    published = read_published(settings.bootstrap_servers, topic, settings.security)
    rows = rows_to_publish(cards, published, datetime.now(UTC), reprice=reprice)
    write_rows(settings.bootstrap_servers, topic, rows, settings.security)
    written = {(row.line, row.version) for row in rows}
    for card in cards:
        done = "published" if (card.line, card.version) in written else "was published before"
        print(f"{card.line}/{card.version}: {done}, effective at {card.effective_at.isoformat()}")


def _withdraw(line: str, version: str, settings: KafkaSettings) -> None:
    topic = settings.topics.rate_cards
    row = row_to_withdraw(line, version, read_published(settings.bootstrap_servers, topic, settings.security))
    if row is None:
        print(f"{line}/{version}: was withdrawn before")
        return
    write_rows(settings.bootstrap_servers, topic, [row], settings.security)
    print(f"{line}/{version}: withdrawn")
