"""Creates every topic beforehand: nothing relies on auto-creation."""

import sys
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import TopicSpec

_TIMEOUT_SECONDS = 60.0


def create_topics(admin: AdminClient, specs: Sequence[TopicSpec]) -> int:
    """Create what is missing and say so; the exit code."""
    wanted = [
        NewTopic(spec.name, num_partitions=spec.partitions, replication_factor=spec.replication, config=spec.config)
        for spec in specs
    ]
    failed = 0
    for name, future in admin.create_topics(wanted, operation_timeout=_TIMEOUT_SECONDS).items():
        try:
            future.result()
            print(f"created {name}")
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                print(f"exists  {name}")
            else:
                failed += 1
                print(f"failed  {name}: {error.str()}", file=sys.stderr)
    return 1 if failed else 0
