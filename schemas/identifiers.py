"""The names that cross process boundaries, one type each, so that mypy tells an account from an agent."""

from typing import NewType

Account = NewType("Account", str)
Agent = NewType("Agent", str)
Conversation = NewType("Conversation", str)
Node = NewType("Node", str)
EventId = NewType("EventId", str)
GrantId = NewType("GrantId", str)
RateCardVersion = NewType("RateCardVersion", str)
