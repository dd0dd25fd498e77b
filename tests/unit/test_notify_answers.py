"""What an endpoint's answer means, and how long the next try waits."""

import pytest

from sinks.notify.answers import Answer, Verdict, retry_after_seconds, wait_seconds

NOW = 1_793_750_400
"""2026-11-04T00:00:00Z."""


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (202, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (301, Verdict.FAILED),
        (308, Verdict.FAILED),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
        (403, Verdict.REFUSED),
        (404, Verdict.REFUSED),
        (408, Verdict.FAILED),
        (409, Verdict.REFUSED),
        (410, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (425, Verdict.FAILED),
        (429, Verdict.FAILED),
        (499, Verdict.REFUSED),
        (500, Verdict.FAILED),
        (502, Verdict.FAILED),
        (503, Verdict.FAILED),
        (600, Verdict.FAILED),
        (None, Verdict.FAILED),
    ],
)
def test_a_status_means(status: int | None, verdict: Verdict) -> None:
    """2xx is taken; 4xx is refused for good, but for 408, 425 and 429; all else, redirects too, is tried again."""
    assert Answer(status, "no connection").verdict is verdict


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("3600", 3600),
        ("86400", 3600),
        ("9" * 5_000, 3600),
        ("-5", 0),
        ("1.5", 0),
        ("٣", 0),
        ("soon", 0),
        ("Wed, 04 Nov 2026 00:01:00 GMT", 60),
        ("Wed, 04 Nov 2026 00:01:00 -0000", 60),
        ("Tue, 03 Nov 2026 23:00:00 GMT", 0),
        ("Fri, 04 Nov 2033 00:00:00 GMT", 3600),
        ("Wed, 99 Nov 2026 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_honoured_up_to_an_hour(header: str | None, seconds: float) -> None:
    """In seconds, or until a date; what is neither says nothing."""
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("tries", "shortest", "longest"),
    [(1, 0.5, 1), (2, 1, 2), (3, 2, 4), (9, 128, 256), (10, 150, 300), (11, 150, 300), (100_000, 150, 300)],
)
def test_the_wait_after_so_many_tries(tries: int, shortest: float, longest: float) -> None:
    """It doubles up to five minutes, and is drawn from the upper half of each step."""
    assert wait_seconds(tries, lambda low, _high: low) == shortest
    assert wait_seconds(tries, lambda _low, high: high) == longest
