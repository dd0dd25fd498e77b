"""Whether Kafka lets us in, asked before anything starts: what fails later says only that it took too long."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.kafka_refusal import Refusal

_LOOK_SECONDS = 2.0
_GIVE_UP_SECONDS = 30.0


class NotAdmittedError(Exception):
    """Kafka is not reached, or lets us not in: why, and what to look at."""


def admitted(kafka: Mapping[str, str | int | float | bool]) -> AdminClient:
    """A client that Kafka let in; NotAdmittedError at once where it refused, after 30 s where nothing answered."""
    refusal = Refusal()
    # It tells the reason once, by the error, and not with each attempt.
    config: dict[str, Any] = {**kafka, "log_level": 0, "error_cb": refusal}
    admin = AdminClient(config)
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        try:
            admin.list_topics(timeout=_LOOK_SECONDS)
        except KafkaException as error:
            # Only now is what was told beside it handed over.
            admin.poll(0)
            if refusal.reason or time.monotonic() > deadline:
                told = f"Kafka at {kafka['bootstrap.servers']}: {error.args[0].str()}. {refusal.advice()}"
                raise NotAdmittedError(told) from None
        else:
            return admin
