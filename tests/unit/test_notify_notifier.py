"""The notifier's loop on fakes: what is sent when, in which order, what is held back, given up and committed."""

import hashlib
from itertools import pairwise

import pytest

from schemas.codec import encode_json
from schemas.undelivered_notice import Redelivery
from sinks.intake import Committed, End
from sinks.notify.answers import Answer
from sinks.notify.notices import Held
from tests.unit.notify_fakes import (
    ALERTS,
    DELIVERED,
    FAILED,
    REFILLS,
    REFUSED,
    START_MS,
    UNDELIVERED,
    NotifyScene,
    alert_value,
    record,
    refill_value,
)


def test_a_notice_is_posted_and_then_committed() -> None:
    """Its offset is committed only once the endpoint took it."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: None
    scene.turn(record(alert_value("acme", "a1"), 0))
    assert scene.courier.ids == ["a1"]
    assert not [commit for commit in scene.source.commits if ALERTS in commit and commit[ALERTS][0] > 0]
    scene.courier.reply()
    scene.run_for(1)
    assert scene.source.committed(ALERTS).offset == 1
    assert scene.value("tries_total", kind="alert", verdict="delivered") == 1


def test_tries_wait_twice_as_long_each_time_and_at_most_five_minutes() -> None:
    """1, 2, 4, … 256, 300, 300 s, where nothing is drawn."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: FAILED
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.run_for(1_200)
    times = [at for at, _ in scene.courier.sent]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_every_try_has_the_same_id_and_body_and_a_time_and_signature_of_its_own() -> None:
    """A receiver may refuse what was signed long ago."""
    scene = NotifyScene()
    answers = iter([FAILED, DELIVERED])
    scene.courier.answer = lambda _held: next(answers)
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.run_for(2)
    first, second = scene.courier.headers
    assert first["webhook-id"] == second["webhook-id"] == "a1"
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 1
    assert first["webhook-signature"] != second["webhook-signature"]


def test_an_accounts_notices_go_one_after_the_other_and_others_do_not_wait() -> None:
    """Of `acme` the first fails: its second waits behind it, that of `beta` does not."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: FAILED if held.webhook_id == "a1" and held.tries < 3 else DELIVERED
    scene.turn(
        record(alert_value("acme", "a1"), 0),
        record(alert_value("acme", "a2"), 1),
        record(alert_value("beta", "b1"), 2),
    )
    assert scene.courier.ids == ["a1", "b1"]
    scene.run_for(5)
    assert scene.courier.ids == ["a1", "b1", "a1", "a1", "a2"]
    assert scene.source.committed(ALERTS) == Committed(3, None, 0, "")


def test_kinds_do_not_wait_for_each_others_endpoint() -> None:
    """Alerts fail for an hour; a refill request of the same account goes at once."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: FAILED if held.kind == "alert" else DELIVERED
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.run_for(3_600, step=10)
    scene.turn(record(refill_value("acme", "r1"), 0, REFILLS))
    assert scene.courier.ids[-1] == "r1"


def test_no_more_than_the_bound_are_on_the_way() -> None:
    """Of each kind; the next goes when one was answered."""
    scene = NotifyScene(notify_concurrency=2)
    scene.courier.answer = lambda _held: None
    scene.turn(*(record(alert_value(f"account-{number}", f"a{number}"), number) for number in range(5)))
    assert scene.courier.ids == ["a0", "a1"]
    scene.courier.reply()
    scene.turn()
    assert scene.courier.ids == ["a0", "a1", "a2", "a3"]


def test_a_full_queue_holds_its_own_partitions_back_until_half_of_it_went() -> None:
    """And those of redeliveries, which are of any kind; other kinds are read on."""
    scene = NotifyScene(notify_held_notices=4, notify_concurrency=1)
    scene.courier.answer = lambda held: None if held.kind == "alert" else DELIVERED
    scene.turn(*(record(alert_value("acme", f"a{number}"), number) for number in range(4)))
    scene.run_for(1)
    assert scene.source.held == {ALERTS, UNDELIVERED}
    assert scene.value("paused", kind="alert") == 1
    scene.turn(record(alert_value("acme", "a4"), 4), record(refill_value("acme", "r1"), 0, REFILLS))
    assert scene.value("held_notices", kind="alert") == 4
    assert scene.courier.ids == ["a0", "r1"]
    scene.courier.reply()
    scene.turn()
    assert scene.source.held == {ALERTS, UNDELIVERED}
    scene.courier.reply()
    scene.turn()
    assert scene.source.held == set()
    scene.courier.answer = lambda _held: DELIVERED
    scene.courier.reply()
    scene.turn(times=6)
    assert scene.courier.ids == ["a0", "r1", "a1", "a2", "a3", "a4"]


def test_a_large_notice_fills_the_queue_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is bounded by bytes as well as by number."""
    monkeypatch.setattr("sinks.notify.deliveries.MOST_BYTES_HELD", 100)
    scene = NotifyScene()
    scene.courier.answer = lambda _held: None
    scene.turn(record(alert_value("acme", "a1"), 0))
    assert scene.source.held == {ALERTS, UNDELIVERED}


def test_an_endpoint_is_left_alone_for_as_long_as_it_asks() -> None:
    """Retry-After is of the endpoint: no other notice of the kind goes meanwhile, and its account's waits too."""
    scene = NotifyScene(notify_concurrency=1)
    scene.courier.answer = lambda _held: Answer(429, retry_after="30") if not scene.clock.seconds else DELIVERED
    scene.turn(record(alert_value("acme", "a1"), 0), record(alert_value("beta", "b1"), 1))
    scene.run_for(29)
    assert scene.courier.ids == ["a1"]
    scene.run_for(1)
    assert sorted(scene.courier.ids) == ["a1", "a1", "b1"]


def test_what_is_refused_for_good_is_kept_at_once_with_its_bytes() -> None:
    """And the next of its account goes."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: REFUSED if held.webhook_id == "a1" else DELIVERED
    value = alert_value("acme", "a1")
    scene.turn(record(value, 7), record(alert_value("acme", "a2"), 8), times=6)
    (letter,) = scene.letters.letters
    assert (letter.reason, letter.kind, letter.id, letter.account) == ("refused", "alert", "a1", "acme")
    assert (letter.topic, letter.partition, letter.offset, letter.attempts) == ("credits.alerts", 0, 7, 1)
    assert (letter.value, letter.value_bytes) == (value, len(value))
    assert letter.value_sha256 == hashlib.sha256(value).hexdigest()
    assert letter.detail == "HTTP status 410, at the last of 1 tries"
    assert scene.courier.ids == ["a1", "a2"]
    assert scene.value("undelivered_total", kind="alert", reason="refused") == 1


def test_what_fails_is_given_up_when_it_is_a_day_old() -> None:
    """Counted from when it was written; the next of its account is tried then."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: FAILED if held.webhook_id == "a1" else DELIVERED
    scene.turn(record(alert_value("acme", "a1"), 0), record(alert_value("acme", "a2"), 1))
    scene.run_for(86_399, step=10)
    assert scene.letters.letters == []
    scene.run_for(310, step=10)
    (letter,) = scene.letters.letters
    assert letter.reason == "given_up"
    assert letter.attempts > 280
    assert letter.undelivered_at_ms - letter.written_at_ms >= 86_400_000
    assert scene.courier.ids[-1] == "a2"


def test_what_is_old_when_it_is_read_is_tried_three_times() -> None:
    """As after the notifier was away for days."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: FAILED
    scene.turn(record(alert_value("acme", "a1"), 0, at_ms=START_MS - 10 * 86_400_000))
    scene.run_for(3)
    assert [letter.attempts for letter in scene.letters.letters] == [3]


def test_what_cannot_be_read_is_kept_and_stops_nothing() -> None:
    """No JSON, another kind, an id that does not go into a header."""
    scene = NotifyScene()
    bad = [b"{", refill_value("acme", "r1"), alert_value("acme", "a.1"), alert_value("acme", "a\r\nx: y"), b""]
    scene.turn(*(record(value, offset) for offset, value in enumerate(bad)))
    scene.turn(record(alert_value("acme", "a1"), 5))
    scene.run_for(1)
    assert [(letter.reason, letter.offset) for letter in scene.letters.letters] == [
        ("unreadable", offset) for offset in range(5)
    ]
    assert scene.courier.ids == ["a1"]
    assert scene.source.committed(ALERTS).offset == 6


def test_nothing_is_settled_before_its_letter_is_written() -> None:
    """While Kafka takes no letters the offset stays, and the account waits."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: REFUSED if held.webhook_id == "a1" else DELIVERED
    scene.letters.away = True
    scene.turn(record(alert_value("acme", "a1"), 0), record(alert_value("acme", "a2"), 1))
    scene.run_for(60)
    assert scene.courier.ids == ["a1"]
    assert scene.source.committed(ALERTS).offset == 0
    scene.letters.away = False
    scene.run_for(20)
    assert scene.courier.ids == ["a1", "a2"]
    assert len(scene.letters.letters) == 1
    assert scene.source.committed(ALERTS).offset == 2


def test_letters_that_wait_stop_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are bounded as notices are."""
    monkeypatch.setattr("sinks.notify.undelivered.MOST_WAITING", 2)
    scene = NotifyScene()
    scene.letters.away = True
    scene.turn(record(b"{", 0), record(b"{", 1))
    assert scene.source.held == {ALERTS, REFILLS, UNDELIVERED}
    scene.letters.away = False
    scene.run_for(20)
    assert scene.source.held == set()


def test_a_repeated_refill_request_is_a_message_of_its_own() -> None:
    """The request's id with the number of its attempt, from the second on."""
    scene = NotifyScene()
    scene.turn(*(record(refill_value("acme", "r1", attempt), attempt, REFILLS) for attempt in (1, 2, 3)), times=6)
    assert scene.courier.ids == ["r1", "r1-2", "r1-3"]


def test_a_kind_without_a_url_is_not_read() -> None:
    """Its topic is left alone, so that nothing of it is committed."""
    assert NotifyScene().source.topics == ["credits.alerts", "credits.refill-requests", "sinks.undelivered-notices"]


def redelivery(value: bytes, kind: str = "alert") -> bytes:
    """Asks for a notice to be delivered after all."""
    return encode_json(Redelivery(0, 3, kind, "a1", "acme", START_MS, value))


def test_a_redelivery_is_posted_as_the_notice_was_and_letters_are_passed_over() -> None:
    """The undelivered notice itself asks for nothing."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: REFUSED
    value = alert_value("acme", "a1")
    scene.turn(record(value, 0))
    bodies: list[bytes] = []

    def take(held: Held) -> Answer:
        bodies.append(held.body)
        return DELIVERED

    scene.courier.answer = take
    scene.turn(record(encode_json(scene.letters.letters[0]), 0, UNDELIVERED), record(redelivery(value), 1, UNDELIVERED))
    scene.run_for(1)
    assert scene.courier.ids == ["a1", "a1"]
    assert bodies == [value]
    assert scene.source.committed(UNDELIVERED).offset == 2
    assert len(scene.letters.letters) == 1


def test_a_redelivery_of_a_kind_that_goes_nowhere_is_kept_again() -> None:
    """And what cannot be read there is told by log and metric alone: a letter of it would come back for ever."""
    scene = NotifyScene(notify_refill_requests_url="", notify_refill_requests_secret="")
    scene.turn(record(redelivery(refill_value("acme", "r1")), 0, UNDELIVERED), record(b"{", 1, UNDELIVERED))
    scene.run_for(1)
    assert [(letter.reason, letter.id, letter.topic) for letter in scene.letters.letters] == [
        ("no_endpoint", "r1", "sinks.undelivered-notices")
    ]
    assert scene.value("undelivered_total", kind="redelivery", reason="unreadable") == 1
    assert scene.source.committed(UNDELIVERED).offset == 2


def test_a_restart_sends_again_what_was_not_settled_and_nothing_else() -> None:
    """Though the offset stays at the first that is open."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: FAILED if held.account == "acme" else DELIVERED
    records = [
        record(alert_value("acme" if number in (1, 3) else f"account-{number}", f"a{number}"), number)
        for number in range(6)
    ]
    scene.turn(*records)
    scene.run_for(1)
    committed = scene.source.committed(ALERTS)
    assert committed.offset == 1
    before = len(scene.courier.sent)
    scene.courier.answer = lambda _held: DELIVERED
    scene.notifier = scene.next()
    scene.notifier.assigned({ALERTS: committed})
    scene.turn(*records[1:], record(alert_value("acme", "a6"), 6))
    scene.run_for(1)
    assert scene.courier.ids[before:] == ["a1", "a3", "a6"]
    assert scene.source.committed(ALERTS) == Committed(7, None, 0, "")


def test_the_end_of_a_partition_past_markers_is_committed() -> None:
    """Lag dashboards show none."""
    scene = NotifyScene()
    scene.turn(record(alert_value("acme", "a1"), 0), End(ALERTS, 2))
    scene.run_for(1)
    assert scene.source.committed(ALERTS).offset == 2


def test_a_failed_commit_is_made_up_for_by_the_next() -> None:
    """It is counted."""
    scene = NotifyScene()
    scene.source.commit_fails = True
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.run_for(1)
    assert scene.value("commit_failures_total") >= 1
    scene.source.commit_fails = False
    scene.run_for(1)
    assert scene.source.committed(ALERTS).offset == 1


def test_a_revoked_partition_is_waited_for_and_what_waits_is_forgotten() -> None:
    """What is on its way is answered and committed; what failed is the next notifier's."""
    scene = NotifyScene()
    scene.courier.answer = lambda held: None if held.account == "acme" else FAILED
    scene.turn(record(alert_value("acme", "a1"), 0), record(alert_value("beta", "b1"), 1))
    scene.courier.reply()
    scene.notifier.revoked([ALERTS])
    assert scene.source.committed(ALERTS).offset == 1
    scene.run_for(60)
    assert scene.courier.ids == ["a1", "b1"]
    assert scene.value("held_notices", kind="alert") == 0


def test_a_late_answer_for_a_lost_partition_commits_nothing() -> None:
    """Nor does its refusal write a letter: the next notifier sends the notice itself."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: None
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.notifier.lost([ALERTS])
    scene.courier.reply(REFUSED)
    scene.run_for(1)
    assert scene.letters.letters == []
    assert all(commit.get(ALERTS, (0, ""))[0] == 0 for commit in scene.source.commits)


def test_a_stop_waits_for_what_is_on_its_way_and_commits() -> None:
    """And sends nothing more."""
    scene = NotifyScene(notify_concurrency=1)
    scene.courier.answer = lambda _held: None
    scene.turn(record(alert_value("acme", "a1"), 0), record(alert_value("beta", "b1"), 1))
    scene.courier.reply()
    scene.notifier.stop()
    scene.notifier.run()
    assert scene.courier.ids == ["a1"]
    assert scene.source.committed(ALERTS).offset == 1
    assert scene.source.closed


def test_a_stop_does_not_wait_for_ever() -> None:
    """20 s, then what is on its way is left to be sent again."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: None
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.notifier.stop()
    scene.notifier.run()
    assert scene.clock.seconds == 20
    assert scene.source.closed


def test_offsets_that_were_deleted_unread_are_counted() -> None:
    """By retention, while no notifier ran."""
    scene = NotifyScene()
    scene.notifier.assigned({ALERTS: Committed(5, None, 3)})
    assert scene.value("lost_offsets_total", topic="credits.alerts") == 3
