"""Compares what was booked of each record: its charge or its dead letter, by its offset."""

from collections.abc import Callable, Generator, Iterator
from heapq import merge

from confluent_kafka import Message

from schemas.credits import format_credits
from sinks.reconcile.books import Books, CarriedOut, Charged, NotJudged, Refused, Repeated, Shown, Verdict
from sinks.reconcile.by_offset import ByOffset
from sinks.reconcile.drift import Difference, Drift, differing, told
from sinks.reconcile.inputs import InputRecord
from sinks.reconcile.log import Log
from sinks.reconcile.plan import Plan, Span
from sinks.reconcile.shown import ClickHouseView, RollupKey, ShownCharge

_US_PER_HOUR = 3_600_000_000
_LONGEST_KEY = 256


class Recomputed:
    """What came of a partition: how many records there were of each kind, and the sums of the hours that are compared.

    `charged` is what was booked of each account in what is compared: cost, events, messages.
    """

    def __init__(self) -> None:
        self.records = 0
        self.charges = 0
        self.duplicates = 0
        self.dead_letters = 0
        self.commands = 0
        self.compared_records = 0
        self.rollups: dict[RollupKey, list[int]] = {}
        self.charged: dict[str, list[int]] = {}


class EventAudit:
    """One partition's records, from the first that is read to the last, with what ClickHouse shows of them."""

    def __init__(self, plan: Plan, books: Books, view: ClickHouseView, drift: Drift, account: str) -> None:
        self.recomputed = Recomputed()
        self._plan = plan
        self._books = books
        self._drift = drift
        self._key = account.encode()
        usage = plan.usage
        self._charges = ByOffset(
            view.charges(usage.since_ms, usage.first, usage.stop), lambda charge: charge.offset, self._charge_of_nothing
        )
        self._grants: dict[int, list[CarriedOut]] = {}
        commands = plan.commands
        for offset, owner, lot, granted in view.grants(commands.since_ms, commands.first, commands.stop):
            self._grants.setdefault(offset, []).append(CarriedOut(owner, lot, granted))
        self._letters = {
            span.topic: self._letters_of(span, view.dead_letters(span.topic, span.since_ms, span.first, span.stop))
            for span in (usage, plan.commands)
        }

    def run(self, log: Log, progress: Callable[[int], None]) -> None:
        """Books and compares every record."""
        plan, recomputed = self._plan, self.recomputed
        for appended_ms, span, message in _merged(log, plan):
            recomputed.records += 1
            progress(recomputed.records)
            if self._key and message.key() != self._key:
                self._books.advance(appended_ms)
                continue
            record = InputRecord(message.offset() or 0, appended_ms, message.key(), message.value())
            if span is plan.usage:
                self._usage(record)
            else:
                self._command(record)
        self._charges.finish()
        for letters in self._letters.values():
            letters.finish()

    def _usage(self, record: InputRecord) -> None:
        span = self._plan.usage
        charges = self._charges.at(record.offset)
        reasons = frozenset(reason for _, reason in self._letters[span.topic].at(record.offset))
        charge = charges[0] if charges else None
        shown = Shown(charge.rate_card, charge.cost_microcredits, reasons) if charge else Shown(reasons=reasons)
        verdict = self._books.usage(record, shown)
        if isinstance(verdict, Charged) and record.offset >= span.compared:
            self._sum(verdict)
        if not span.compared <= record.offset < span.end:
            return
        self._count(verdict)
        self._compare_charges(record, verdict, charges)
        self._compare_letter(span, record, verdict, reasons)

    def _command(self, record: InputRecord) -> None:
        span = self._plan.commands
        reasons = frozenset(reason for _, reason in self._letters[span.topic].at(record.offset))
        verdict = self._books.command(record, Shown(reasons=reasons))
        if span.compared <= record.offset < span.end:
            self.recomputed.commands += 1
            self._count(verdict)
            if not isinstance(verdict, NotJudged):
                self._compare_letter(span, record, verdict, reasons)
                self._compare_grant(span, record, verdict)

    def _count(self, verdict: Verdict) -> None:
        recomputed = self.recomputed
        recomputed.compared_records += 1
        if isinstance(verdict, Charged):
            recomputed.charges += 1
        elif isinstance(verdict, Refused):
            recomputed.dead_letters += 1
        else:
            recomputed.duplicates += isinstance(verdict, Repeated)

    def _sum(self, verdict: Charged) -> None:
        usage, priced = verdict
        account, cost, messages = usage.account, priced.cost_microcredits, priced.messages
        charged = self.recomputed.charged.setdefault(account, [0, 0, 0])
        for place, value in enumerate((cost, 1, messages)):
            charged[place] += value
        hour = usage.occurred_at_us // _US_PER_HOUR
        if self._plan.first_hour <= hour < self._plan.end_hour:
            key = (account, hour, usage.channel, usage.agent, usage.node)
            totals = self.recomputed.rollups.setdefault(key, [0, 0, 0, 0])
            for place, value in enumerate((1, messages, usage.quantity_micros, cost)):
                totals[place] += value

    def _compare_charges(self, record: InputRecord, verdict: Verdict, charges: list[ShownCharge]) -> None:
        if isinstance(verdict, Charged):
            expected = _expected(record.offset, verdict)
            if not charges:
                self._differs("charges", expected, "missing", _told(expected), "no row")
            elif expected in charges:
                charges.remove(expected)
            else:
                must, is_ = differing(_fields(expected), _fields(charges.pop(0)))
                self._differs("charges", expected, "differs", must, is_)
        for charge in charges:
            self._differs("charges", charge, "unexpected", _why_not(verdict), _told(charge))

    def _compare_letter(self, span: Span, record: InputRecord, verdict: Verdict, reasons: frozenset[str]) -> None:
        expected, found = "no row", ", ".join(sorted(reasons)) or "no row"
        if isinstance(verdict, Refused):
            expected = "a reason" if verdict.reason is None else verdict.reason.value
            if reasons and (verdict.reason is None or reasons == {verdict.reason.value}):
                return
        elif not reasons:
            return
        what = "missing" if not reasons else "unexpected" if expected == "no row" else "differs"
        account = (record.key or b"")[:_LONGEST_KEY].decode(errors="replace")
        self._drift.add(
            Difference("dead_letters", account, self._plan.partition, what, expected, found, span.topic, record.offset)
        )

    def _compare_grant(self, span: Span, record: InputRecord, verdict: Verdict) -> None:
        """What a command grants is in the ledger once."""
        if self._key and record.key != self._key:
            return
        found = self._grants.get(record.offset, [])
        expected = [verdict] if isinstance(verdict, CarriedOut) else []
        if found != expected:
            what = "missing" if not found else "differs" if expected else "unexpected"
            must, is_ = (", ".join(map(_grant_told, grants)) or "no entry" for grants in (expected, found))
            account = (record.key or b"")[:_LONGEST_KEY].decode(errors="replace")
            self._drift.add(
                Difference("ledger", account, self._plan.partition, what, must, is_, span.topic, record.offset)
            )

    def _charge_of_nothing(self, charge: ShownCharge) -> None:
        usage = self._plan.usage
        if usage.compared <= charge.offset < usage.end:
            self._differs("charges", charge, "unexpected", "no row: no such record", _told(charge))

    def _letters_of(self, span: Span, rows: Iterator[tuple[int, str]]) -> ByOffset[tuple[int, str]]:
        def skipped(row: tuple[int, str]) -> None:
            offset, reason = row
            if span.compared <= offset < span.end and not self._key:
                difference = Difference(
                    "dead_letters",
                    "",
                    self._plan.partition,
                    "unexpected",
                    "no row: no such record",
                    reason,
                    span.topic,
                    offset,
                )
                self._drift.add(difference)

        return ByOffset(rows, lambda row: row[0], skipped)

    def _differs(self, kind: str, charge: ShownCharge, what: str, expected: str, found: str) -> None:
        topic = self._plan.usage.topic
        self._drift.add(
            Difference(
                kind, charge.account, self._plan.partition, what, expected, found, topic, charge.offset, charge.id
            )
        )


def _grant_told(grant: CarriedOut) -> str:
    return told({"grant": grant.grant, "credits": format_credits(grant.microcredits)})


def _merged(log: Log, plan: Plan) -> Iterator[tuple[int, Span, Message]]:
    """Both inputs by append time, commands first at a tie, each in its own order."""

    def of(span: Span) -> Generator[tuple[int, Span, Message]]:
        for message in log.records(span.topic, plan.partition, span.first, span.stop):
            yield message.timestamp()[1], span, message

    # merge takes from the first where times are equal.
    return merge(of(plan.commands), of(plan.usage), key=lambda each: each[0])


def _expected(offset: int, verdict: Charged) -> ShownCharge:
    usage, priced = verdict
    return ShownCharge(
        offset,
        usage.account,
        usage.source,
        usage.id,
        usage.agent,
        usage.conversation,
        usage.channel,
        usage.node,
        usage.quantity_micros,
        priced.cost_microcredits,
        priced.messages,
        priced.rate_card,
        usage.occurred_at_us,
    )


def _fields(charge: ShownCharge) -> dict[str, object]:
    fields = charge._asdict()
    fields["credits"] = format_credits(fields.pop("cost_microcredits"))
    fields["quantity"] = format_credits(fields.pop("quantity_micros"))
    return fields


def _told(charge: ShownCharge) -> str:
    fields = _fields(charge)
    return told({name: fields[name] for name in ("credits", "node", "quantity", "rate_card")})


def _why_not(verdict: Verdict) -> str:
    if isinstance(verdict, Refused):
        return f"no row: rejected ({verdict.reason or 'by the schema'})"
    return "one row for the record" if isinstance(verdict, Charged) else "no row: a duplicate"
