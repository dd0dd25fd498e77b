"""The sink between a real Kafka and a real ClickHouse, fed with the hostile records that are kept."""

from collections.abc import Callable

from schemas.topics import TopicNames
from sinks.migrate import migrate
from tests.hostile.corpus_files import kept
from tests.hostile.judged import ACCEPTED, UNREADABLE
from tests.integration.sink_scene import PARTITIONS, Scene, await_true, charge, charges
from tests.servers import ClickHouseServer, KafkaServer


def test_a_sink_gets_past_every_hostile_record_and_tells_each_that_it_cannot_read(
    kafka: KafkaServer, clickhouse: ClickHouseServer, database: str, create_topics: Callable[..., TopicNames]
) -> None:
    """Numbers that no column holds are refused row by row, and what comes behind them is written."""
    scene = Scene(kafka, clickhouse, database, create_topics(partitions=PARTITIONS))
    migrate(scene.clickhouse_settings)
    topics = {
        "charges": scene.topics.charges,
        "rollups": scene.topics.rollups,
        "balances": scene.topics.balances_changelog,
        "lots": scene.topics.lots_changelog,
        "ledger": scene.topics.ledger,
        "alerts": scene.topics.alerts,
        "refill-requests": scene.topics.refill_requests,
        "bills": scene.topics.bills,
        "dead-letters": scene.topics.dead_letters,
    }
    for kind, topic in topics.items():
        scene.write(topic, *(each.value for each in kept(kind)), key=b"acme")
    scene.write(scene.topics.charges, charges(charge("acme", "afterwards")))
    records = [each for kind in topics for each in kept(kind)]
    unreadable = sum(each.outcome == UNREADABLE for each in records)
    assert unreadable > 20
    assert sum(each.outcome == ACCEPTED for each in records) > 10
    told = "SELECT uniqExact(topic, partition, offset) FROM dead_letters FINAL WHERE reason = 'undecodable'"
    with scene.sink() as sink:
        scene.await_written()
        await_true(lambda: scene.rows(told) == [(unreadable,)], lambda: f"{scene.rows(told)}, not {unreadable}")
        assert sink.error is None
    assert scene.rows("SELECT count() FROM priced_events WHERE id = 'afterwards'") == [(1,)]
    ((refused,),) = scene.rows("SELECT count() FROM rejected_input WHERE reason = 'refused_by_clickhouse'")
    assert refused > 5
