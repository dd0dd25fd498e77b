"""What can go wrong with the local stack, in words that say what to do."""


class LocalStackError(Exception):
    """Kafka or ClickHouse cannot be had on this machine: what happened, where, and what to do."""


class PortTakenError(LocalStackError):
    """Another process listens on the port that a service was told to use."""
