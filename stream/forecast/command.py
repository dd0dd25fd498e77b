"""`python -m stream forecast`: when accounts run out of credits."""

import argparse
import heapq
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from stream.admission import admitted
from stream.forecast.reading import AccountForecast, forecasts
from stream.forecast.show import as_json, as_table, runs_out_first
from stream.settings import WorkerSettings
from stream.topic_reader import TopicReader, UnreadableTopicError

EPILOG = """
Says when nothing remains if the account's last seven days of use come again, hour by hour; and the earliest and latest
of eight in ten futures that are drawn from these days. What will expire, begin or renew until then is counted, refills
and renewals that wait for a payment are not. With less than a day of known use nothing is said; nor beyond 90 days.
Rows are read from the changelogs, use from credits.charges. The table has the accounts that run out first, --json all
of them, an object a line.

Exit codes: 0 done, 1 it failed, or there is no such account, 2 a setting or an argument cannot be used.

Examples:
  python -m stream forecast --account acme
  python -m stream forecast --most 10
  python -m stream forecast --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; without an account it is about all of them."""
    parser.add_argument("--account", default="", help="of this account alone")
    parser.add_argument("--most", type=_positive, default=50, metavar="N", help="rows of the table (50)")
    parser.add_argument("--json", action="store_true", help="for programs: an object a line")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def forecast(settings: WorkerSettings, options: Mapping[str, Any]) -> int:
    """The exit code."""
    admitted(settings.kafka)
    account = options["account"]
    reader = TopicReader(settings.kafka, settings.inquiry_group)
    now_ms = time.time_ns() // 1_000_000
    found = _Counted(forecasts(reader, settings.topics, now_ms, account, quiet=options["quiet"]))
    try:
        if options["json"]:
            for each in found:
                print(as_json(each))
        else:
            first = heapq.nsmallest(options["most"], found, key=runs_out_first)
            print(as_table(first, found.count - len(first)))
    except UnreadableTopicError as error:
        print(error, file=sys.stderr)
        return 1
    if account and not found.count:
        print(f"account {account!r} has no row in {settings.topics.balances_changelog}", file=sys.stderr)
        return 1
    return 0


class _Counted:
    """Forecasts, and how many there were."""

    def __init__(self, found: Iterator[AccountForecast]) -> None:
        self._found = found
        self.count = 0

    def __iter__(self) -> Iterator[AccountForecast]:
        for each in self._found:
            self.count += 1
            yield each


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 100000")
    return int(text)
