"""How the group's member, which is aiokafka's and not librdkafka's, proves to Kafka who it is."""

import faust
from faust.types.auth import CredentialsT

from schemas.kafka_security import KafkaSecurity


def group_credentials(settings: KafkaSecurity) -> CredentialsT | None:
    """What Faust is given; None where Kafka asks for nothing. Its repr tells no secret."""
    context = settings.ssl_context() if settings.uses_tls else None
    if settings.uses_sasl:
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password,
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
