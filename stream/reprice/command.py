"""`python -m stream reprice`: a rate card and a time in; what changes out, and on request a command for each event."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from confluent_kafka import Message

from schemas.account import CONTROL_KEY_PREFIX, AccountRow, account_of
from schemas.codec import decode_rate_card
from schemas.partitioning import partition_of
from stream.admission import admitted
from stream.moments import parse_moment
from stream.reading_progress import ReadingProgress
from stream.reprice.commands import Commands, UnsentError
from stream.reprice.preview import Preview
from stream.reprice.priced import Asked, Known, LeftOut, Repriced, priced
from stream.rules.corrected import Corrected, decode_corrected
from stream.rules.rate_cards import RateCards
from stream.settings import WorkerSettings
from stream.simulate.from_kafka import MARGIN_MS
from stream.topic_reader import Span, TopicReader, UnreadableTopicError

NOT_PRICED = 3
_USAGE_ERROR = 2

EPILOG = """
Prices every charge of events of that time by a card that was published, in the line of the account's plan, as a worker
would; shows by account what the events cost now, what they will, and the difference. --yes then sends a `reprice`
command for each event whose cost changes. Without it nothing is sent.

An event is priced once by a card: what was sent may be sent again, and changes nothing. Voided events, and those that
were booked more than 90 days ago, are left out. More is burned from lots of today; less is a refund to those that paid.
What was charged, refunded or topped up after the preview is not in it. Workers learn of a card within seconds.

Exit codes: 0 done, 1 it failed, 2 a setting or an argument cannot be used, 3 done, and the card does not price all of
it: those events are left out, and told.

Examples:
  python -m stream reprice --rate-card 2026-02 --from 2026-11-01 --to 2026-12-01
  python -m stream reprice --rate-card 2026-02 --from 2026-11-01 --to 2026-12-01 --account acme --yes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; the card and the time must be said."""
    parser.add_argument("--rate-card", required=True, metavar="VERSION", help="the card, by its version")
    parser.add_argument(
        "--from", dest="start", required=True, type=parse_moment, metavar="TIME", help="occurred then, or later"
    )
    parser.add_argument("--to", dest="end", required=True, type=parse_moment, metavar="TIME", help="occurred before it")
    parser.add_argument("--account", default="", help="of this account alone")
    parser.add_argument(
        "--priced-by", action="append", default=[], metavar="VERSION", help="charged by this rate card; repeatable"
    )
    decided = parser.add_mutually_exclusive_group()
    decided.add_argument("--yes", action="store_true", help="send the commands")
    decided.add_argument("--dry-run", action="store_true", help="send nothing, as without --yes")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def reprice(settings: WorkerSettings, options: Mapping[str, Any]) -> int:
    """The exit code."""
    if options["start"] >= options["end"]:
        print("--from is not before --to", file=sys.stderr)
        return _USAGE_ERROR
    asked = Asked(
        options["rate_card"], options["start"], options["end"], options["account"], frozenset(options["priced_by"])
    )
    admitted(settings.kafka)
    try:
        charges = _Charges(settings, asked, quiet=options["quiet"])
        preview = Preview()
        preview.take(charges.priced())
        print("\n".join([*preview.lines(), *charges.notes]))
        if not options["yes"]:
            print(f"nothing was sent: with --yes {preview.events} commands are")
        elif preview.events:
            repriced = (each for each in charges.priced() if isinstance(each, Repriced))
            sent = Commands(settings.kafka, settings.topics.commands).send(repriced, asked.rate_card)
            print(f"sent {sent} commands to {settings.topics.commands}")
    except (UnreadableTopicError, UnsentError) as error:
        print(error, file=sys.stderr)
        return 1
    return NOT_PRICED if preview.unpriced else 0


class _Charges:
    """What is asked for, read as often as it is gone through: the same charges each time, at the same costs."""

    def __init__(self, settings: WorkerSettings, asked: Asked, *, quiet: bool) -> None:
        topics = settings.topics
        self._reader = reader = TopicReader(settings.kafka, settings.inquiry_group)
        self._asked = asked
        self._quiet = quiet
        partitions = None
        if asked.account:
            partitions = [partition_of(asked.account.encode(), reader.partitions(topics.charges))]
        # What is charged from now on is not asked for: corrections are read after it.
        self._spans = reader.spans(topics.charges, partitions, asked.from_ms - MARGIN_MS)
        self._known = Known(
            _rate_cards(reader.records(topics.rate_cards)),
            dict(_with_lines(reader.read(reader.spans(topics.balances_changelog, partitions)))),
            dict(_corrected(reader.read(reader.spans(topics.corrections_changelog, partitions)))),
        )
        self._now_ms = time.time_ns() // 1_000_000
        self.notes = [f"NOT ALL OF IT: {_shown(span)} is not retained from its beginning" for span in self._cut()]

    def priced(self) -> Iterator[Repriced | LeftOut]:
        """Every charge that is asked for."""
        progress = ReadingProgress(self._spans, "records of charges", quiet=self._quiet)
        records = progress.watch(self._reader.read(self._spans))
        return priced(self._asked, self._known, records, self._now_ms)

    def _cut(self) -> Iterator[Span]:
        return (span for span in self._spans if span.is_cut)


def _shown(span: Span) -> str:
    return f"{span.topic}/{span.partition}"


def _rate_cards(records: Iterable[Message]) -> RateCards:
    cards = RateCards()
    for message in records:
        # What is no rate card is used by no worker either, which tells it.
        with contextlib.suppress(msgspec.MsgspecError):
            cards = cards.with_card(decode_rate_card(message.value() or b""))
    return cards


def _with_lines(records: Iterable[Message]) -> Iterator[tuple[str, AccountRow]]:
    """Accounts that had a plan with a line of rate cards lately: all others have the default line."""
    for message in records:
        key, value = message.key() or b"", message.value()
        if value is not None and not key.startswith(CONTROL_KEY_PREFIX):
            try:
                row = account_of(value)
            except msgspec.MsgspecError as error:
                raise UnreadableTopicError(f"{message.topic()}: no account of the ledger: {error}") from None
            if row.lines:
                yield row.account, row


def _corrected(records: Iterable[Message]) -> Iterator[tuple[bytes, Corrected]]:
    """What was corrected, as it was last; what may not be corrected any more is left out as too old."""
    for message in records:
        key, value = message.key() or b"", message.value()
        if value is not None and not key.startswith(CONTROL_KEY_PREFIX):
            try:
                yield key, decode_corrected(value)
            except msgspec.MsgspecError as error:
                raise UnreadableTopicError(f"{message.topic()}: no corrected event: {error}") from None
