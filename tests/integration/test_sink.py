"""The sink between a real Kafka and a real ClickHouse."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.ports import free_port
from schemas.topics import TopicNames
from sinks.feeds import feeds
from sinks.intake import CommitFailedError, KafkaIntake
from sinks.migrate import migrate
from sinks.tables.usage import ChargesTable
from tests.integration.sink_scene import (
    HOUR,
    PARTITIONS,
    Gate,
    Scene,
    await_true,
    balance,
    charge,
    charges,
    dead_letter,
    rollup,
    rollups,
)
from tests.ledger_rows import (
    FOURTH_MS,
    SEPTEMBER_MS,
    Chain,
    account_row,
    asked,
    closed_bill,
    lot,
    low_alert,
    notice,
    packed,
)
from tests.servers import ClickHouseServer, KafkaServer

MIDNIGHT = datetime(2026, 9, 4)  # noqa: DTZ001 - the client gives times of UTC columns without a zone


@pytest.fixture
def scene(
    kafka: KafkaServer,
    clickhouse: ClickHouseServer,
    database: str,
    create_topics: Callable[..., TopicNames],
) -> Scene:
    """Fresh topics and an up-to-date schema."""
    made = Scene(kafka, clickhouse, database, create_topics(partitions=PARTITIONS))
    migrate(made.clickhouse_settings)
    return made


def fill(scene: Scene) -> None:
    """Something in every topic, with an aborted transaction and the engine's control records between."""
    topics = scene.topics
    scene.write(topics.balances_changelog, b"claim", key=b"\0claim")
    scene.write(topics.balances_changelog, balance("acme", 1_000_000, version=4), key=b"acme")
    scene.write(topics.balances_changelog, balance("acme", 500_000_001, version=5), key=b"acme")
    scene.write(topics.balances_changelog, balance("beta", 0, version=5), key=b"beta", partition=1)
    scene.write(topics.rollups, rollups(rollup("acme", 3), rollup("acme", 1, node="code"), version=4))
    scene.write(topics.rollups, rollups(rollup("acme", 5), version=5))
    scene.write(topics.rollups, rollups(rollup("acme", 2, segment=9), version=9))
    scene.write_aborted(topics.charges, charges(charge("ghost", "z1")))
    scene.write(
        topics.charges,
        charges(charge("acme", "a1", offset=10), charge("acme", "a2", cost=1, offset=11), version=4),
    )
    scene.write(topics.charges, charges(charge("acme", "b1", hour=HOUR + 24, offset=12), version=5), partition=1)
    scene.write(topics.dead_letters, dead_letter(7, b"\xff\x00{"))
    fill_ledger(scene)


def fill_ledger(scene: Scene) -> None:
    """Lots, entries and notices: an account's first lot, and a lot that was forgotten, with the account's own rows."""
    topics, chain = scene.topics, Chain("gamma")
    chain.granted("free:gamma", 500, at_ms=SEPTEMBER_MS)
    chain.burned("free:gamma", 20, at_ms=FOURTH_MS, event="e1", offset=77)
    first, bought = (lot("free:gamma", "free", 500, account="gamma"), lot("bought", "top_up", 200, account="gamma"))
    row = account_row(chain, first_lot=lot("free:gamma", "free", 500, account="gamma", spent=20), version=6)
    scene.write(topics.lots_changelog, b"claim", key=b"\0claim")
    scene.write(topics.balances_changelog, packed(row), key=b"gamma")
    scene.write(topics.lots_changelog, packed(first), key=b'["gamma","free:gamma"]')
    scene.write(topics.lots_changelog, packed(bought), key=b'["gamma","bought"]')
    scene.write(topics.lots_changelog, None, key=b'["gamma","bought"]')
    scene.write(topics.ledger, chain.batch(version=6))
    scene.write(topics.alerts, notice(low_alert(1, account="gamma"), version=6), key=b"gamma")
    scene.write(topics.refill_requests, notice(asked(1, 1, account="gamma"), version=6), key=b"gamma")
    scene.write(topics.bills, notice(closed_bill(account="gamma"), version=6), key=b"gamma")


def test_every_table_shows_exactly_what_was_written(scene: Scene) -> None:
    """Newest versions, exact credits, raw bytes; nothing of an aborted transaction, no control record."""
    fill(scene)
    with scene.sink() as sink:
        scene.await_written()
        assert sink.error is None
    assert scene.rows(
        "SELECT account, remaining_credits, granted_credits, charged_credits, events"
        " FROM current_balances ORDER BY account"
    ) == [
        ("acme", Decimal("-0.000001"), Decimal(500), Decimal("500.000001"), 2),
        ("beta", Decimal(500), Decimal(500), Decimal(0), 2),
        ("gamma", Decimal(480), Decimal(500), Decimal(20), 0),
    ]
    assert scene.rows("SELECT node, hour, events, messages, quantity, credits FROM usage_by_hour ORDER BY node") == [
        ("code", MIDNIGHT, 1, 1, Decimal(2), Decimal("0.25")),
        ("search", MIDNIGHT, 7, 2, Decimal(14), Decimal("1.75")),
    ]
    assert scene.rows("SELECT * FROM conversations_by_day ORDER BY day") == [
        ("acme", date(2026, 9, 4), "helper", "talk-a"),
        ("acme", date(2026, 9, 5), "helper", "talk-b"),
    ]
    assert scene.rows(
        "SELECT id, occurred_at, quantity, credits, partition, offset, version FROM charges FINAL ORDER BY id"
    ) == [
        ("a1", MIDNIGHT.replace(microsecond=123_456), Decimal("2.5"), Decimal("1.5"), 0, 10, 4),
        ("a2", MIDNIGHT.replace(microsecond=123_456), Decimal("2.5"), Decimal("0.000001"), 0, 11, 4),
        ("b1", MIDNIGHT.replace(day=5, microsecond=123_456), Decimal("2.5"), Decimal("1.5"), 0, 12, 5),
    ]
    assert scene.rows("SELECT reason, topic, partition, offset, hex(key), hex(value) FROM rejected_input") == [
        ("not_utf8", "usage.events", 1, 7, "FE", "FF007B")
    ]


def test_the_ledger_s_tables_show_exactly_what_was_written(scene: Scene) -> None:
    """The newest of a lot's two rows counts; a lot that the worker forgot stays."""
    fill_ledger(scene)
    with scene.sink() as sink:
        scene.await_written()
        assert sink.error is None
    assert scene.rows("SELECT lot, kind, spent_credits, held_credits FROM credit_lots ORDER BY lot") == [
        ("bought", "top_up", Decimal(0), Decimal(200)),
        ("free:gamma", "free", Decimal(20), Decimal(480)),
    ]
    entries = scene.rows(
        "SELECT sequence, kind, change_credits, balance_credits, event, occurred_at, partition, offset, place"
        " FROM ledger_entries ORDER BY sequence"
    )
    assert entries == [
        (1, "granted", Decimal(500), Decimal(500), "", None, 2, 0, 0),
        (2, "burned", Decimal(-20), Decimal(480), "test e1", MIDNIGHT, 2, 77, 1),
    ]
    chained = "SELECT l.hash = b.head FROM ledger AS l JOIN balances AS b ON l.account = b.account AND l.sequence = 2"
    assert scene.rows(f"{chained} WHERE b.sequence = l.sequence") == [(True,)]
    assert scene.rows("SELECT alert, threshold, level_credits, remaining_credits FROM alerts_sent") == [
        ("threshold", "20%", Decimal(200), Decimal(150))
    ]
    assert scene.rows("SELECT number, attempt, credits FROM refills_asked") == [(1, 1, Decimal(100))]
    assert scene.rows("SELECT line, credits, amount_minor, currency FROM bill_lines ORDER BY line") == [
        (1, Decimal(30), 150, "EUR"),
        (2, Decimal(-2), -10, "EUR"),
    ]
    assert scene.rows("SELECT open_bill, refill_states, head != '' FROM balances FINAL") == [([], {}, True)]


def test_reading_everything_again_changes_nothing(scene: Scene) -> None:
    """A group whose offsets are gone begins anew, and leaves every table as it was."""
    fill(scene)
    with scene.sink():
        scene.await_written()
    before = scene.contents()
    scene.forget_offsets()
    with scene.sink() as sink:
        scene.await_written()
        assert sink.value("rows_written_total", table="charges") == 3
    assert scene.contents() == before


def test_a_crash_between_insert_and_commit_changes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sink reads and writes the same again, and the tables are exact."""
    fill(scene)

    def no_commit(*_: object) -> None:
        raise CommitFailedError("killed before the commit")

    with monkeypatch.context() as patch:
        patch.setattr(KafkaIntake, "commit", no_commit)
        with scene.sink() as sink:
            await_true(lambda: sink.value("rows_written_total", table="charges") >= 3, lambda: "no charges")
            await_true(lambda: sink.value("rows_written_total", table="balances") >= 3, lambda: "no balances")
            await_true(lambda: sink.value("rows_written_total", table="rollups") >= 4, lambda: "no rollups")
            sink.crash()
    assert scene.committed() == {}
    before = scene.contents()
    with scene.sink():
        scene.await_written()
    after = scene.contents()
    assert {table: after[table] for table in ("balances", "rollups", "charges", "conversations")} == {
        table: before[table] for table in ("balances", "rollups", "charges", "conversations")
    }
    assert scene.rows("SELECT count(), uniqExact(id) FROM charges FINAL") == [(3, 3)]


def test_a_row_that_clickhouse_refuses_is_isolated(scene: Scene) -> None:
    """Its batch is written without it, and the dead letter is in its topic and its table."""
    with scene.client() as client:
        client.command("ALTER TABLE charges MODIFY COLUMN node Enum8('search' = 1)")
    odd = msgspec.structs.replace(charge("acme", "b1", offset=11), node="séance")
    scene.write(scene.topics.charges, charges(charge("acme", "a1"), odd, *(charge("acme", f"c{n}") for n in range(50))))
    with scene.sink() as sink:
        scene.await_written()
        await_true(lambda: bool(scene.rows("SELECT 1 FROM rejected_input")), lambda: "no dead letter")
        scene.await_written()
        assert sink.error is None
    assert scene.rows("SELECT count() FROM priced_events") == [(51,)]
    ((reason, topic, partition, offset, account, detail, value),) = scene.rows(
        "SELECT reason, topic, partition, offset, account, detail, value FROM rejected_input"
    )
    assert (reason, topic, partition, offset, account) == ("refused_by_clickhouse", scene.topics.charges, 0, 0, "acme")
    assert "a row of charges was refused" in detail
    row = json.loads(value)
    assert row.keys() == ChargesTable.columns.keys()
    assert (row["id"], row["node"], row["credits"]) == ("b1", "séance", "1.500000")


def test_a_record_that_cannot_be_read_is_told_and_passed(scene: Scene) -> None:
    """Records before and behind it are written; its bytes are in the dead letters."""
    scene.write(scene.topics.charges, charges(charge("acme", "a1")), b"\xc1junk", charges(charge("acme", "b1")))
    with scene.sink() as sink:
        await_true(lambda: bool(scene.rows("SELECT 1 FROM rejected_input")), lambda: "no dead letter")
        scene.await_written()
        assert sink.error is None
    assert scene.rows("SELECT id FROM priced_events ORDER BY id") == [("a1",), ("b1",)]
    assert scene.rows("SELECT reason, offset, hex(value), value_bytes FROM rejected_input") == [
        ("undecodable", 1, b"\xc1junk".hex().upper(), 5)
    ]


@pytest.fixture
def gate(clickhouse: ClickHouseServer) -> Iterator[Gate]:
    """A relay to ClickHouse."""
    relay = Gate(clickhouse.host, clickhouse.port)
    yield relay
    relay.close()


def test_a_sink_without_clickhouse_waits_in_its_group_and_goes_on(scene: Scene, gate: Gate) -> None:
    """Bounded, in the group, committing nothing; everything is exact once ClickHouse is back."""
    through_gate = msgspec.structs.replace(
        scene.clickhouse_settings, clickhouse_host="127.0.0.1", clickhouse_port=gate.port
    )
    scene.settings = msgspec.structs.replace(scene.settings, sink_flush_rows=10)
    with scene.sink(through_gate) as sink:
        fill(scene)
        scene.await_written()
        gate.shut()
        for number in range(40):
            scene.write(scene.topics.charges, charges(charge("late", f"x{number}", offset=100 + number)))
        before = scene.committed()
        await_true(lambda: sink.value("retries_total") >= 2, lambda: "no retries")
        await_true(lambda: sink.value("buffered_rows") >= 10, lambda: "nothing buffered")
        assert sink.metrics.why_not_ready() == "ClickHouse takes no rows"
        assert sink.metrics.why_not_alive() is None
        assert sink.value("assigned_partitions") == len(feeds(scene.topics)) * PARTITIONS
        assert sink.value("buffered_rows") <= 2 * 10 + 2
        assert scene.committed() == before
        gate.open()
        scene.await_written()
        assert sink.metrics.why_not_ready() is None
        assert sink.error is None
    assert scene.rows("SELECT count(), sum(credits) FROM priced_events WHERE account = 'late'") == [(40, Decimal(60))]


def test_a_restarted_clickhouse_gets_what_was_written_lately_again(
    kafka: KafkaServer, create_topics: Callable[..., TopicNames], tmp_path: Path
) -> None:
    """A server that lost its last rows in a crash has them again, without anybody's doing."""
    server = LocalClickHouse(tmp_path / "clickhouse")
    server.start()
    try:
        place = ClickHouseServer(server.host, server.port, "default", "", "analyst", "")
        scene = Scene(kafka, place, "credits", create_topics(partitions=PARTITIONS))
        migrate(scene.clickhouse_settings)
        fill(scene)
        with scene.sink() as sink:
            scene.await_written()
            before = scene.contents()
            rewinds = sink.value("rewinds_total")
            with scene.client() as client:
                client.command("TRUNCATE TABLE charges")
                client.command("TRUNCATE TABLE rollups")
            # Starts are told apart by whole seconds.
            await_true(lambda: scene.rows("SELECT uptime() > 4") == [(1,)], lambda: "no uptime")
            server.kill()
            server.start()
            await_true(lambda: sink.value("rewinds_total") > rewinds, lambda: "no rewind")
            scene.await_written()
            assert sink.error is None
        assert scene.contents() == before
    finally:
        server.stop()


def test_two_sinks_share_the_partitions_and_lose_nothing(scene: Scene) -> None:
    """One joins and one leaves while records arrive; every charge is there once."""
    number = 0

    def write(count: int) -> None:
        nonlocal number
        for _ in range(count):
            scene.write(
                scene.topics.charges,
                charges(charge("acme", f"x{number}", offset=number), version=number + 1),
                partition=number % PARTITIONS,
            )
            number += 1

    with scene.sink() as first:
        write(20)
        with scene.sink() as second:
            write(20)
            await_true(lambda: second.value("assigned_partitions") > 0, lambda: "the second got nothing")
            write(20)
            scene.await_written()
        write(20)
        scene.await_written()
        assert first.error is None
        assert second.error is None
    assert scene.rows("SELECT count(), uniqExact(id) FROM priced_events") == [(80, 80)]


def test_the_process_tells_its_health_and_ends_cleanly_when_told(scene: Scene) -> None:
    """`python -m sinks worker` becomes ready, and SIGTERM makes it write, commit and exit with 0."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "sinks", "worker"],
        env=os.environ | scene.environment() | {"CREDITSTREAM_HTTP_PORT": str(port)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            await_true(lambda: status(port, "/readyz") == HTTPStatus.OK, lambda: "never ready")
            assert status(port, "/healthz") == HTTPStatus.OK
            assert status(port, "/metrics") == HTTPStatus.OK
            fill(scene)
            await_true(lambda: bool(scene.rows("SELECT 1 FROM rejected_input")), lambda: "no rows")
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert scene.behind() == {}


def status(port: int, path: str) -> int | None:
    """The HTTP status of a path, None while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def test_lag_is_zero_once_everything_is_written(scene: Scene) -> None:
    """Measured against the last stable offset, which transaction markers are part of."""
    fill(scene)
    topic = scene.topics.charges
    with scene.sink() as sink:
        scene.await_written()

        def lag() -> float | None:
            return sink.metrics.registry.get_sample_value(
                "creditstream_sink_lag_records", {"topic": topic, "partition": "0"}
            )

        await_true(lambda: lag() == 0, lambda: f"lag is {lag()}")


def test_the_sink_dead_letter_topic_holds_json(scene: Scene, kafka: KafkaServer) -> None:
    """A dead letter is readable without the sink."""
    scene.write(scene.topics.balances_changelog, b"junk", key=b"acme")
    with scene.sink():
        await_true(lambda: bool(scene.rows("SELECT 1 FROM rejected_input")), lambda: "no dead letter")
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"{scene.topics.prefix}reader",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([scene.topics.sink_dead_letters])
    (message,) = consumer.consume(1, 30)
    consumer.close()
    letter = json.loads(message.value() or b"")
    assert (letter["reason"], letter["topic"]) == ("undecodable", scene.topics.balances_changelog)
