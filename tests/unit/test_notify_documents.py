"""What docs/notices.md shows is so: its events are notices, and its way to verify them is right."""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest

from schemas.codec import encode_json
from schemas.guarded_settings import Secret
from schemas.notice_events import decode_notice
from schemas.undelivered_notice import NoticeKind, Reason
from sinks.notify.notices import kind_of
from sinks.notify.signature import signed_headers
from tests.documents import ROOT
from tests.receiver import SECOND_SECRET, SECRET

TEXT = (ROOT / "docs" / "notices.md").read_text(encoding="utf-8")
JSON = re.findall(r"^```json\n(.*?)^```$", TEXT, re.M | re.S)
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
BODY = JSON[0].encode()
NOW = 1_793_784_600


@pytest.fixture
def verified() -> Callable[..., Any]:
    """The documented function."""
    (code,) = PYTHON
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)  # noqa: S102  the repository's own example
    return names["verified"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", JSON)
def test_an_event_that_is_shown_is_a_notice_as_it_is_written(text: str) -> None:
    """No field is missing, and none is there that the ledger would not write."""
    event = decode_notice(text.encode())
    assert json.loads(encode_json(event)) == json.loads(text)


def test_every_kind_is_shown_and_every_reason_named() -> None:
    """An example each."""
    assert {kind_of(decode_notice(text.encode())) for text in JSON} == set(get_args(NoticeKind))
    assert [reason for reason in get_args(Reason) if f"`{reason}`" not in TEXT] == []


@pytest.mark.parametrize("secrets", [[SECRET], [SECOND_SECRET, SECRET], [SECRET, SECOND_SECRET]])
@pytest.mark.parametrize("age_seconds", [0, 299, -299])
def test_what_the_notifier_signs_is_verified(
    verified: Callable[..., Any], secrets: list[str], age_seconds: int
) -> None:
    """By whichever secret the receiver has, for five minutes."""
    headers = signed_headers([Secret(secret) for secret in secrets], "a1", NOW - age_seconds, BODY)
    assert verified(SECRET, headers, BODY, NOW) == json.loads(BODY)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "a2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,grüße"},
    ],
    ids=str,
)
def test_what_somebody_changed_is_refused(verified: Callable[..., Any], changes: dict[str, str]) -> None:
    """Id, time and signature."""
    headers = signed_headers([Secret(SECRET)], "a1", NOW, BODY)
    assert verified(SECRET, {**headers, **changes}, BODY, NOW) is None


def test_what_others_signed_or_is_old_or_has_another_body_is_refused(verified: Callable[..., Any]) -> None:
    """A recorded request cannot be played back later."""
    headers = signed_headers([Secret(SECRET)], "a1", NOW, BODY)
    assert verified(SECOND_SECRET, headers, BODY, NOW) is None
    assert verified(SECRET, headers, BODY + b" ", NOW) is None
    assert verified(SECRET, headers, BODY, NOW + 301) is None
    assert verified(SECRET, headers, BODY, NOW - 301) is None
