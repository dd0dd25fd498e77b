"""The random choices of a workload, drawn by the thousand: a draw each would cost more than the record."""

from collections.abc import Callable, Iterator

import numpy as np

from producers.workload_settings import NODES, WorkloadSettings
from schemas.usage import Channel

CHANNELS = [channel.value.encode() for channel in Channel]
NODE_NAMES = [node.encode() for node in NODES]
_DRAWS = 8_192
_LARGEST_TOKENS = 4_096

Weights = np.ndarray[tuple[int], np.dtype[np.float64]]
Draw = tuple[int, int, int, int, int, int, float]
"""Account, agent, conversation, channel, node, tokens, and a number in [0, 1): what becomes of the event."""


def draws(settings: WorkloadSettings) -> Iterator[Draw]:
    """Without end, the same for the same settings."""
    random = np.random.default_rng(settings.seed)
    accounts = _accounts(settings, random)
    channel_weights = 1 / np.arange(1, len(CHANNELS) + 1)
    node_weights = np.array(list(NODES.values()), dtype=float)
    while True:
        yield from zip(
            accounts(),
            random.integers(settings.agents, size=_DRAWS).tolist(),
            random.integers(settings.conversations, size=_DRAWS).tolist(),
            _weighted(random, channel_weights),
            _weighted(random, node_weights),
            random.integers(1, _LARGEST_TOKENS, size=_DRAWS).tolist(),
            random.random(_DRAWS).tolist(),
            strict=True,
        )


def _accounts(settings: WorkloadSettings, random: np.random.Generator) -> Callable[[], list[int]]:
    if settings.distribution == "uniform":
        return lambda: random.integers(settings.accounts, size=_DRAWS).tolist()
    weights = np.arange(1, settings.accounts + 1, dtype=float) ** -settings.exponent
    sums = np.cumsum(weights)
    return lambda: _weighted_by_sum(random, sums)


def _weighted(random: np.random.Generator, weights: Weights) -> list[int]:
    return _weighted_by_sum(random, np.cumsum(weights))


def _weighted_by_sum(random: np.random.Generator, sums: Weights) -> list[int]:
    places: list[int] = np.searchsorted(sums, random.random(_DRAWS) * sums[-1], side="right").tolist()
    return places
