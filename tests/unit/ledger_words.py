"""The words of ledger stories: times, lots, alerts and plans as a finance person writes them."""

import re
from datetime import UTC, datetime

from schemas.credits import format_credits, parse_credits
from schemas.ledger import Entry
from schemas.notices import Alert
from schemas.plan import Plan


def instant(text: str) -> int:
    """`30 Nov` or `30 Nov 17:05[:09]` of 2026 in ms; January to October are of 2027."""
    form = {0: "%d %b", 1: "%d %b %H:%M", 2: "%d %b %H:%M:%S"}[text.count(":")]
    found = datetime.strptime(f"2026 {text}", f"%Y {form}").replace(tzinfo=UTC)
    found = found.replace(year=2027) if found.month < 11 else found
    return int(found.timestamp()) * 1_000


def moment(at_ms: int) -> str:
    """An instant as stories have it, without its day's month: `1T10:15`."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%-dT%H:%M")


def day(at_ms: int) -> str:
    """A day in one word: `1Nov`."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%-d%b")


def short(lot: str) -> str:
    """A lot's name in a story: plan lots by their day, `P:1Nov`, their rollovers `R:1Nov`, refills by `refill`."""
    made = re.fullmatch(r"(rollover:)?plan:(.*):(\d{4}-\d\d-\d\d):\d+", lot)
    if made:
        date = datetime.strptime(made[3], "%Y-%m-%d").replace(tzinfo=UTC)
        return f"{'R' if made[1] else made[2]}:{date.strftime('%-d%b')}"
    return lot.split(":")[0]


def alert_name(alert: Alert) -> str:
    """`0`, `20%`, `blocked`, …; with `!` where it was set below, `~` where it is late."""
    level = alert.threshold if alert.threshold.endswith("%") else format_credits(int(alert.threshold or "0"))
    name = level if alert.kind == "threshold" else alert.kind
    return name + "!" * alert.on_set + "~" * alert.delayed


def after(words: list[str], word: str) -> str | None:
    """The word after a word."""
    return words[words.index(word) + 1] if word in words else None


def day_after(words: list[str], word: str) -> int | None:
    """The day after a word, in ms."""
    if word not in words:
        return None
    at = words.index(word)
    clock = [each for each in words[at + 3 : at + 4] if ":" in each]
    return instant(" ".join(words[at + 1 : at + 3] + clock))


def plan_of(words: list[str]) -> Plan:
    """`basic 1000 [anchor 15] [billed 2.5 | carried] [limit 50] [rollover 200 for 2] [on_payment]`: cents a credit."""
    return Plan(
        words[0],
        parse_credits(words[1]),
        int(after(words, "anchor") or 1),
        fee_minor=1_900,
        currency="EUR",
        rollover_cap=parse_credits(after(words, "rollover") or "0"),
        rollover_periods=int(after(words, "for") or 1),
        overage="billed" if "billed" in words else "carried" if "carried" in words else "refused",
        overage_price_micros=parse_credits(after(words, "billed") or "0"),
        overage_limit=parse_credits(after(words, "limit") or "-0.000001"),
        line=after(words, "line") or "default",
        renews="on_payment" if "on_payment" in words else "by_clock",
    )


def entry_name(entry: Entry) -> str:
    """What an entry did, to which lot: `burned:T:-30`."""
    amount = entry.lot_microcredits or entry.owed_microcredits or entry.billed_microcredits
    where = f":{short(entry.lot)}" if entry.lot else ""
    return f"{entry.kind}{where}:{format_credits(amount)}"
