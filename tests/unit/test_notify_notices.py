"""The notices that the ledger makes are read as they are written."""

import pytest

from schemas.account import BillLine
from schemas.codec import encode_json
from schemas.identifiers import Account
from schemas.notice_events import notice_event
from schemas.notices import Alert, Bill, Notice, RefillRequest
from schemas.undelivered_notice import NoticeKind
from sinks.notify.notices import UnreadableError, read_notice, read_redelivery
from stream.rules.ledger.refill import request_id
from stream.rules.ledger.thresholds import alert_id
from tests.unit.notify_fakes import START_MS, record

ACME = Account("acme\x00\r\n é.")
"""An account may be called anything; an id must go into a header."""
LINE = BillLine(START_MS, 800_000, "EUR", 1_500_000)
REQUEST = request_id(ACME, 4)


@pytest.mark.parametrize(
    ("notice", "kind", "webhook_id"),
    [
        (
            Alert(alert_id(ACME, "20%", 3), ACME, "threshold", 7, "enforce", START_MS, "20%", 9),
            "alert",
            alert_id(ACME, "20%", 3),
        ),
        (RefillRequest(REQUEST, ACME, 4, 500_000_000, 1, 3, START_MS), "refill_request", REQUEST),
        (RefillRequest(REQUEST, ACME, 4, 500_000_000, 2, 3, START_MS), "refill_request", f"{REQUEST}-2"),
        (Bill(ACME, "pro", START_MS, START_MS + 1, (LINE,), (960,)), "bill", None),
    ],
    ids=["alert", "request", "request again", "bill"],
)
def test_what_the_ledger_tells_can_be_sent(notice: Notice, kind: NoticeKind, webhook_id: str | None) -> None:
    """Its kind, its account, an id that goes into a header, and its bytes as they are."""
    event = notice_event(notice, 3, 1)
    value = encode_json(event)
    held = read_notice(record(value, 0), kind)
    assert (held.kind, held.account, held.body) == (kind, ACME, value)
    assert held.webhook_id == (webhook_id or event.id)


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b'{"record":"else"}', b"[" * 100_000, b"nan"])
def test_bytes_that_are_no_notice_are_unreadable(value: bytes) -> None:
    """In whichever topic they are, and whatever they would do to a parser."""
    with pytest.raises(UnreadableError):
        read_notice(record(value, 0), "alert")
    with pytest.raises(UnreadableError):
        read_redelivery(record(value, 0))
