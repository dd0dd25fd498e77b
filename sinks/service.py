"""Runs the sink as a process: settings in, signals handled, metrics served, until it is told to stop."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sinks.backoff import Backoff
from sinks.clickhouse import ClickHouseWriter
from sinks.dead_letters import KafkaPublisher
from sinks.intake import KafkaIntake
from sinks.lag import LagWatch
from sinks.metrics import SinkMetrics
from sinks.migrate import check_schema
from sinks.reconciled import ReconciledWatch
from sinks.refusals import ClickHouseAwayError
from sinks.settings import ClickHouseSettings, SinkSettings
from sinks.web import MetricsServer
from sinks.worker import SinkWorker

logger = logging.getLogger(__name__)


def make_worker(
    settings: SinkSettings, clickhouse: ClickHouseSettings, metrics: SinkMetrics, lag: LagWatch
) -> SinkWorker:
    """A sink on a real Kafka and a real ClickHouse, in its group from now on."""
    return SinkWorker(
        settings,
        open_intake=lambda topics, listener: KafkaIntake(settings, topics, listener),
        writer=ClickHouseWriter(clickhouse),
        publisher=KafkaPublisher(settings.client, settings.topics.sink_dead_letters),
        metrics=metrics,
        each_turn=lag.turn,
    )


def serve(settings: SinkSettings, clickhouse: ClickHouseSettings) -> None:
    """Works until SIGTERM or SIGINT; SchemaError if ClickHouse's schema is not what this version needs."""
    metrics = SinkMetrics()
    stopping = threading.Event()
    web = _web(settings, metrics) if settings.http_port else None
    with ExitStack() as held:
        held.enter_context(signals(stopping, "writing what is buffered"))
        if web is not None:
            held.enter_context(web)
        _await_schema(clickhouse, metrics, stopping)
        if stopping.is_set():
            return
        lag = held.enter_context(LagWatch(settings))
        if web is not None:
            held.enter_context(ReconciledWatch(clickhouse, metrics.reconciled))
        worker = make_worker(settings, clickhouse, metrics, lag)
        threading.Thread(target=_stop_when, args=(stopping, worker), name="stop", daemon=True).start()
        logger.info(
            "sink %s started; metrics on port %s",
            settings.group,
            web.port if web else "(CREDITSTREAM_HTTP_PORT=0)",
        )
        worker.run()
        logger.info("sink %s stopped", settings.group)


def _web(settings: SinkSettings, metrics: SinkMetrics) -> MetricsServer:
    return MetricsServer(metrics, settings.http_host, settings.http_port, settings.http_token)


def _await_schema(clickhouse: ClickHouseSettings, metrics: SinkMetrics, stopping: threading.Event) -> None:
    backoff = Backoff()
    while not stopping.is_set():
        metrics.loop_turned()
        try:
            check_schema(clickhouse)
        except ClickHouseAwayError as error:
            metrics.write_failed()
            wait_seconds = backoff.next_wait_seconds()
            logger.warning("ClickHouse is away, next try in %.1f s: %s", wait_seconds, error)
            stopping.wait(wait_seconds)
        else:
            return


def _stop_when(stopping: threading.Event, worker: SinkWorker) -> None:
    stopping.wait()
    worker.stop()


@contextmanager
def signals(stopping: threading.Event, told: str) -> Iterator[None]:
    """SIGTERM and SIGINT set the event while this is open; the log says what is done then."""

    def stop(number: int, _frame: object) -> None:
        logger.info("%s: %s", signal.Signals(number).name, told)
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
