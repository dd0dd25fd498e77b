"""ClickHouse dies, is away, or answers badly; and a row that it refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import msgspec
from clickhouse_connect.driver import Client

from schemas.codec import decode_dead_letter
from schemas.dead_letter import DeadLetter, Reason
from tests.chaos.crew import DATABASE, KILLED
from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.proxy import Mood, MoodyProxy
from tests.chaos.stage import Stage
from tests.integration.system import PARTITIONS
from tests.simulation.observed import read_topic

_KILLS = 3
_DOWN_SECONDS = 2.0
_AWAY_SECONDS, _SHORT_AWAY_SECONDS = 300.0, 20.0
_FULL_SECONDS = 15.0
_MET_SECONDS = 60.0
_MOOD_SECONDS = 6.0
_BAD_MOODS = (Mood.REFUSING, Mood.MUTE, Mood.HALF, Mood.BROKEN)
_AWAY_RATE = 4_000
_NO_SPACE = "NOT_ENOUGH_SPACE"
_MORE_THAN_THERE_IS_BYTES = 1 << 60
_POISONED_ACCOUNT = "account-100"
"""About one charge a second: each is one among hundreds of its batch."""


def _killed(stage: Stage) -> None:
    """Each time while an insert is under way: the proxy passes it on, and no answer comes back."""
    clickhouse = stage.local_clickhouse()
    with _between(stage, MoodyProxy(clickhouse.port, clickhouse.kill)) as proxy:
        for number in range(1, _KILLS + 1):
            stage.sleep(2)
            proxy.mood = Mood.DEADLY
            stage.wait_until(lambda number=number: proxy.met[Mood.DEADLY] >= number, "an insert")  # type: ignore[misc]
            stage.prove("ClickHouse was killed while it inserted", holds=not clickhouse.answers())
            stage.sleep(_DOWN_SECONDS)
            clickhouse.start()
        _finish(stage)


def _away(stage: Stage) -> None:
    stage.sleep(3)
    stage.local_clickhouse().stop()
    stage.sleep(_AWAY_SECONDS if stage.long else _SHORT_AWAY_SECONDS)
    stage.prove("ClickHouse was away", holds=not stage.local_clickhouse().answers())
    stage.prove("the sink did not end", holds=not stage.restarts)
    stage.local_clickhouse().start()
    stage.over()


def _frozen(stage: Stage) -> None:
    stage.sleep(3)
    stage.local_clickhouse().freeze()
    stage.sleep(15)
    stage.prove("ClickHouse did not answer", holds=not stage.local_clickhouse().answers())
    stage.local_clickhouse().thaw()
    stage.over()


def _moody(stage: Stage) -> None:
    with _between(stage, MoodyProxy(stage.local_clickhouse().port)) as proxy:
        for mood in _BAD_MOODS:
            proxy.mood = mood
            stage.sleep(_MOOD_SECONDS)
            # The sink asks less often each time that it is let down.
            stage.wait_until(partial(_met, proxy, mood), f"requests that are {mood.value}", _MET_SECONDS)
            stage.prove(f"{proxy.met[mood]} requests were {mood.value}", holds=proxy.met[mood] > 0)
        proxy.mood = Mood.HONEST
        _finish(stage)


def _met(proxy: MoodyProxy, mood: Mood) -> bool:
    return proxy.met[mood] > 0


@contextmanager
def _between(stage: Stage, proxy: MoodyProxy) -> Iterator[MoodyProxy]:
    """Let a new sink speak to ClickHouse through the proxy alone."""
    with proxy:
        stage.clickhouse_port = proxy.port
        (direct,) = stage.sinks
        direct.down = True
        direct.running.stop()
        stage.sinks.clear()
        stage.start_sink()
        yield proxy


def _finish(stage: Stage) -> None:
    """The fault is over, and its proxy is needed to the end: it lives until everything is written."""
    stage.over()
    stage.await_recovery()
    stage.settle()
    stage.wait_written()


def _disk_full(stage: Stage) -> None:
    """ClickHouse takes its disk for full: it answers every insert as it does when no space can be reserved."""
    stage.sleep(4)
    with stage.clickhouse_client() as client:
        _require_free_bytes(client, _MORE_THAN_THERE_IS_BYTES)
        stage.wait_until(lambda: _NO_SPACE in stage.sinks[0].log(), "an insert that finds no space")
        stage.sleep(_FULL_SECONDS)
        refused = stage.sinks[0].log().count(_NO_SPACE)
        stage.prove(f"the sink was told {refused} times that there is not enough space")
        stage.prove("the sink did not end", holds=not stage.restarts)
        _require_free_bytes(client, 0)
    stage.over()


def _require_free_bytes(client: Client, least_bytes: int) -> None:
    """Let no table take an insert unless so much of the disk is free."""
    tables = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'",
        parameters={"database": DATABASE},
    ).result_rows
    for (table,) in tables:
        client.command(
            f"ALTER TABLE {DATABASE}.{table} MODIFY SETTING min_free_disk_bytes_to_perform_insert = {least_bytes}"
        )


def _killed_at_dead_letter(stage: Stage) -> None:
    """The sink is killed when it has just put a refused row among the dead letters."""
    (sink,) = stage.sinks
    sink.running.kill()
    sink.running.restart(crash_point="sink.dead_lettered:2")
    _poisoned(stage)
    stage.prove("the sink was killed at a dead letter", holds=KILLED in sink.ended)


def _poisoned(stage: Stage) -> None:
    """Charges of one account are refused; then the cause is mended, and the dead letters are written as they say."""
    with stage.clickhouse_client() as client:
        client.command(f"ALTER TABLE {DATABASE}.charges ADD CONSTRAINT poison CHECK account != '{_POISONED_ACCOUNT}'")
        stage.sleep(10)
        _finish(stage)
        _require_refused_alone(stage, client)
        client.command(f"ALTER TABLE {DATABASE}.charges DROP CONSTRAINT poison")
        for letter in _refused_rows(stage):
            client.raw_insert(f"{DATABASE}.charges", insert_block=letter.value, fmt="JSONEachRow")
        # What the sink refused is told in the same table as rejected input: the oracle knows the latter alone.
        client.command(
            "DELETE FROM {database:Identifier}.dead_letters WHERE reason = {reason:String}",
            parameters={"database": DATABASE, "reason": Reason.REFUSED_BY_CLICKHOUSE.value},
            settings={"lightweight_deletes_sync": 2},
        )


def _require_refused_alone(stage: Stage, client: Client) -> None:
    """Every charge of other accounts is written, and each of this one's that is not is a dead letter."""
    charges = stage.system.outputs().charges
    of_others = sum(identity.account != _POISONED_ACCOUNT for identity in charges)
    written, early = client.query(
        "SELECT countIf(account != {poisoned:String}), countIf(account = {poisoned:String})"
        " FROM {database:Identifier}.charges FINAL",
        parameters={"database": DATABASE, "poisoned": _POISONED_ACCOUNT},
    ).result_rows[0]
    refused = {str(msgspec.json.decode(letter.value)["id"]) for letter in _refused_rows(stage)}
    if written != of_others:
        raise ChaosError(f"{written} charges of other accounts are written, out of {of_others}")
    if early + len(refused) < len(charges) - of_others:
        raise ChaosError(f"{len(charges) - of_others} are poisoned, {early} came before, {len(refused)} dead letters")
    stage.prove(f"ClickHouse refused {len(refused)} charges of one account", holds=bool(refused))


def _refused_rows(stage: Stage) -> list[DeadLetter]:
    messages = read_topic(stage.kafka.bootstrap_servers, stage.system.topics.sink_dead_letters, PARTITIONS)
    return [decode_dead_letter(message.value() or b"") for message in messages]


FAULTS = [
    Fault(
        name="clickhouse-killed",
        about="ClickHouse killed -9 in the middle of an insert, three times",
        breaks=_killed,
        sink=True,
    ),
    Fault(
        name="clickhouse-away",
        about="ClickHouse stopped for 5 min (20 s with --quick)",
        breaks=_away,
        sink=True,
        rate=_AWAY_RATE,
    ),
    Fault(name="clickhouse-frozen", about="ClickHouse stopped by SIGSTOP for 15 s", breaks=_frozen, sink=True),
    Fault(
        name="clickhouse-moody",
        about="a proxy answers 500, nothing, or half; and passes half of a request on",
        breaks=_moody,
        sink=True,
    ),
    Fault(
        name="disk-full",
        about="ClickHouse's disk is full for 15 s: no write goes well",
        breaks=_disk_full,
        sink=True,
    ),
    Fault(
        name="crash-sink-dead-lettered",
        about="kill -9 of the sink when a row that ClickHouse refuses is a dead letter",
        breaks=_killed_at_dead_letter,
        sink=True,
    ),
    Fault(
        name="poison-row",
        about="ClickHouse refuses one account's charges; then the cause is mended and the dead letters are written",
        breaks=_poisoned,
        sink=True,
    ),
]
