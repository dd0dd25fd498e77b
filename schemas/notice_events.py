"""Notices as others read them: CloudEvents 1.0 in structured JSON, keyed by account, amounts as decimal text.

`credits.alerts`, `credits.refill-requests` and `credits.bills` hold one kind each. A refill request that is repeated
keeps its `id`: it is the same request.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.credits import format_credits
from schemas.identifiers import Account
from schemas.notices import Alert, AlertKind, Bill, Notice, RefillRequest
from schemas.plan import Mode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AlertData(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="alert"):
    """Something that people want to know; `threshold` is the level as it was set, `level_credits` what it came to."""

    alert: AlertKind
    remaining_credits: Decimal
    mode: Mode
    threshold: str = ""
    level_credits: Decimal | None = None
    on_set: bool = False
    delayed: bool = False
    detail: str = ""


class RefillRequestData(Struct, frozen=True, gc=False, tag_field="kind", tag="refill_request"):
    """Asks for so many credits; answer with the command `refill_paid` or `refill_declined` naming `request`."""

    request: str
    number: int
    credits: Decimal
    attempt: int
    remaining_credits: Decimal


class BillLineData(Struct, frozen=True, gc=False):
    """Overage at one price; another period than the bill's makes it a correction of that one."""

    period_start: datetime
    credits: Decimal
    price_minor: Decimal
    currency: str
    amount_minor: int


class BillData(Struct, frozen=True, gc=False, tag_field="kind", tag="bill"):
    """The overage of a period that ended; it never changes."""

    plan: str
    period_start: datetime
    period_end: datetime
    lines: tuple[BillLineData, ...]


class NoticeEvent(Struct, frozen=True, gc=False):
    """A CloudEvents 1.0 envelope; `subject` is the account, `time` the ledger's, `version` the checkpoint's."""

    id: str
    source: str
    subject: Annotated[Account, Meta(min_length=1)]
    time: Annotated[datetime, Meta(tz=True)]
    data: AlertData | RefillRequestData | BillData
    version: int
    specversion: Literal["1.0"] = "1.0"
    type: Literal["creditstream.alert", "creditstream.refill_request", "creditstream.bill"] = "creditstream.alert"
    datacontenttype: Literal["application/json"] = "application/json"


decode_notice = msgspec.json.Decoder(NoticeEvent).decode


def notice_event(notice: Notice, partition: int, version: int) -> NoticeEvent:
    """The event of a notice; the same notice makes the same id, whoever writes it."""
    source = f"creditstream/{partition}"
    if isinstance(notice, Alert):
        data = _alert(notice)
        return NoticeEvent(notice.id, source, notice.account, _time(notice.at_ms), data, version)
    if isinstance(notice, RefillRequest):
        return NoticeEvent(
            notice.id,
            source,
            notice.account,
            _time(notice.at_ms),
            _refill_request(notice),
            version,
            type="creditstream.refill_request",
        )
    return NoticeEvent(
        bill_id(notice),
        source,
        notice.account,
        _time(notice.period_end_ms),
        _bill(notice),
        version,
        type="creditstream.bill",
    )


def bill_id(bill: Bill) -> str:
    """Of the account and the period's end: an account has one bill for each."""
    return hashlib.sha256(f"{bill.account}\0bill\0{bill.period_end_ms}".encode()).hexdigest()[:32]


def _alert(alert: Alert) -> AlertData:
    return AlertData(
        alert.kind,
        _micros(alert.remaining),
        alert.mode,
        alert.threshold,
        _micros(alert.level) if alert.threshold else None,
        alert.on_set,
        alert.delayed,
        alert.detail,
    )


def _refill_request(request: RefillRequest) -> RefillRequestData:
    return RefillRequestData(
        request.id, request.number, _micros(request.amount), request.attempt, _micros(request.remaining)
    )


def _bill(bill: Bill) -> BillData:
    lines = tuple(
        BillLineData(
            _time(line.period_start_ms),
            _micros(line.microcredits),
            _micros(line.price_micros),
            line.currency,
            amount,
        )
        for line, amount in zip(bill.lines, bill.amounts_minor, strict=True)
    )
    return BillData(bill.plan, _time(bill.period_start_ms), _time(bill.period_end_ms), lines)


def _micros(micros: int) -> Decimal:
    return Decimal(format_credits(micros))


def _time(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
