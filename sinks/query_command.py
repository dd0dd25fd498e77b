"""`python -m sinks query`: the analysts' questions on the command line."""

import argparse

from schemas.settings import load_settings
from sinks.answers import FORMATS
from sinks.query import QueryError, ask, parse_hour, read_queries
from sinks.settings import ClickHouseSettings

_EXAMPLES = """
Examples:
  python -m sinks query --list
  python -m sinks query trend --account acme --from 2026-11-01 --to 2026-12-01
  python -m sinks query nodes --account acme --from 2026-11-01T09:00:00Z --to 2026-11-01T17:00:00Z --format csv
  python -m sinks query credits --account acme
  python -m sinks query why --account acme --first 120 --last 140
  python -m sinks query statement --account acme --format jsonl
"""
_COUNTS = ("first", "last", "limit")


def add_query(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its options."""
    query = commands.add_parser(
        "query",
        help="ask for an account's credits, history, usage and bills",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    query.add_argument("name", nargs="?", metavar="NAME", help="which question; --list names them")
    query.add_argument("--account", help="whose usage")
    query.add_argument("--from", dest="start", metavar="TIME", help="from this day, or this hour in RFC 3339, on")
    query.add_argument("--to", dest="end", metavar="TIME", help="up to this one, which is not included")
    query.add_argument("--first", type=int, metavar="ENTRY", help="from this entry of the ledger on")
    query.add_argument("--last", type=int, metavar="ENTRY", help="up to this entry, which is included")
    query.add_argument("--limit", type=int, metavar="ROWS", help="at most so many rows")
    query.add_argument("--format", choices=sorted(FORMATS), default="table", help="how to show it (table)")
    query.add_argument("--list", action="store_true", help="name the questions and what they answer")
    query.set_defaults(run=_query)


def _query(options: argparse.Namespace) -> int:
    queries = read_queries()
    if options.list:
        print("\n".join(f"{query.name:10} {query.answers}" for query in queries.values()))
        return 0
    if options.name not in queries:
        asked = f"there is no query {options.name!r}" if options.name else "a query is named first"
        raise QueryError(f"{asked}: {', '.join(queries)} are there; --list says what they answer")
    answer = ask(load_settings(ClickHouseSettings), queries[options.name], _parameters(options))
    for text in FORMATS[options.format](answer):
        print(text)
    return 0


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    times = {name: text for name, text in (("from", options.start), ("to", options.end)) if text}
    parameters = {name: parse_hour(text) for name, text in times.items()}
    if options.account:
        parameters["account"] = options.account
    if {"from", "to"} <= parameters.keys() and parameters["from"] >= parameters["to"]:
        raise QueryError(f"--from {options.start} is not before --to {options.end}")
    for name in _COUNTS:
        count = getattr(options, name)
        if count is not None:
            if not 0 < count < 2**64:
                raise QueryError(f"--{name} {count} is not above 0")
            parameters[name] = str(count)
    return parameters
