"""The tables of what people and payment services were told."""

from typing import ClassVar

from schemas.notice_events import AlertData, BillData, NoticeEvent, RefillRequestData
from sinks.tables.table import Columns, Table, milliseconds, read_units


class AlertsTable(Table[NoticeEvent]):
    """An alert; the key is account, at, id."""

    name = "alerts"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "at": "DateTime64(3, 'UTC')",
        "id": "String",
        "alert": "LowCardinality(String)",
        "remaining_credits": "Decimal(38, 6)",
        "mode": "LowCardinality(String)",
        "threshold": "LowCardinality(String)",
        "level_credits": "Nullable(Decimal(38, 6))",
        "on_set": "Bool",
        "delayed": "Bool",
        "detail": "String",
        "version": "UInt64",
    }

    def columns_of(self, decoded: NoticeEvent) -> Columns:
        alert = decoded.data
        if not isinstance(alert, AlertData):
            raise TypeError(f"a {decoded.type} is no alert")
        return [
            [decoded.subject],
            [milliseconds(decoded.time)],
            [decoded.id],
            [alert.alert],
            [read_units(alert.remaining_credits)],
            [alert.mode],
            [alert.threshold],
            [None if alert.level_credits is None else read_units(alert.level_credits)],
            [alert.on_set],
            [alert.delayed],
            [alert.detail],
            [decoded.version],
        ]


class RefillRequestsTable(Table[NoticeEvent]):
    """A refill request, once for each time that it was sent; the key is account, number, attempt."""

    name = "refill_requests"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "number": "UInt64",
        "attempt": "UInt64",
        "request": "String",
        "credits": "Decimal(38, 6)",
        "remaining_credits": "Decimal(38, 6)",
        "at": "DateTime64(3, 'UTC')",
        "version": "UInt64",
    }

    def columns_of(self, decoded: NoticeEvent) -> Columns:
        request = decoded.data
        if not isinstance(request, RefillRequestData):
            raise TypeError(f"a {decoded.type} is no refill request")
        return [
            [decoded.subject],
            [request.number],
            [request.attempt],
            [request.request],
            [read_units(request.credits)],
            [read_units(request.remaining_credits)],
            [milliseconds(decoded.time)],
            [decoded.version],
        ]


class BillsTable(Table[NoticeEvent]):
    """A line of a closed bill; the key is account, period_end, line."""

    name = "bills"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "period_end": "DateTime64(3, 'UTC')",
        "line": "UInt16",
        "bill": "String",
        "plan": "LowCardinality(String)",
        "period_start": "DateTime64(3, 'UTC')",
        "line_period_start": "DateTime64(3, 'UTC')",
        "credits": "Decimal(38, 6)",
        "price_minor": "Decimal(38, 6)",
        "currency": "LowCardinality(String)",
        "amount_minor": "Int64",
        "version": "UInt64",
    }

    def columns_of(self, decoded: NoticeEvent) -> Columns:
        bill = decoded.data
        if not isinstance(bill, BillData):
            raise TypeError(f"a {decoded.type} is no bill")
        lines = bill.lines
        return [
            [decoded.subject] * len(lines),
            [milliseconds(bill.period_end)] * len(lines),
            [number for number, _ in enumerate(lines, start=1)],
            [decoded.id] * len(lines),
            [bill.plan] * len(lines),
            [milliseconds(bill.period_start)] * len(lines),
            [milliseconds(line.period_start) for line in lines],
            [read_units(line.credits) for line in lines],
            [read_units(line.price_minor) for line in lines],
            [line.currency for line in lines],
            [line.amount_minor for line in lines],
            [decoded.version] * len(lines),
        ]
