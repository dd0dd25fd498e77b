"""What only a person may mend: the system refuses loudly, and books nothing wrongly meanwhile."""

import time
from collections.abc import Callable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions

from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.load import Load
from tests.chaos.member import Member
from tests.chaos.stage import Stage
from tests.integration.system import PARTITIONS
from tests.topics import delete_topics, make_topics, new_topics, topic_id

_ADMIN_SECONDS = 30
_LOAD_SECONDS = 6.0
_NOTICED_SECONDS = 75.0
"""Topics are checked every 30 s."""
_END = -1
_SAID_WHILE_RUNNING = ("topics changed while the worker ran", "the topic is not the one it was")


def _recreated(stage: Stage) -> None:
    """usage.events is deleted and made again while the workers run, and is still refused at their next start."""
    _calm_down(stage)
    names, servers = stage.system.topics, stage.kafka.bootstrap_servers
    before = topic_id(servers, names.usage_events)
    delete_topics(servers, [names.usage_events])
    make_topics(servers, [new for new in new_topics(names, PARTITIONS) if new.topic == names.usage_events])
    topic_id(servers, names.usage_events, other_than=before)
    refused_seconds = _await_refusal(stage)
    _require_refusal_at_start(stage, "was deleted and made again")
    stage.note_refusal(refused_seconds)


def _partitions_raised(stage: Stage) -> None:
    """usage.events gets two partitions more while the workers run, and is still refused at their next start."""
    _calm_down(stage)
    admin, topic = _admin(stage), stage.system.topics.usage_events
    for raised in admin.create_partitions([NewPartitions(topic, PARTITIONS + 2)]).values():
        raised.result(_ADMIN_SECONDS)
    refused_seconds = _await_refusal(stage)
    _require_refusal_at_start(stage, f"{PARTITIONS} partitions instead of {PARTITIONS + 2}")
    stage.note_refusal(refused_seconds)


def _progress_emptied(stage: Stage) -> None:
    """The progress topic loses its records while the workers are down: booking again would double everything."""
    _calm_down(stage)
    for each in stage.workers:
        each.running.kill()
    # A compacted topic's records can only be deleted after it was told to be otherwise.
    progress = stage.system.topics.progress
    _configure(stage, progress, "cleanup.policy", "delete")
    _delete_before(stage, progress)
    _configure(stage, progress, "cleanup.policy", "compact")
    began = time.monotonic()
    for each in stage.workers:
        each.running.restart()
    stage.wait_until(lambda: _tells(stage, "lost records"), "a refusal at start")
    stage.prove("the workers refuse, since the progress topic lost records")
    stage.note_refusal(time.monotonic() - began)


def _log_passed(stage: Stage) -> None:
    """Retention passes the start of the dedup log, and the end of one worker's cache of it."""
    first, second = stage.workers
    stage.sleep(_LOAD_SECONDS / 2)
    stage.stop(first)
    stage.sleep(_LOAD_SECONDS / 2)
    stage.settle()
    second.running.kill()
    _delete_before(stage, stage.system.topics.dedup_log)
    stage.prove(
        "the dedup log begins after everything that was in it", holds=stage.watch.emptied(stage.system.topics.dedup_log)
    )
    stage.begin(first)
    second.running.restart()
    # New ids: those that were deleted are, by the log's retention, older than what may still come.
    stage.load = Load(stage.kafka.bootstrap_servers, stage.system.topics, events=5_000, rate=1_500, name="second")
    stage.settled = False
    stage.load.start()
    stage.over()


def _unwritable(stage: Stage) -> None:
    """A charge is larger than its topic takes, until the topic is mended and the workers are started again."""
    stage.sleep(2)
    _configure(stage, stage.system.topics.charges, "max.message.bytes", "100")
    stage.wait_until(lambda: _tells(stage, "no attempt can write its checkpoint"), "partitions that stop")
    stage.prove("checkpoints were told to be unwritable")
    if any(each.exit_code() is not None for each in stage.workers):
        raise ChaosError("a worker ended, though its other partitions could go on")
    _configure(stage, stage.system.topics.charges, "max.message.bytes", str(2 << 20))
    for each in stage.workers:
        stage.stop(each)
        stage.begin(each)
    stage.over()


def _calm_down(stage: Stage) -> None:
    """Book everything, and note what the figures must be before the inputs are gone."""
    stage.sleep(_LOAD_SECONDS)
    stage.settle()
    stage.note_expected()
    stage.supervised = False


def _await_refusal(stage: Stage) -> float:
    """Every worker ends by itself or fails its probe, and its log says why; the seconds it took."""
    began = time.monotonic()
    stage.wait_until(lambda: all(map(_has_refused, stage.workers)), "a refusal while running", _NOTICED_SECONDS)
    taken = time.monotonic() - began
    for each in stage.workers:
        log = each.log()
        if not any(words in log for words in _SAID_WHILE_RUNNING):
            raise ChaosError(f"the log of {each.title} says none of {_SAID_WHILE_RUNNING}")
    stage.prove(f"every worker refused {taken:.0f} s after the topic changed")
    return taken


def _has_refused(member: Member) -> bool:
    return member.exit_code() is not None or member.running.get("/healthz")[0] == 503


def _require_refusal_at_start(stage: Stage, words: str) -> None:
    for each in stage.workers:
        each.running.kill()
        each.running.restart()
    stage.wait_until(lambda: _tells(stage, words), f"a refusal at start that says {words!r}", _NOTICED_SECONDS)
    stage.prove(f"the next start says {words!r}")


def _tells(stage: Stage, words: str) -> bool:
    """Whether a probe that fails, or the log of a worker that ended, says so."""
    return any(
        words in each.running.get("/healthz")[1] or (each.exit_code() is not None and words in each.log())
        for each in stage.workers
    )


def _delete_before(stage: Stage, topic: str) -> None:
    places = [TopicPartition(topic, number, _END) for number in range(PARTITIONS)]
    # Its answers come while it lives.
    admin = _admin(stage)
    for deleted in admin.delete_records(places).values():
        deleted.result(_ADMIN_SECONDS)


def _configure(stage: Stage, topic: str, name: str, value: str) -> None:
    change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    admin = _admin(stage)
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(_ADMIN_SECONDS)


def _admin(stage: Stage) -> AdminClient:
    return AdminClient({"bootstrap.servers": stage.kafka.bootstrap_servers, "log_level": 2})


def _fault(name: str, about: str, breaks: Callable[[Stage], None]) -> Fault:
    return Fault(name=name, about=about, breaks=breaks)


FAULTS = [
    _fault("topic-recreated", "usage.events deleted and made again: refused while running and at start", _recreated),
    _fault("partitions-raised", "usage.events gets partitions: refused while running and at start", _partitions_raised),
    _fault("progress-emptied", "the progress topic loses its records: refused at start", _progress_emptied),
    _fault("dedup-log-passed", "retention passes the dedup log and the caches of it", _log_passed),
    _fault("unwritable-checkpoint", "charges are larger than their topic takes, until it is mended", _unwritable),
]
