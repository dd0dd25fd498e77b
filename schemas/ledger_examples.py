"""Examples of what the ledger makes: an account and its lot after one charge, the entries, and what others are told."""

from msgspec import Raw
from msgspec.json import encode

from schemas.account import AccountRow, Alarm, BalanceRow, BillLine, Refill, RefillRequested
from schemas.identifiers import Account, GrantId, RateCardVersion
from schemas.ledger import (
    Entry,
    EntryBatch,
    canonical_json,
    entry_hash,
    first_hash,
    pack_entries,
)
from schemas.lot import Lot
from schemas.notice_events import NoticeEvent, notice_event
from schemas.notices import Alert, Bill, RefillRequest
from schemas.plan import Plan, Policy, RefillPolicy, Threshold

_ACCOUNT = Account("acme")
_PARTITION = 3
_VERSION = 1 << 32 | 42
_CREDIT = 1_000_000
_INGESTED_AT_MS = 1_763_814_601_000
_OCTOBER_MS, _NOVEMBER_MS, _DECEMBER_MS = 1_759_276_800_000, 1_761_955_200_000, 1_764_547_200_000
_REQUEST = "0d9a0c6e-3a06-5b1f-9a0e-1f1a5c3f5a11"

_GRANTED = Entry(
    _ACCOUNT,
    1,
    "granted",
    1_000 * _CREDIT,
    0,
    0,
    1_000 * _CREDIT,
    "plan:2025-11-01",
    "clock",
    "",
    "",
    0,
    "",
    0,
    _NOVEMBER_MS,
    booked_at_ms=_NOVEMBER_MS + 150,
    previous=first_hash(_ACCOUNT),
)
_BURNED = Entry(
    _ACCOUNT,
    2,
    "burned",
    -3 * _CREDIT,
    0,
    0,
    997 * _CREDIT,
    "plan:2025-11-01",
    "event",
    "/runtimes/eu-1",
    "run-7/answer",
    17,
    RateCardVersion("2025-11"),
    1_763_814_600_000_000,
    _INGESTED_AT_MS,
    booked_at_ms=_INGESTED_AT_MS + 150,
    previous=entry_hash(_GRANTED),
)
LOT = Lot(
    _ACCOUNT,
    GrantId("plan:2025-11-01"),
    "plan",
    10,
    _NOVEMBER_MS,
    _DECEMBER_MS,
    granted=1_000 * _CREDIT,
    spent=3 * _CREDIT,
    held=997 * _CREDIT,
    started=True,
    version=_VERSION,
)
ACCOUNT = AccountRow(
    _ACCOUNT,
    sequence=2,
    head=entry_hash(_BURNED),
    granted=1_000 * _CREDIT,
    burned=3 * _CREDIT,
    held=997 * _CREDIT,
    charged=3 * _CREDIT,
    balance=997 * _CREDIT,
    events=1,
    messages=1,
    grants=1,
    plan=Plan("pro", 1_000 * _CREDIT, currency="EUR", overage="billed", overage_price_micros=5 * _CREDIT),
    period_start_ms=_NOVEMBER_MS,
    period_end_ms=_DECEMBER_MS,
    period_days=30,
    policy=Policy((Threshold(percent=20),), RefillPolicy(50 * _CREDIT, 100 * _CREDIT), "enforce"),
    base=1_000 * _CREDIT,
    alarms=(Alarm(armed=True, number=1),),
    refill=Refill(number=1, requests=[RefillRequested(1, 100 * _CREDIT, _OCTOBER_MS, "paid")]),
    opened_at_ms=_OCTOBER_MS,
    updated_at_ms=_INGESTED_AT_MS,
    version=_VERSION,
    first_lot=LOT,
)
_ALERT = Alert(
    "5f3c1b0a9d8e7f60", _ACCOUNT, "threshold", 200 * _CREDIT, "enforce", _INGESTED_AT_MS, "20%", 200 * _CREDIT
)
_REFILL = RefillRequest(_REQUEST, _ACCOUNT, 1, 100 * _CREDIT, 1, 40 * _CREDIT, _INGESTED_AT_MS)
_BILL = Bill(
    _ACCOUNT,
    "pro",
    _OCTOBER_MS,
    _NOVEMBER_MS,
    (BillLine(_OCTOBER_MS, 5 * _CREDIT, "EUR", 30_500_000),),
    (152,),
)

ENTRIES: EntryBatch = pack_entries(
    _PARTITION, _VERSION, 0, [_GRANTED.previous, _BURNED.previous], [canonical_json(_GRANTED), canonical_json(_BURNED)]
)
LINES = [Raw(canonical_json(_GRANTED)), Raw(canonical_json(_BURNED))]
BALANCE = BalanceRow(
    _ACCOUNT,
    _VERSION,
    _DECEMBER_MS,
    True,
    997 * _CREDIT,
    0,
    2,
    entry_hash(_BURNED),
    1,
    1,
    _INGESTED_AT_MS,
    "",
    # As JSON, like all examples: on the wire it is msgpack, as the rest of the row.
    Raw(encode(ACCOUNT)),
)
NOTICES: list[NoticeEvent] = [notice_event(notice, _PARTITION, _VERSION) for notice in (_ALERT, _REFILL, _BILL)]
