"""The notifier as a process, between a real Kafka and real HTTP servers."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from schemas.topics import TopicNames
from tests.integration.notify_scene import (
    PARTITIONS,
    WAIT_SECONDS,
    NotifyScene,
    alert,
    await_true,
    bill,
    refill_request,
)
from tests.receiver import SECOND_SECRET, SECRET, Receiver, Reply
from tests.servers import KafkaServer

DAY_MS = 86_400_000


@pytest.fixture
def scene(kafka: KafkaServer, create_topics: Callable[..., TopicNames], tmp_path: Path) -> NotifyScene:
    """Fresh topics."""
    return NotifyScene(kafka, create_topics(partitions=PARTITIONS), tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def test_every_committed_notice_arrives_signed_at_the_endpoint_of_its_kind(
    scene: NotifyScene, receiver: Receiver
) -> None:
    """Its bytes as they are in Kafka, nothing of an aborted transaction; everything is committed then."""
    topics = scene.topics
    with Receiver() as payments:
        scene.write(topics.alerts, alert("acme", "a1"))
        scene.write_aborted(topics.alerts, alert("ghost", "g1"))
        scene.write(topics.refill_requests, refill_request("acme", "r1"), refill_request("acme", "r1", 2))
        scene.write(topics.bills, bill("beta", "b1"), account="beta", partition=1)
        with scene.notifier(receiver.url, payments.url, receiver.url) as notifier:
            read = (topics.alerts, topics.refill_requests, topics.bills)
            await_true(lambda: not any(map(scene.lag, read)), notifier.said)
            assert notifier.metric("creditstream_notify_tries_total", verdict="delivered") == 4
            assert notifier.stop() == 0
        assert sorted(receiver.ids) == ["a1", "b1"]
        assert payments.ids == ["r1", "r1-2"]
        assert [request.event["id"] for request in payments.requests] == ["r1", "r1"]
        assert next(each.body for each in receiver.requests if each.id == "a1") == alert("acme", "a1")
        assert receiver.forged == payments.forged == []


def test_what_fails_is_tried_again_and_what_is_refused_is_kept(scene: NotifyScene, receiver: Receiver) -> None:
    """500 twice, a hang, a cut connection: delivered in the end, in order. 410: kept at once, with its bytes."""
    receiver.will_reply("a1", Reply(500), Reply(500))
    receiver.will_reply("b1", Reply(hangs_seconds=10))
    receiver.will_reply("c1", Reply(410))
    receiver.will_reply("d1", Reply(cut=True))
    topic = scene.topics.alerts
    for account in "abcd":
        scene.write(topic, alert(account, f"{account}1"), alert(account, f"{account}2"), account=account)
    with scene.notifier(receiver.url) as notifier:
        await_true(lambda: scene.lag(topic) == 0, notifier.said)
        assert notifier.alive()
    for account in "abcd":
        arrived = dict.fromkeys(identity for identity in receiver.ids if identity.startswith(account))
        assert list(arrived) == [f"{account}1", f"{account}2"]
    tries = Counter(receiver.ids)
    assert (tries["a1"], tries["c1"]) == (3, 1)
    assert tries["b1"] >= 2
    assert tries["d1"] >= 2
    assert set(receiver.taken) == {"a1", "a2", "b1", "b2", "c2", "d1", "d2"}
    (letter,) = scene.letters
    assert (letter.reason, letter.kind, letter.id, letter.account) == ("refused", "alert", "c1", "c")
    assert letter.value == alert("c", "c1")
    assert SECRET not in notifier.log.read_text()
    assert receiver.url not in notifier.log.read_text()


def test_a_dead_endpoint_stops_neither_other_kinds_nor_the_process(scene: NotifyScene, receiver: Receiver) -> None:
    """Nobody listens for alerts: refill requests arrive, the queue is bounded, and all arrive once somebody does."""
    topic, port = scene.topics.alerts, free_port()
    for number in range(40):
        scene.write(topic, alert(f"account-{number}", f"a{number}"), account=f"account-{number}")
    scene.write(scene.topics.refill_requests, refill_request("acme", "r1"))
    with scene.notifier(
        f"http://127.0.0.1:{port}/hook", receiver.url, notify_held_notices=10, notify_concurrency=4
    ) as notifier:
        await_true(lambda: receiver.ids == ["r1"], notifier.said)
        await_true(lambda: notifier.metric("creditstream_notify_paused", kind="alert") == 1, notifier.said)
        assert notifier.get("/healthz")[0] == 200
        assert scene.lag(topic) > 0
        with Receiver(port) as alerts:
            await_true(lambda: scene.lag(topic) == 0, notifier.said)
            assert sorted(alerts.taken) == sorted(f"a{number}" for number in range(40))
            assert notifier.metric("creditstream_notify_held_notices", kind="alert") <= 10 + 64
    assert scene.letters == []


def test_a_killed_notifier_loses_nothing_and_repeats_only_what_was_on_its_way(
    scene: NotifyScene, receiver: Receiver
) -> None:
    """kill -9 between an endpoint's answer and the commit, twice: every id arrives, and each account's in order."""
    topic = scene.topics.alerts
    ids = [f"a{number}" for number in range(60)]
    with scene.notifier(receiver.url, crash_point="notify.delivered:13") as notifier:
        for number, identity in enumerate(ids):
            account = f"account-{number % 7}"
            scene.write(topic, alert(account, identity), account=account, partition=number % 7 % PARTITIONS)
        for next_crash in ("notify.delivered:20", ""):
            assert notifier.wait(WAIT_SECONDS) == -9
            notifier.restart(crash_point=next_crash)
        await_true(lambda: scene.lag(topic) == 0, notifier.said)
        assert notifier.alive()
    assert set(receiver.taken) == set(ids)
    # At each kill up to 8 were on their way, and the 13 or 20 that were settled may not have been committed.
    assert len(receiver.ids) <= 60 + 8 + 13 + 8 + 20
    assert receiver.forged == []
    for first in range(7):
        arrived = dict.fromkeys(identity for identity in receiver.ids if int(identity[1:]) % 7 == first)
        assert list(arrived) == ids[first::7]
    assert scene.letters == []


def test_what_nobody_took_in_time_is_kept_and_can_be_redelivered_once(scene: NotifyScene, receiver: Receiver) -> None:
    """A day old and failing: kept with its reason; `redeliver` feeds it back, and a second run finds nothing to do."""
    topic = scene.topics.alerts
    receiver.always["a1"] = Reply(500)
    receiver.always["r1"] = Reply(404)
    yesterday_ms = time.time_ns() // 1_000_000 - 2 * DAY_MS
    scene.write(topic, alert("acme", "a1"), at_ms=yesterday_ms)
    scene.write(scene.topics.refill_requests, refill_request("beta", "r1"), account="beta")
    with scene.notifier(receiver.url, receiver.url) as notifier:
        await_true(lambda: len(scene.letters) == 2, notifier.said)
        assert {letter.id: (letter.reason, letter.attempts) for letter in scene.letters} == {
            "a1": ("given_up", 3),
            "r1": ("refused", 1),
        }
        receiver.always.clear()
        assert told(scene.redeliver("--all", "--dry-run")) == "would be fed back: 1 alert, 1 refill_request\n"
        assert told(scene.redeliver("--account", "acme")) == "fed back: 1 alert\n"
        await_true(lambda: receiver.taken == {"a1": 1}, notifier.said)
        assert told(scene.redeliver("--all")) == "fed back: 1 refill_request\n"
        await_true(lambda: receiver.taken == {"a1": 1, "r1": 1}, notifier.said)
        assert told(scene.redeliver("--all")) == "nothing to feed back\n"
        await_true(lambda: scene.lag(scene.topics.undelivered_notices) == 0, notifier.said)
    assert receiver.taken == {"a1": 1, "r1": 1}
    assert len(scene.letters) == 2


def told(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed, which went well."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_notifiers_share_the_partitions_and_one_that_leaves_repeats_nothing(
    scene: NotifyScene, receiver: Receiver
) -> None:
    """The one that leaves waits for what is on its way and commits it."""
    topic = scene.topics.alerts

    def write(first: int, count: int) -> None:
        for number in range(first, first + count):
            scene.write(topic, alert(f"account-{number}", f"a{number}"), partition=number % PARTITIONS)

    with scene.notifier(receiver.url) as first:
        write(0, 20)
        with scene.notifier(receiver.url) as second:
            name = "creditstream_notify_assigned_partitions"
            await_true(lambda: first.metric(name) == second.metric(name) == PARTITIONS, second.said)
            write(20, 20)
            assert first.stop() == 0
            write(40, 20)
            await_true(lambda: scene.lag(topic) == 0, second.said)
            assert second.stop() == 0
    assert receiver.taken == {f"a{number}": 1 for number in range(60)}


def test_a_receiver_may_exchange_its_secret_while_notices_go_on(scene: NotifyScene) -> None:
    """With the second secret set, receivers with the old one and those with the new one find their signature."""
    scene.write(scene.topics.alerts, alert("acme", "a1"))
    with Receiver(secret=SECOND_SECRET) as renewed:
        scene.write(scene.topics.refill_requests, refill_request("acme", "r1"))
        with (
            Receiver() as old,
            scene.notifier(
                old.url,
                renewed.url,
                notify_alerts_second_secret=SECOND_SECRET,
                notify_refill_requests_second_secret=SECOND_SECRET,
            ) as notifier,
        ):
            await_true(lambda: old.taken == {"a1": 1} and renewed.taken == {"r1": 1}, notifier.said)
            assert old.forged == renewed.forged == []
