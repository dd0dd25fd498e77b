"""Steps about credits, usage and policies, in words."""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Literal, NamedTuple

from tests.simulation.ledger_oracle.records import (
    Adjust,
    Content,
    EventName,
    Grant,
    LotTerms,
    Payment,
    RefillDeclined,
    RefillPaid,
    RefillPolicy,
    Reprice,
    SetPolicy,
    Threshold,
    TopUp,
    VoidEvent,
    VoidGrant,
)
from tests.unit.ledger_examples.words import AMOUNT, TIME, microcredits, time_of

_SPENT: dict[str | None, Literal["owe", "keep"] | None] = {"owe": "owe", "keep": "keep", None: None}


class Names(NamedTuple):
    """How a ledger calls what the words name."""

    event: Callable[[str], EventName]
    refill: Callable[[int], str]
    lot: Callable[[str], str]


def command_of(words: str, names: Names) -> Content:
    """The command that the words mean; ValueError when they mean none."""
    found = _lot_command(words, names) or _event_command(words, names) or _policy(words) or _refill(words, names)
    if found is None:
        raise ValueError(f"{words!r} is no step")
    return found


def _lot_command(words: str, names: Names) -> Content | None:
    if match := re.fullmatch(rf"grant ({AMOUNT}) as (\S+?)((?:, .+)?)", words):
        return Grant(match[2], microcredits(match[1]), _terms(match[3]))
    if match := re.fullmatch(rf"top up ({AMOUNT}) as (\S+?)(?:, paid ([\w-]+))?((?:, .+)?)", words):
        return TopUp(match[2], microcredits(match[1]), Payment(match[3] or f"payment of {match[2]}"), _terms(match[4]))
    if match := re.fullmatch(rf"adjust ([+-]?{AMOUNT}) as (\S+)", words):
        return Adjust(match[2], microcredits(match[1]), "put right", "mia")
    if match := re.fullmatch(rf"void grant (.+?)(?:, (owe|keep))?(?:, only ({AMOUNT}))?", words):
        return VoidGrant(names.lot(match[1]), _SPENT[match[2]], microcredits(match[3]) if match[3] else None)
    return None


def _event_command(words: str, names: Names) -> Content | None:
    if match := re.fullmatch(rf"refund (\w+)(?: at offset (\d+))?(?:, only ({AMOUNT}))?", words):
        name = names.event(match[1])
        if match[2]:
            name = replace(name, offset=int(match[2]))
        return VoidEvent(name, microcredits(match[3]) if match[3] else None)
    if match := re.fullmatch(rf"reprice (\w+) to ({AMOUNT}) by (\w+)", words):
        return Reprice(names.event(match[1]), match[3], microcredits(match[2]))
    return None


def _policy(words: str) -> Content | None:
    if words == "observe":
        return SetPolicy(mode="observe")
    if match := re.fullmatch(r"enforce(?:, (keep|waive))?", words):
        return SetPolicy(mode="enforce", overage={"keep": "keep", "waive": "waive"}.get(match[1]))  # type: ignore[arg-type]
    if match := re.fullmatch(r"alert at (.+)", words):
        return SetPolicy(thresholds=tuple(_threshold(text) for text in match[1].split(" and ")))
    if words == "refill off":
        return SetPolicy(refill="off")
    if match := re.fullmatch(
        rf"refill below ({AMOUNT}) by ({AMOUNT})(?:, at most ({AMOUNT}) credits)?(?:, at most (\d+) a month)?", words
    ):
        return SetPolicy(
            refill=RefillPolicy(
                microcredits(match[1]),
                microcredits(match[2]),
                microcredits(match[3]) if match[3] else None,
                int(match[4]) if match[4] else None,
            )
        )
    return None


def _refill(words: str, names: Names) -> Content | None:
    if match := re.fullmatch(r"pay refill (\d+)(?:, paid ([\w-]+))?", words):
        return RefillPaid(names.refill(int(match[1])), Payment(match[2] or f"payment of refill {match[1]}"))
    if match := re.fullmatch(r"decline refill (\d+)(, for good)?", words):
        return RefillDeclined(names.refill(int(match[1])), retry=match[2] is None)
    return None


def _threshold(text: str) -> Threshold:
    if text.endswith("%"):
        return Threshold(percent=Fraction(text.removesuffix("%")))
    return Threshold(credits=microcredits(text))


def _terms(words: str) -> LotTerms:
    terms = LotTerms()
    for word in filter(None, words.split(", ")):
        if match := re.fullmatch(r"priority (\d+)", word):
            terms = replace(terms, priority=int(match[1]))
        elif match := re.fullmatch(rf"from ({TIME})", word):
            terms = replace(terms, effective_at=time_of(match[1]))
        elif match := re.fullmatch(rf"until ({TIME})", word):
            terms = replace(terms, expires_at=time_of(match[1]))
        else:
            raise ValueError(f"{word!r} is no term of a grant")
    return terms
