"""A sink between a real Kafka and a real ClickHouse, with topics and a database of its own."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
import msgspec
from clickhouse_connect.driver import Client
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.account import AccountRow
from schemas.charge import Charge, ChargeBatch
from schemas.codec import encode_json, encode_packed
from schemas.dead_letter import DeadLetter, Reason
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from schemas.rollup import Rollup, RollupBatch
from schemas.topics import TopicNames
from sinks.feeds import TABLES
from sinks.lag import LagWatch
from sinks.metrics import SinkMetrics
from sinks.service import make_worker
from sinks.settings import ClickHouseSettings, SinkSettings
from tests.ledger_rows import packed
from tests.servers import ClickHouseServer, KafkaServer

PARTITIONS = 2
HOUR = 496_800
"""2026-09-04T00:00:00Z, in hours since 1970."""
HOUR_US = 3_600_000_000
NOW_MS = 1_790_000_000_000
_WAIT_SECONDS = 120


def charge(account: str, event: str, *, hour: int = HOUR, cost: int = 1_500_000, offset: int = 0) -> Charge:
    """A charge of 2.5 units of `search` by the agent `helper`."""
    return Charge(
        account=Account(account),
        source="test",
        id=EventId(event),
        agent=Agent("helper"),
        conversation=Conversation(f"talk-{event[0]}"),
        channel="widget",
        node=Node("search"),
        quantity_micros=2_500_000,
        cost_microcredits=cost,
        messages=1,
        rate_card=RateCardVersion("2026-01"),
        occurred_at_us=hour * HOUR_US + 123_456,
        ingested_at_ms=NOW_MS,
        offset=offset,
    )


def charges(*packed: Charge, version: int = 1) -> bytes:
    """A record of credits.charges."""
    return encode_packed(ChargeBatch(0, version, 0, NOW_MS + 5, list(packed)))


def rollup(account: str, events: int, *, hour: int = HOUR, segment: int = 1, **names: str) -> Rollup:
    """A rollup row whose every event cost 0.25 credits for 2 units, one event in all being a message."""
    return Rollup(
        account=Account(account),
        hour=hour,
        channel=names.get("channel", "widget"),
        agent=Agent(names.get("agent", "helper")),
        node=Node(names.get("node", "search")),
        segment=segment,
        events=events,
        messages=1,
        quantity_units=events * 2,
        cost_microcredits=events * 250_000,
    )


def rollups(*rows: Rollup, version: int = 1) -> bytes:
    """A record of credits.rollups."""
    return encode_packed(RollupBatch(0, version, list(rows)))


def balance(account: str, charged: int, *, version: int = 1) -> bytes:
    """A row of the balances' changelog: 500 credits granted, what they do not cover is owed."""
    burned, granted = min(charged, 500_000_000), 500_000_000
    row = AccountRow(Account(account), granted=granted, burned=burned, held=granted - burned, charged=charged)
    row.owed, row.balance = charged - burned, granted - charged
    row.events, row.messages, row.grants = 2, 1, 1
    row.opened_at_ms, row.updated_at_ms, row.version = NOW_MS - 1000, NOW_MS, version
    return packed(row)


def dead_letter(offset: int, value: bytes) -> bytes:
    """A record of usage.dead-letters."""
    return encode_json(
        DeadLetter(
            reason=Reason.NOT_UTF8,
            detail="byte 0 is 0xff",
            fix="send UTF-8",
            topic="usage.events",
            partition=1,
            offset=offset,
            ingested_at_ms=NOW_MS,
            booked_at_ms=NOW_MS + 5,
            account="",
            key=b"\xfe",
            value=value,
            value_bytes=len(value),
            value_sha256="hash",
            version=3,
        )
    )


class Scene:
    """Topics that a worker would write, and the sink that reads them."""

    def __init__(self, kafka: KafkaServer, clickhouse: ClickHouseServer, database: str, topics: TopicNames) -> None:
        self.topics = topics
        self.clickhouse_settings = ClickHouseSettings(
            clickhouse_host=clickhouse.host,
            clickhouse_port=clickhouse.port,
            clickhouse_user=clickhouse.user,
            clickhouse_password=clickhouse.password,
            clickhouse_database=database,
        )
        self.settings = SinkSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            topic_prefix=topics.prefix,
            app=topics.app,
            sink_flush_interval_ms=50,
        )
        self._produced: dict[tuple[str, int], int] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._observer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": self.settings.group})
        self._admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        self._producer = Producer(
            {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"{topics.prefix}test"}
        )
        self._producer.init_transactions(30)

    def environment(self) -> dict[str, str]:
        """The settings of a sink as a process takes them."""
        fields = msgspec.structs.asdict(self.settings) | msgspec.structs.asdict(self.clickhouse_settings)
        return {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in fields.items()}

    def write(self, topic: str, *values: bytes | None, key: bytes | None = None, partition: int = 0) -> None:
        """One committed transaction; None is a tombstone."""
        self._begin(topic, values, key, partition)
        self._producer.commit_transaction(30)
        self._ends |= self._produced
        self._produced.clear()

    def write_aborted(self, topic: str, *values: bytes) -> None:
        """One aborted transaction: nothing of it may ever be seen."""
        self._begin(topic, values, None, 0)
        self._producer.flush(30)
        self._producer.abort_transaction(30)
        self._produced.clear()

    def _begin(self, topic: str, values: tuple[bytes | None, ...], key: bytes | None, partition: int) -> None:
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(topic, value, key, partition, on_delivery=self._delivered)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        self._produced[(str(message.topic()), int(message.partition() or 0))] = int(message.offset() or 0) + 1

    @contextmanager
    def sink(self, clickhouse: ClickHouseSettings | None = None) -> Iterator["RunningSink"]:
        """A sink that runs until the block ends."""
        running = RunningSink(self.settings, clickhouse or self.clickhouse_settings)
        try:
            yield running
        finally:
            running.stop()

    def await_written(self) -> None:
        """Until the sink has committed everything that was written here."""
        await_true(lambda: self.behind() == {}, lambda: f"the sink is behind: {self.behind()}")

    def behind(self) -> dict[tuple[str, int], int]:
        """Offsets of committed records that the group has not committed, by topic and partition."""
        committed = self.committed()
        return {
            place: end - committed.get(place, 0) for place, end in self._ends.items() if end > committed.get(place, 0)
        }

    def committed(self) -> dict[tuple[str, int], int]:
        """The offsets that the group has committed."""
        # Not the admin client: librdkafka 2.16 crashes when the coordinator answers its list_consumer_group_offsets
        # with an error (rd_kafka_handle_OffsetFetch has no group to tell).
        topics = self.topics
        names = (
            topics.charges,
            topics.rollups,
            topics.dead_letters,
            topics.sink_dead_letters,
            topics.balances_changelog,
            topics.lots_changelog,
            topics.ledger,
            topics.alerts,
            topics.refill_requests,
            topics.bills,
        )
        places = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]
        return {
            (place.topic, place.partition): place.offset
            for place in self._observer.committed(places, 30)
            if place.offset >= 0
        }

    def forget_offsets(self) -> None:
        """As if the group had never been."""
        self._admin.delete_consumer_groups([self.settings.group])[self.settings.group].result(30)
        assert self.committed() == {}

    def client(self) -> Client:
        """ClickHouse, in the scene's database."""
        settings = self.clickhouse_settings
        return clickhouse_connect.get_client(
            host=settings.clickhouse_host,
            port=settings.clickhouse_port,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password,
            database=settings.clickhouse_database,
            autogenerate_session_id=False,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.client() as client:
            return [tuple(row) for row in client.query(sql).result_rows]

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table as it shows itself, replaced rows left out."""
        return {
            table.name: self.rows(f"SELECT * FROM {table.name} FINAL ORDER BY ALL")  # noqa: S608 - our own names
            for table in TABLES
        }


class RunningSink:
    """A sink in a thread; an error of it is kept in `error`."""

    def __init__(self, settings: SinkSettings, clickhouse: ClickHouseSettings) -> None:
        self.metrics = SinkMetrics()
        self.error: BaseException | None = None
        self._lag = LagWatch(settings)
        self.worker = make_worker(settings, clickhouse, self.metrics, self._lag)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """A clean end."""
        self.worker.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def crash(self) -> None:
        """The end without a last flush and commit, as a killed process has it."""
        vars(self.worker)["_drain"] = lambda _seconds: None
        self.stop()

    def value(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        return self.metrics.registry.get_sample_value(f"creditstream_sink_{name}", labels) or 0

    def _run(self) -> None:
        try:
            with self._lag:
                self.worker.run()
        except BaseException as error:
            self.error = error


class Gate:
    """A TCP relay to a server, which can be shut and opened: how a server is away and comes back."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open = True
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Connections break, and new ones do not last."""
        self._open = False
        for connection in self._sockets:
            _break(connection)
        self._sockets.clear()

    def open(self) -> None:
        """The server is there again."""
        self._open = True

    def close(self) -> None:
        """For good."""
        self.shut()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if not self._open:
                _break(near)
                continue
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_relay, args=(source, target), daemon=True).start()


def _relay(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        _break(source)
        _break(target)


def _break(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    finally:
        connection.close()


def await_true(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Waits for a condition that must come true; the bound is only there to end a broken test."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)
