"""Runs the notifier as a process: settings in, signals handled, metrics served, until it is told to stop."""

import logging
import threading
from contextlib import ExitStack

from sinks.dead_letters import KafkaPublisher
from sinks.notify.clock import Clock
from sinks.notify.courier import Courier, HttpCourier
from sinks.notify.metrics import NotifyMetrics
from sinks.notify.notifier import Notifier
from sinks.notify.settings import NotifySettings
from sinks.notify.source import KafkaNoticeSource
from sinks.service import signals
from sinks.web import MetricsServer

logger = logging.getLogger(__name__)

_CLIENT_ID = "creditstream-notify"
# The loop waits for it, and must turn every 30 s.
_LETTER_SECONDS = 10.0


def make_notifier(settings: NotifySettings, courier: Courier, metrics: NotifyMetrics) -> Notifier:
    """A notifier on a real Kafka, in its group from now on."""
    return Notifier(
        settings,
        open_source=lambda topics, listener: KafkaNoticeSource(settings, topics, listener, _CLIENT_ID),
        courier=courier,
        publisher=KafkaPublisher(settings.client, settings.topics.undelivered_notices, _CLIENT_ID, _LETTER_SECONDS),
        metrics=metrics,
        clock=Clock(),
    )


def serve(settings: NotifySettings) -> None:
    """Works until SIGTERM or SIGINT."""
    metrics = NotifyMetrics()
    stopping = threading.Event()
    with ExitStack() as held:
        held.enter_context(signals(stopping, "waiting for what is on its way"))
        port = "(CREDITSTREAM_HTTP_PORT=0)"
        if settings.http_port:
            web = MetricsServer(metrics, settings.http_host, settings.http_port, settings.http_token)
            port = str(held.enter_context(web).port)
        courier = held.enter_context(make_courier(settings))
        notifier = make_notifier(settings, courier, metrics)
        threading.Thread(target=_stop_when, args=(stopping, notifier), name="stop", daemon=True).start()
        logger.info("notifier %s started for %s; metrics on port %s", settings.group, settings.endpoints, port)
        notifier.run()
        logger.info("notifier %s stopped", settings.group)


def make_courier(settings: NotifySettings) -> HttpCourier:
    """What posts to the endpoints; it works while open."""
    connections = settings.notify_concurrency * len(settings.endpoints)
    return HttpCourier(settings.ssl_context(), settings.notify_timeout_seconds, connections)


def _stop_when(stopping: threading.Event, notifier: Notifier) -> None:
    stopping.wait()
    notifier.stop()
