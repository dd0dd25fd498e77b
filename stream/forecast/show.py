"""Shows forecasts: a table of those that run out first, or a JSON object a line."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from schemas.credits import format_credits
from stream.forecast.reading import AccountForecast
from stream.rules.ledger.forecast import HORIZON_DAYS, Forecast

_COLUMNS = ("account", "remaining", "used in 24 h", "runs out", "earliest", "latest", "by days")


def runs_out_first(found: AccountForecast) -> tuple[bool, int, bool, str]:
    """The order of the table: by when, then those that do not within the horizon, then what is unknown."""
    run_out_ms = found.forecast.run_out_ms
    return run_out_ms is None, run_out_ms or 0, found.forecast.state == "unknown", found.row.account


def as_table(shown: Sequence[AccountForecast], others: int) -> str:
    """The forecasts as they come, and how many there are besides."""
    lines = [_COLUMNS, *map(_cells, shown)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
    return "\n".join([*text, *([f"and {others} more accounts: --most shows them"] if others else [])])


def as_json(found: AccountForecast) -> str:
    """One object; credits are text, times are none where there is none within the horizon."""
    known = found.forecast
    return json.dumps(
        {
            "account": found.row.account,
            "state": known.state,
            "remaining_credits": format_credits(known.remaining),
            "used_last_day_credits": format_credits(found.used_last_day),
            "days": known.days,
            "horizon_days": HORIZON_DAYS,
            "runs_out_at": _time(known.run_out_ms),
            "earliest": _time(known.earliest_ms),
            "latest": _time(known.latest_ms),
        },
        ensure_ascii=False,
    )


def _cells(found: AccountForecast) -> tuple[str, ...]:
    known, account = found.forecast, found.row.account
    name = account if account.isprintable() else repr(account)
    times = _times(known)
    return name, format_credits(known.remaining), format_credits(found.used_last_day), *times, str(known.days or "")


def _times(known: Forecast) -> Iterable[str]:
    if known.state == "unknown":
        return ("unknown", "", "")
    if known.state == "out":
        return ("is out", "", "")
    return (_time(each) or f"> {HORIZON_DAYS} days" for each in (known.run_out_ms, known.earliest_ms, known.latest_ms))


def _time(at_ms: int | None) -> str | None:
    """To the minute, rounded down."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%MZ")
