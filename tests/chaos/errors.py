"""What ends a fault."""


class ChaosError(Exception):
    """The system did not do what it promises, or the fault did not happen."""
