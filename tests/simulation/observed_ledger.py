"""What a worker has committed of its ledger: accounts, lots, entries, and what it told people."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from confluent_kafka import Message

from schemas.account import CONTROL_KEY_PREFIX, AccountRow, account_of
from schemas.ledger import BrokenChainError, Entry, decode_entry_batch, entries_of, first_hash, verify_chain
from schemas.lot import NEVER_MS, Lot
from schemas.notice_events import AlertData, BillData, BillLineData, NoticeEvent, RefillRequestData, decode_notice
from schemas.topics import TopicNames
from tests.simulation.oracle_records import (
    AlertFacts,
    BalanceTotals,
    BillFacts,
    BillLine,
    EntryFacts,
    EntryKey,
    Figures,
    LotKey,
    LotTotals,
    RefillFacts,
)

Readers = dict[str, Callable[[Message], None]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROS = 1_000_000
_decode_lot = msgspec.msgpack.Decoder(Lot).decode


@dataclass
class LedgerReader:
    """Reads the topics of the ledger into figures; `broken` gets what is wrong with them whatever was sent."""

    figures: Figures
    versions: dict[tuple[str, int], list[int]]
    broken: list[str]
    _rows: dict[str, AccountRow] = field(default_factory=dict)
    _lots: dict[LotKey, Lot] = field(default_factory=dict)
    _entries: defaultdict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    _told: set[str] = field(default_factory=set)

    def readers(self, topics: TopicNames) -> Readers:
        """What reads a record, by topic."""
        return {
            topics.lots_changelog: self._lot,
            topics.balances_changelog: self._balance,
            topics.ledger: self._batch,
            topics.alerts: self._notice,
            topics.refill_requests: self._notice,
            topics.bills: self._notice,
        }

    def finish(self) -> None:
        """Everything was read."""
        figures = self.figures
        for name, row in self._rows.items():
            figures.balances[name] = totals_of(row)
            if row.first_lot is not None:
                self._lots[LotKey(name, row.first_lot.id)] = row.first_lot
        figures.lots |= {key: lot_totals(lot) for key, lot in self._lots.items()}
        for each in (figures.alerts, figures.refills):
            for facts in each.values():
                facts.sort()
        for account, entries in self._entries.items():
            self._check_entries(account, entries)
        self.broken += [f"{name}: {broken}" for name, row in self._rows.items() for broken in _broken_equations(row)]

    def _check_entries(self, account: str, entries: list[Entry]) -> None:
        figures, row = self.figures, self._rows.get(account)
        for entry in entries:
            figures.entries[EntryKey(account, entry.sequence)] = _entry_facts(entry)
        if entries[0].sequence > 1:
            # Retention has deleted those before.
            return
        try:
            head = verify_chain(account, entries)
        except BrokenChainError as broken:
            self.broken.append(f"{broken}")
            return
        if row is None or row.head not in (head, b"" if head == first_hash(account) else head):
            self.broken.append(f"the row of {account!r} does not end its chain of {len(entries)} entries")

    def _balance(self, message: Message) -> None:
        key, value = message.key(), message.value()
        if key is None or key.startswith(CONTROL_KEY_PREFIX) or value is None:
            return
        row = account_of(value)
        self.versions.setdefault(("balances", message.partition() or 0), []).append(row.version)
        self._rows[row.account] = row

    def _lot(self, message: Message) -> None:
        """A lot that was forgotten stays as it was last."""
        key, value = message.key(), message.value()
        if key is None or key.startswith(CONTROL_KEY_PREFIX) or value is None:
            return
        lot = _decode_lot(value)
        self._lots[LotKey(lot.account, lot.id)] = lot

    def _batch(self, message: Message) -> None:
        batch = decode_entry_batch(message.value() or b"")
        self.versions.setdefault(("ledger", batch.partition), []).append(batch.version)
        for entry in entries_of(batch):
            self._entries[entry.account].append(entry)

    def _notice(self, message: Message) -> None:
        event = decode_notice(message.value() or b"")
        account, at_ms, data = event.subject, (event.time - _EPOCH) // _MILLISECOND, event.data
        if not isinstance(data, RefillRequestData) and not (
            isinstance(data, AlertData) and data.alert == "refill_unknown"
        ):
            self._once(event)
        match data:
            case AlertData():
                facts = AlertFacts(
                    at_ms,
                    data.alert,
                    data.threshold,
                    _micros(data.level_credits or Decimal(0)),
                    data.on_set,
                    data.delayed,
                )
                self.figures.alerts.setdefault(account, []).append(facts)
            case RefillRequestData():
                asked = RefillFacts(at_ms, data.request, data.attempt, _micros(data.credits))
                self.figures.refills.setdefault(account, []).append(asked)
            case BillData():
                self.figures.bills.setdefault(account, []).append(_bill(data))

    def _once(self, event: NoticeEvent) -> None:
        if event.id in self._told:
            self.broken.append(f"{event.subject!r} was told {event.id} twice")
        self._told.add(event.id)


def totals_of(row: AccountRow) -> BalanceTotals:
    """An account's row in the oracle's terms."""
    plan, policy = row.plan, row.policy
    state = "" if policy.refill is None else "idle" if row.refill is None else row.refill.state
    return BalanceTotals(
        granted=row.granted,
        charged=row.charged,
        events=row.events,
        messages=row.messages,
        grants=row.grants,
        burned=row.burned,
        expired=row.expired,
        voided=row.voided,
        refunded=row.refunded,
        owed=row.owed,
        billed=row.billed,
        held=row.held,
        remaining=row.remaining,
        sequence=row.sequence,
        mode=policy.mode,
        plan=plan.id if plan else "",
        next_plan=row.next_plan.id if row.next_plan else "",
        ends=row.ends,
        period_start_ms=row.period_start_ms if plan else 0,
        period_end_ms=row.period_end_ms if plan else 0,
        overage=row.overage_used if plan else 0,
        bill=tuple(
            sorted(
                BillLine(line.period_start_ms, line.price_micros, line.currency, line.microcredits)
                for line in row.bill
                if line.microcredits
            )
        ),
        gate_closed=row.gate_closed,
        beyond_events=row.beyond_events,
        beyond_microcredits=row.beyond_microcredits,
        leaked_events=row.leaked_events,
        leaked_microcredits=row.leaked_microcredits,
        refill=state,
    )


def lot_totals(lot: Lot) -> LotTotals:
    """A lot in the oracle's terms."""
    return LotTotals(
        lot.kind,
        lot.priority,
        lot.effective_at_ms,
        0 if lot.expires_at_ms == NEVER_MS else lot.expires_at_ms,
        lot.granted,
        lot.rolled_in,
        lot.spent,
        lot.expired,
        lot.voided,
        lot.rolled_out,
        lot.held,
        lot.repaid,
        lot.state == "voided",
        lot.payment,
    )


def _entry_facts(entry: Entry) -> EntryFacts:
    return EntryFacts(
        entry.kind,
        entry.lot,
        entry.lot_microcredits,
        entry.owed_microcredits,
        entry.billed_microcredits,
        entry.balance_microcredits,
        f"{entry.source}/{entry.id}" if entry.cause != "clock" else "",
        entry.rate_card,
        entry.late,
        entry.occurred_at_us,
        entry.ingested_at_ms,
    )


def _broken_equations(row: AccountRow) -> list[str]:
    """Of the first three, those that a row breaks."""
    equations = {
        "G = B + E + V + H": row.granted == row.burned + row.expired + row.voided + row.held,
        "C - R = B + O + M": row.charged - row.refunded == row.burned + row.owed + row.billed,
        "balance = H - O": row.balance == row.held - row.owed,
        "O = 0, or usable lots hold nothing": not row.owed or row.held == row.unstarted,
    }
    return [equation for equation, holds in equations.items() if not holds]


def _bill(data: BillData) -> BillFacts:
    lines = sorted(((_line(line), line.amount_minor) for line in data.lines), key=lambda each: each[0])
    return BillFacts(
        _ms(data.period_start),
        _ms(data.period_end),
        data.plan,
        tuple(line for line, _ in lines),
        tuple(amount for _, amount in lines),
    )


def _line(line: BillLineData) -> BillLine:
    return BillLine(_ms(line.period_start), _micros(line.price_minor), line.currency, _micros(line.credits))


def _micros(value: Decimal) -> int:
    return int(value * _MICROS)


def _ms(time: datetime) -> int:
    return (time - _EPOCH) // _MILLISECOND
