"""The reporter checks, identifies, queues and tells, whatever Kafka does."""

import logging
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from threading import Thread
from uuid import UUID

import pytest

from producers import DeliveryError, InvalidUsageError, QueueFullError, ReporterClosedError
from schemas.codec import decode_usage_event
from tests.unit.reporter_scene import Scene


def test_a_report_is_a_cloud_event_keyed_by_its_account() -> None:
    """Topic, key, header and every field are as the schema has them."""
    scene = Scene(topic="prefix.usage.events")
    at = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=timezone(timedelta(hours=2)))
    event_id = scene.report(quantity=374, occurred_at=at, id="e-1")
    topic, value, key, headers = scene.producer.sent[0]
    assert (topic, key) == ("prefix.usage.events", "acme")
    assert headers == [("content-type", b"application/cloudevents+json")]
    event = decode_usage_event(value)
    assert (event_id, event.id, event.source, event.subject) == ("e-1", "e-1", "runtime/1", "acme")
    assert event.time == at
    assert (event.data.agent, event.data.conversation, event.data.channel) == ("support", "c-17", "widget")
    assert (event.data.node, event.data.quantity) == ("llm_prompt", 374)
    assert (event.specversion, event.type) == ("1.0", "creditstream.usage")


def test_a_report_happens_now_unless_a_time_is_given() -> None:
    """The time lies between before and after the call, cut to the millisecond."""
    scene = Scene()
    before = datetime.now(UTC)
    scene.report()
    assert before - timedelta(milliseconds=1) < scene.events()[0].time <= datetime.now(UTC)


def test_ids_are_uuid7_of_now_and_differ_across_threads() -> None:
    """Four threads make 20,000 ids: all differ, and each is a version 7 UUID of this minute."""
    scene = Scene()
    ids: list[str] = []

    def work() -> None:
        ids.extend([scene.report() for _ in range(5_000)])

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 20_000
    made = [UUID(each) for each in ids]
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    now_ms = datetime.now(UTC).timestamp() * 1000
    assert all(now_ms - 60_000 < (each.int >> 80) <= now_ms for each in made)


def test_a_span_makes_the_same_id_every_time() -> None:
    """Run, span and node decide it, and are kept apart."""
    scene = Scene()
    first = scene.report(run="r", span="s")
    assert scene.report(run="r", span="s") == first
    assert scene.reporter.event_id(run="r", span="s", node="llm_prompt") == first
    others = {
        scene.report(run="r", span="s", node="message"),
        scene.report(run="r/s", span="s"),
        scene.report(run="r", span="s/s"),
    }
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    ("quantity", "sent"),
    [
        (1, 1),
        (10**12, 10**12),
        (Decimal("0.000001"), Decimal("0.000001")),
        (Decimal("2.50"), Decimal("2.5")),
        (Decimal("1E+3"), 1000),
    ],
)
def test_a_quantity_is_sent_exactly(quantity: int | Decimal, sent: int | Decimal) -> None:
    """What the worker reads is the quantity that was reported."""
    scene = Scene()
    scene.report(quantity=quantity)
    assert scene.events()[0].data.quantity == sent


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"account": ""}, "account has 0 characters"),
        ({"account": "a" * 257}, "account has 257 characters"),
        ({"account": 7}, "account is 7: pass text"),
        ({"agent": None}, "agent is None"),
        ({"conversation": ""}, "conversation has 0"),
        ({"node": ""}, "node has 0"),
        ({"node": "half\ud800"}, "half a surrogate pair"),
        ({"channel": "pigeon"}, "channel is 'pigeon', which is unknown: pass one of api,"),
        ({"quantity": 0}, "quantity is 0: pass one above 0"),
        ({"quantity": -1}, "quantity is -1"),
        ({"quantity": 10**12 + 1}, "at most 1000000000000"),
        ({"quantity": 1.5}, "quantity is 1.5: pass an int or a Decimal"),
        ({"quantity": True}, "quantity is True"),
        ({"quantity": Decimal("NaN")}, "not a finite number"),
        ({"quantity": Decimal("0.0000001")}, "quantity"),
        ({"quantity": Decimal("1.0000001")}, "more than 6 decimals"),
        ({"occurred_at": datetime(2026, 1, 1)}, "without a zone"),  # noqa: DTZ001
        ({"occurred_at": "2026-01-01"}, "pass a datetime with a zone"),
        ({"id": ""}, "id has 0 characters"),
        ({"run": "r"}, "pass both, or neither"),
        ({"run": "r", "span": ""}, "span has 0"),
    ],
)
def test_what_the_pipeline_would_reject_is_refused_before_it_is_sent(changed: dict[str, object], told: str) -> None:
    """The error names the argument, its value and what is allowed; nothing is queued."""
    scene = Scene()
    with pytest.raises(InvalidUsageError) as refused:
        scene.report(**changed)
    assert told in str(refused.value)
    assert scene.producers == [] or scene.producer.sent == []


def test_a_full_queue_drops_to_on_error_when_told_to() -> None:
    """The caller goes on, the event is told."""
    scene = Scene(room=1, when_full="drop")
    scene.report(id="kept")
    assert scene.report(id="dropped") == "dropped"
    assert [failure.event.id for failure in scene.failures] == ["dropped"]
    assert "queue was full" in scene.failures[0].reason


def test_a_full_queue_raises_when_told_to() -> None:
    """The error names the event, so that it can be reported again."""
    scene = Scene(room=1, when_full="raise")
    scene.report()
    with pytest.raises(QueueFullError, match="usage event second of account acme found no room among 1"):
        scene.report(id="second")


def test_a_full_queue_blocks_until_there_is_room() -> None:
    """The event is sent once, with the id it had, when a delivery makes room."""
    scene = Scene(room=1)
    scene.report(id="first")
    scene.producer.room_per_poll = 1
    assert scene.report(id="second") == "second"
    assert [event.id for event in scene.events()] == ["first", "second"]
    assert scene.failures == []


def test_a_full_queue_does_not_block_for_ever() -> None:
    """After its time-out, a blocked report raises."""
    scene = Scene(room=0, block_timeout_seconds=0.01)
    with pytest.raises(QueueFullError, match=r"for 0\.01 s"):
        scene.report()


def test_a_delivery_error_reaches_on_error_with_the_event() -> None:
    """The failure holds the event as it was reported, and what Kafka said."""
    scene = Scene()
    scene.report(id="lost", quantity=3)
    scene.producer.failing = scene.producer.waiting[:]
    scene.reporter.flush()
    assert [(failure.event.id, failure.event.data.quantity) for failure in scene.failures] == [("lost", 3)]
    assert "acme was not delivered: Broker: Message size too large" in str(scene.failures[0])


def test_an_on_error_that_raises_does_not_reach_a_report(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged instead, with the event."""

    def careless(_: DeliveryError) -> None:
        raise RuntimeError("mistake in on_error")

    scene = Scene(room=0, when_full="drop", on_error=careless)
    scene.report(id="dropped")
    assert "on_error raised for: usage event dropped" in caplog.text


def test_failures_are_logged_once_a_second_when_nobody_asked(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand failures at once are one line."""
    scene = Scene(room=0, when_full="drop", on_error=None)
    with caplog.at_level(logging.ERROR):
        for _ in range(1_000):
            scene.report()
    assert 1 <= len(caplog.records) < 10


def test_closing_tells_of_what_was_not_delivered() -> None:
    """Nothing is lost in silence: each event still queued reaches on_error, and is counted."""
    scene = Scene()
    ids = [scene.report() for _ in range(3)]
    assert scene.reporter.queued == 3
    assert scene.reporter.close(0) == 3
    assert [failure.event.id for failure in scene.failures] == ids
    assert scene.reporter.close() == 0


def test_a_closed_reporter_refuses_reports() -> None:
    """Leaving the block closes it."""
    scene = Scene()
    with scene.reporter:
        scene.report()
        scene.producer.waiting.clear()
    with pytest.raises(ReporterClosedError, match="make a new one"):
        scene.report()


def test_a_child_starts_anew() -> None:
    """After a fork there is a new producer and another source of ids; the parent's queue stays with the parent."""
    scene = Scene()
    scene.report()
    scene.reporter.start_anew_in_child()
    assert scene.reporter.queued == 0
    scene.report()
    assert [len(producer.sent) for producer in scene.producers] == [1, 1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"when_full": "wait"}, "when_full is 'wait': pass block, drop or raise"),
        ({"max_queued": 0}, "max_queued is 0"),
        ({"source": ""}, "source has 0 characters"),
        ({"kafka_config": {"acks": "1", "partitioner": "random"}}, "kafka_config sets acks, partitioner"),
    ],
)
def test_options_that_cannot_hold_are_refused(options: dict[str, object], told: str) -> None:
    """A reporter is not made with them."""
    with pytest.raises(ValueError, match=told):
        Scene(**options)


def test_the_producer_is_idempotent_and_partitions_as_java_does() -> None:
    """Whatever kafka_config adds."""
    scene = Scene(kafka_config={"linger.ms": 1}, max_queued=7)
    scene.report()
    config = scene.producer.config
    assert (config["enable.idempotence"], config["acks"]) == (True, "all")
    assert (config["partitioner"], config["linger.ms"]) == ("murmur2_random", 1)
    assert config["queue.buffering.max.messages"] == 7
