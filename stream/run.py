"""Starts a worker: checks the topics, then hands the process to Faust."""

import gc
import logging

import msgspec
from confluent_kafka.admin import AdminClient

from stream.admission import admitted
from stream.app import make_app
from stream.engine import topics as topic_checks
from stream.faust_parts import PromptWorker
from stream.settings import WorkerSettings

logger = logging.getLogger(__name__)


_MS_PER_HOUR = 3_600_000


def _retention_problems(admin: AdminClient, settings: WorkerSettings) -> list[str]:
    """An id must be remembered for the window after its event was booked, however late that was."""
    usage, dedup = settings.topics.usage_events, settings.topics.dedup_log
    kept_ms = topic_checks.retention_ms(admin, [usage, dedup])
    needed_ms = settings.dedup_window_hours * _MS_PER_HOUR + kept_ms[usage]
    if kept_ms[dedup] >= needed_ms or kept_ms[dedup] == float("inf"):
        return []
    kept, needed = kept_ms[dedup] / _MS_PER_HOUR, needed_ms / _MS_PER_HOUR
    reason = f"less than the dedup window and what {usage} keeps, {needed:.0f} h together"
    return [f"{dedup} keeps {kept:.0f} h, {reason}: raise its retention.ms"]


def _collect_rarely() -> None:
    """Rows and events are in no cycles: looking for some among a million of them took a tenth of an event's time."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)


def run_worker(settings: WorkerSettings) -> int:
    """Run until told to stop; WrongTopicsError when the topics would lose or double something."""
    admin = admitted(settings.kafka)
    deployed = topic_checks.topology(admin, [settings.topics.usage_events])
    partitions = deployed.topics[settings.topics.usage_events].partitions
    # The inputs' count is what was deployed; every keyed topic must have the same.
    specs = msgspec.structs.replace(settings, partitions=partitions).specs
    found = topic_checks.problems(admin, specs, single_node=settings.single_node)
    found += _retention_problems(admin, settings) if not found else []
    if found:
        raise topic_checks.WrongTopicsError("; ".join(found))
    app, _ = make_app(settings)
    _collect_rarely()
    worker = PromptWorker(app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
