"""Why Kafka lets us not in: librdkafka tells it beside the call that fails, which only says that it took too long."""

from confluent_kafka import KafkaError

_REFUSED = (KafkaError._AUTHENTICATION, KafkaError._SSL)


class Refusal:
    """Given to a client as its `error_cb`; keeps the last reason that has to do with TLS or SASL."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self, error: KafkaError) -> None:
        if error.code() in _REFUSED:
            self.reason = error.str()

    def advice(self) -> str:
        """What to look at, as the last sentence of an error."""
        if self.reason:
            return f"Kafka let us not in: {self.reason}. Check CREDITSTREAM_SECURITY_PROTOCOL, _SASL_… and _SSL_…"
        return (
            "Is Kafka reachable, does CREDITSTREAM_SECURITY_PROTOCOL suit it, "
            "and was the topic made (python -m stream create-topics)?"
        )
