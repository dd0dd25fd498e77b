"""The Faust app: the group, the agent and the life of a worker; the engine and the pipeline are hung into it."""

import asyncio
import logging
import os
import threading
from collections import Counter
from typing import Any

import faust
import msgspec
from confluent_kafka.admin import AdminClient
from faust.serializers.schemas import Schema
from mode import Service
from yarl import URL

from schemas.codec import decode_rate_card
from stream.dedup_log import DedupLog
from stream.engine import topics as topic_checks
from stream.engine.broadcast import Broadcast
from stream.engine.murmur2 import partitions_for
from stream.engine.owner import Owner
from stream.engine.transport import GroupConsumer, MicroBatchTransport
from stream.engine.turns import take_turns
from stream.faust_parts import NoTables
from stream.group_credentials import group_credentials
from stream.ledger_tables import LedgerTables
from stream.metrics import MOST_WATCHED_ACCOUNTS, Metrics
from stream.outputs import Outputs
from stream.pipeline import Pipeline
from stream.rollups.beside import RollerBeside
from stream.rules.ledger.ledger import Ledger
from stream.rules.rate_cards import RateCards
from stream.settings import WorkerSettings
from stream.tables import commands_table, corrections_table
from stream.web import Web

logger = logging.getLogger(__name__)

_TOPOLOGY_CHECK_SECONDS = 30.0
# A rebalance begins for a member at its next heartbeat, and every other one waits for it.
_HEARTBEAT_SECONDS = 1.0
_HARD_EXIT_SECONDS = 15.0
_LEAVE_SECONDS = 8.0
_CRASHED = 70


class Batches(Schema[Any, Any]):
    """Batches come decoded: what the transport hands over is the event."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002  Faust's signature
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002  Faust's signature
        return message.value


class Worker(Service):
    """What runs beside the agent: checkpoints, the rate cards' topic, the web server, the topology check."""

    def __init__(self, settings: WorkerSettings, app: faust.App, **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings
        self.app = app
        self.outcomes: Counter[str] = Counter()
        self.metrics = Metrics(self)
        self.rollups = RollerBeside()
        self._engine = settings.engine
        self._admin = AdminClient(settings.kafka)
        self._topology = topic_checks.topology(self._admin, self._engine.topics)
        self.broadcast = Broadcast(
            settings.kafka,
            self._engine.broadcast_topic,
            RateCards(),
            _fold_rate_card,
            _has_rate_cards,
            "a rate card: publish one with `python -m producers rate-card publish FILE`",
        )
        self.owner = Owner(
            self._engine,
            self.make_pipeline,
            self.broadcast,
            self._topology,
            self._on_fatal,
            self.metrics.on_checkpoint,
        )
        self.web = Web(self, settings.http_host, settings.http_port, settings.http_token)
        self.fatal: BaseException | None = None
        self._finished = False
        self._broadcasting: asyncio.Task[None] | None = None

    def make_pipeline(self, partition: int) -> Pipeline:
        """The empty pipeline of a partition."""
        settings, names = self.settings, self.settings.topics
        count = self._topology.topics[names.usage_events].partitions
        window_ms = settings.dedup_window_hours * 3_600_000
        return Pipeline(
            partition,
            lambda keys: partitions_for(keys, count),
            LedgerTables(names, Ledger()),
            commands_table(names),
            corrections_table(names),
            DedupLog(names.dedup_log, window_ms, settings.dedup_memory_mb << 20),
            Outputs(names, partition),
            self.rollups.roll_up,
            settings.horizon_us,
            self.outcomes,
        )

    @property
    def has_rate_cards(self) -> bool:
        """Without one, partitions wait."""
        return _has_rate_cards(self.broadcast.value()[1])

    def pipelines(self) -> list[Pipeline]:
        """Those of the partitions that are restored."""
        held = [holding.partition for holding in self.owner.holdings.values() if holding.partition is not None]
        return [each.processor for each in held if isinstance(each.processor, Pipeline)]

    @property
    def watched_accounts(self) -> list[str]:
        """Accounts with a balance gauge of their own: a bounded set of labels."""
        names = [name.strip() for name in self.settings.watched_accounts.split(",")]
        return [name for name in names if name][:MOST_WATCHED_ACCOUNTS]

    async def on_start(self) -> None:
        """Called by Faust once its consumer may start."""
        self.rollups.start()
        self._broadcasting = asyncio.create_task(self.broadcast.run())
        await self.web.start()

    async def finish(self) -> None:
        """Last checkpoints, then everything closed; then Faust has some seconds to leave the group."""
        if self._finished:
            return
        self._finished = True
        # Kafka may be away, and Faust may wait for a rebalance that will not come.
        _exit_hard_after(_HARD_EXIT_SECONDS, _CRASHED)
        await self.owner.stop()
        self.rollups.close()
        await self.broadcast.stop()
        await self.web.stop()
        crashed = self.fatal is not None or self.app.crashed
        _exit_hard_after(_LEAVE_SECONDS, _CRASHED if crashed else 0)

    @Service.task
    async def _checkpoints(self) -> None:
        interval_seconds = self._engine.checkpoint_interval_seconds
        while not self.should_stop:
            await take_turns(list(self.owner.holdings), interval_seconds, self.owner.turn)
            if self._broadcasting is not None and self._broadcasting.done():
                self._broadcasting.result()

    @Service.task
    async def _topology_check(self) -> None:
        """A topic made again, or one with more partitions, while we run: stop before anything is booked wrongly."""
        while not self.should_stop:
            await self.sleep(_TOPOLOGY_CHECK_SECONDS)
            try:
                now = await asyncio.to_thread(topic_checks.topology, self._admin, self._engine.topics)
            except Exception as error:
                logger.warning("topics could not be checked: %s", error)
                continue
            if now != self._topology:
                changed = topic_checks.WrongTopicsError("topics changed while the worker ran; start it to learn which")
                self.owner.refuse_all(changed)
                raise changed

    def _on_fatal(self, error: BaseException) -> None:
        """End the process: softly, and hard if that hangs."""
        logger.critical("the worker ends: %s", error)
        self.fatal = error
        _exit_hard_after(_HARD_EXIT_SECONDS, _CRASHED)
        self._crash_task = asyncio.create_task(self.app.crash(error))


class CreditsApp(faust.App):
    """Gives its partitions up before Faust leaves the group, while nobody else may take them over."""

    worker: Worker

    async def on_stop(self) -> None:
        await self.worker.finish()
        await super().on_stop()


def make_app(settings: WorkerSettings) -> tuple[faust.App, Worker]:
    """The app with its agent, and the worker beside it; nothing is started."""
    engine = settings.engine
    app = CreditsApp(
        engine.app,
        broker=[URL(f"kafka://{server}") for server in settings.bootstrap_servers.split(",")],
        broker_credentials=group_credentials(settings),
        TableManager=NoTables,
        store="memory://",
        datadir=settings.data_folder,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        stream_wait_empty=False,
        consumer_group_instance_id=settings.instance_id or None,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=_HEARTBEAT_SECONDS,
        broker_max_poll_interval=60.0,
        broker_commit_interval=2.8,
        consumer_auto_offset_reset="earliest",
    )
    worker = app.worker = Worker(settings, app)
    consumer = type("UsageConsumer", (GroupConsumer,), {"owner": worker.owner, "usage_topic": engine.inputs[0]})
    transport = type("UsageTransport", (MicroBatchTransport,), {"Consumer": consumer})
    app.transport = transport(app.conf.broker, app)
    app.add_dependency(worker)
    usage = app.topic(engine.inputs[0], schema=Batches(key_type=bytes, value_type=bytes))

    async def book(stream: Any) -> None:
        async for event in stream.events():
            worker.owner.apply(event.value)
            # Checkpoints, heartbeats and scrapes get their turn between two batches.
            await asyncio.sleep(0)

    app.agent(usage)(book)
    return app, worker


def _fold_rate_card(cards: object, value: bytes) -> RateCards:
    assert isinstance(cards, RateCards)  # noqa: S101  begun with one, folded by this alone
    try:
        folded = cards.with_card(decode_rate_card(value))
    except msgspec.MsgspecError as error:
        logger.error("a record of the rate cards' topic is not used: %s: %r", str(error)[:500], value[:200])  # noqa: TRY400  told
        return cards
    for key in folded.unused.keys() - cards.unused.keys():
        logger.warning("%s", folded.unused[key])
    return folded


def _has_rate_cards(cards: object) -> bool:
    return isinstance(cards, RateCards) and len(cards) > 0


def _exit_hard_after(seconds: float, code: int) -> None:
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
