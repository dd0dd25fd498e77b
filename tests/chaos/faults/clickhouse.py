"""ClickHouse dies, is away, or answers badly; and a row that it refuses."""

import msgspec
from clickhouse_connect.driver import Client

from schemas.codec import decode_dead_letter
from schemas.dead_letter import DeadLetter, Reason
from tests.chaos.fault import Fault
from tests.chaos.proxy import Mood, MoodyProxy
from tests.chaos.stage import DATABASE, ChaosError, Stage
from tests.integration.system import PARTITIONS
from tests.simulation.observed import read_topic

_KILLS = 3
_DOWN_SECONDS = 2.0
_AWAY_SECONDS, _LONG_AWAY_SECONDS = 60.0, 300.0
_MOOD_SECONDS = 6.0
_POISONED_ACCOUNT = "account-100"
"""About one charge a second: each is one among hundreds of its batch."""


def _killed(stage: Stage) -> None:
    for _ in range(_KILLS):
        stage.sleep(3.3)
        stage.local_clickhouse().kill()
        stage.sleep(_DOWN_SECONDS)
        stage.local_clickhouse().start()
    stage.over()


def _away(stage: Stage) -> None:
    stage.sleep(3)
    stage.local_clickhouse().stop()
    stage.sleep(_LONG_AWAY_SECONDS if stage.long else _AWAY_SECONDS)
    stage.local_clickhouse().start()
    stage.over()


def _frozen(stage: Stage) -> None:
    stage.sleep(3)
    stage.local_clickhouse().freeze()
    stage.sleep(15)
    stage.local_clickhouse().thaw()
    stage.over()


def _moody(stage: Stage) -> None:
    with MoodyProxy(stage.local_clickhouse().port) as proxy:
        stage.clickhouse_port = proxy.port
        (direct,) = stage.sinks
        stage.stop(direct)
        stage.sinks.clear()
        stage.start_sink()
        for mood in Mood:
            proxy.mood = mood
            stage.sleep(_MOOD_SECONDS)
        unmet = [mood.name for mood, count in proxy.met.items() if not count]
        if unmet:
            raise ChaosError(f"the sink sent no request while the proxy was {', '.join(unmet)}")
        proxy.mood = Mood.HONEST
        stage.over()
        # The proxy is needed to the end: the figures are compared within its life.
        stage.await_recovery()
        stage.settle()
        stage.wait_written()


def _poisoned(stage: Stage) -> None:
    """Charges of one account are refused; then the cause is mended, and the dead letters are written as they say."""
    with stage.clickhouse_client() as client:
        client.command(f"ALTER TABLE {DATABASE}.charges ADD CONSTRAINT poison CHECK account != '{_POISONED_ACCOUNT}'")
        stage.sleep(10)
        stage.over()
        stage.await_recovery()
        stage.settle()
        stage.wait_written()
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
    if not refused or early + len(refused) < len(charges) - of_others:
        raise ChaosError(f"{len(charges) - of_others} are poisoned, {early} came before, {len(refused)} dead letters")


def _refused_rows(stage: Stage) -> list[DeadLetter]:
    messages = read_topic(stage.kafka.bootstrap_servers, stage.system.topics.sink_dead_letters, PARTITIONS)
    return [decode_dead_letter(message.value() or b"") for message in messages]


FAULTS = [
    Fault(
        name="clickhouse-killed",
        about="ClickHouse killed -9 while rows are written, three times",
        breaks=_killed,
        sink=True,
    ),
    Fault(
        name="clickhouse-away",
        about="ClickHouse stopped for 60 s (5 min with --long)",
        breaks=_away,
        sink=True,
    ),
    Fault(name="clickhouse-frozen", about="ClickHouse stopped by SIGSTOP for 15 s", breaks=_frozen, sink=True),
    Fault(
        name="clickhouse-moody",
        about="a proxy answers 500, nothing, or half; and passes half of a request on",
        breaks=_moody,
        sink=True,
    ),
    Fault(
        name="poison-row",
        about="ClickHouse refuses one account's charges; then the cause is mended and the dead letters are written",
        breaks=_poisoned,
        sink=True,
    ),
]
