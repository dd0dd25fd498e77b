"""How CloudEvents in structured JSON are marked on Kafka."""

CLOUDEVENTS_HEADERS: list[tuple[str, str | bytes | None]] = [("content-type", b"application/cloudevents+json")]
