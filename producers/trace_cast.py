"""Who made the requests of a trace: accounts, agents, conversations and channels.

The data does not have them. They are assigned from a seed: made up, but the same for the same seed.
"""

import random
from collections.abc import Iterator

from msgspec import Struct

from schemas.usage import Channel

_CHANNEL_WEIGHTS = {
    Channel.WIDGET: 40,
    Channel.API: 25,
    Channel.WHATSAPP: 15,
    Channel.CHAT_PORTAL: 12,
    Channel.TEST_CHAT: 5,
    Channel.REPORTS: 3,
}
_AGENT_NAMES = ("support", "sales", "billing", "onboarding", "research", "triage", "scheduling", "content")
_NEW_CONVERSATION_SHARE = 0.2
_OPEN_CONVERSATIONS = 20
LARGEST_CAST = 10_000


class Part(Struct, frozen=True, gc=False):
    """Who made one request, and where."""

    account: str
    agent: str
    conversation: str
    channel: str


def cast(seed: int, accounts: int, agents: int) -> Iterator[Part]:
    """One part a request: few accounts are busy, a conversation keeps its agent and channel."""
    chance = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(accounts)]
    ranks = range(accounts)
    channels, channel_weights = list(_CHANNEL_WEIGHTS), list(_CHANNEL_WEIGHTS.values())
    talking: list[list[Part]] = [[] for _ in ranks]
    started = [0] * accounts
    while True:
        rank = chance.choices(ranks, weights)[0]
        conversations = talking[rank]
        if conversations and chance.random() > _NEW_CONVERSATION_SHARE:
            yield chance.choice(conversations)
            continue
        started[rank] += 1
        part = Part(
            account=f"account-{rank + 1:03d}",
            agent=_agent(chance.randrange(agents)),
            conversation=f"conversation-{rank + 1:03d}-{started[rank]:05d}",
            channel=chance.choices(channels, channel_weights)[0].value,
        )
        conversations.append(part)
        if len(conversations) > _OPEN_CONVERSATIONS:
            conversations.pop(0)
        yield part


def _agent(index: int) -> str:
    name = _AGENT_NAMES[index % len(_AGENT_NAMES)]
    return name if index < len(_AGENT_NAMES) else f"{name}-{index // len(_AGENT_NAMES) + 1}"
