"""What is wrong with a command is said by field, before anybody sends it."""

import json
from typing import Any

import msgspec
import pytest

from schemas.codec import decode_command
from schemas.command import Command
from schemas.command_check import problems, problems_of
from schemas.dead_letter import Reason
from schemas.examples import examples
from stream.rules.commands import ReceivedCommand, read_command

DAY = "2025-12-01T00:00:00Z"
GRANT = {"kind": "grant", "grant": "g", "credits": "5"}
EVENT = {"source": "s", "id": "e", "partition": 0, "offset": 1}


def plan(**changes: Any) -> dict[str, Any]:
    """An activation of a good plan, with changes to it."""
    return {"kind": "activate_plan", "overage": "keep", "plan": {"plan": "team", "included_credits": "100", **changes}}


def read(data: dict[str, Any]) -> Command:
    """A command of these data, as its schema lets it through."""
    envelope = {"specversion": "1.0", "type": "creditstream.command", "id": "1", "source": "/s", "subject": "acme"}
    return decode_command(json.dumps({**envelope, "time": "2025-11-22T12:00:00Z", "data": data}).encode())


@pytest.mark.parametrize("example", examples("command"), ids=lambda example: example["data"]["kind"])
def test_the_published_examples_have_no_problem(example: dict[str, Any]) -> None:
    """One of every kind."""
    assert problems(decode_command(json.dumps(example).encode())) == []


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"kind": "grant", "grant": "g", "credits": "0"}, "credits is 0: give 0.000001 to 1000000000"),
        ({"kind": "grant", "grant": "g", "credits": "0.0000001"}, "credits: '1E-7' is outside"),
        ({"kind": "grant", "grant": "g", "credits": "NaN"}, "credits: 'NaN' is not a finite number"),
        (
            {**GRANT, "effective_at": "1969-12-31T23:59:59Z"},
            "effective_at is 1969-12-31T23:59:59+00:00: give a time from",
        ),
        ({**GRANT, "expires_at": "1969-12-31T23:59:59Z"}, "expires_at is 1969-12-31T23:59:59+00:00: give a time"),
        ({**GRANT, "expires_at": "2300-01-01T00:00:00Z"}, "expires_at is 2300-01-01T00:00:00+00:00: give a time from"),
        ({**GRANT, "effective_at": DAY, "expires_at": DAY}, "expires_at is not after effective_at"),
        ({"kind": "adjust", "adjustment": "a", "credits": "sNaN", "reason": "r", "actor": "m"}, "credits: "),
        ({"kind": "adjust", "adjustment": "a", "credits": "0", "reason": "r", "actor": "m"}, "credits is 0"),
        ({"kind": "adjust", "adjustment": "a", "credits": "-1e10", "reason": "r", "actor": "m"}, "credits is 1E+10"),
        ({"kind": "void_grant", "grant": "g", "credits": "-1"}, "credits is -1"),
        ({"kind": "void_grant", "grant": "g", "credits": "5", "spent": "owe"}, "spent is owe"),
        ({"kind": "void_event", "event": EVENT, "credits": "0"}, "credits is 0"),
        (plan(included_credits="-1"), "plan.included_credits is -1: give 0 to"),
        (plan(rollover={"cap_credits": "0"}), "plan.rollover.cap_credits is 0"),
        (plan(fee_minor=5), "plan.currency is missing"),
        (plan(overage={"mode": "billed", "price_minor": "2"}), "plan.currency is missing"),
        (plan(overage={"mode": "billed"}, currency="EUR"), "plan.overage.price_minor is the price of billed overage"),
        (plan(overage={"mode": "carried", "price_minor": "2"}), "plan.overage.price_minor is the price of billed"),
        (plan(overage={"mode": "billed", "price_minor": "0"}, currency="EUR"), "plan.overage.price_minor is 0"),
        (plan(overage={"mode": "billed", "price_minor": "1.0000001"}, currency="EUR"), "more than 6 decimals"),
        (plan(overage={"mode": "refused", "limit_credits": "5"}), "plan.overage.limit_credits is for overage"),
        (plan(overage={"mode": "carried", "limit_credits": "0"}), "plan.overage.limit_credits is 0"),
        ({"kind": "set_policy"}, "nothing is set"),
        ({"kind": "set_policy", "mode": "observe", "overage": "keep"}, "overage says what becomes"),
        ({"kind": "set_policy", "thresholds": [{}]}, "thresholds[1]: give credits or percent"),
        (
            {"kind": "set_policy", "thresholds": [{"credits": "1"}, {"credits": "1", "percent": 1}]},
            "thresholds[2]: give",
        ),
        ({"kind": "set_policy", "thresholds": [{"credits": "1"}, {"credits": "1.0"}]}, "thresholds[2] is there twice"),
        ({"kind": "set_policy", "thresholds": [{"credits": "0"}]}, "thresholds[1].credits is 0: give 0.000001 to"),
        ({"kind": "set_policy", "refill": {"below_credits": "0", "credits": "5"}}, "refill.below_credits is 0"),
        ({"kind": "set_policy", "refill": {"below_credits": "1", "credits": "0"}}, "refill.credits is 0"),
        (
            {"kind": "set_policy", "refill": {"below_credits": "1", "credits": "5", "most_credits": "4"}},
            "refill.most_credits is below refill.credits",
        ),
        (
            {"kind": "set_policy", "refill": {"below_credits": "1", "credits": "5", "most_credits": "NaN"}},
            "refill.most_credits: 'NaN'",
        ),
    ],
)
def test_a_problem_names_its_field_and_what_is_allowed(data: dict[str, Any], named: str) -> None:
    """Each row is the data of a command that its shape lets through, and the start of the only problem."""
    (problem,) = problems(read(data))
    assert named in problem


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (plan(anchor_day=32), "$.data.plan.anchor_day"),
        (plan(rollover={"cap_credits": "1", "periods": 25}), "$.data.plan.rollover.periods"),
        (plan(currency="eur"), "$.data.plan.currency"),
        (plan(renews="never"), "$.data.plan.renews"),
        ({"kind": "cancel_plan", "at": "noon"}, "$.data.at"),
        ({"kind": "renew", "period": "1 Dec"}, "$.data.period"),
        ({"kind": "adjust", "adjustment": "a", "credits": "1", "reason": "", "actor": "m"}, "$.data.reason"),
        ({"kind": "void_event", "event": {**EVENT, "offset": -1}}, "$.data.event.offset"),
        ({"kind": "set_policy", "thresholds": [{"credits": "1"}] * 9}, "$.data.thresholds"),
        ({"kind": "set_policy", "thresholds": [{"percent": 101}]}, "$.data.thresholds[0].percent"),
        ({"kind": "set_policy", "thresholds": [{"percent": "20"}]}, "$.data.thresholds[0].percent"),
        ({"kind": "set_policy", "refill": "on"}, "$.data.refill"),
        ({**GRANT, "priority": 101}, "$.data.priority"),
        ({**GRANT, "expires_at": "2025-12-01T00:00:00"}, "$.data.expires_at"),
        (plan(plan="p" * 65), "$.data.plan.plan"),
        (plan(rate_card_line="l" * 33), "$.data.plan.rate_card_line"),
        ({"kind": "refill_paid", "request": "r"}, "payment"),
    ],
)
def test_what_the_schema_refuses_names_its_place(data: dict[str, Any], place: str) -> None:
    """Each row is the data of a command and the place that the error names."""
    with pytest.raises(msgspec.ValidationError) as raised:
        read(data)
    assert place in str(raised.value)


@pytest.mark.parametrize("example", examples("command"), ids=lambda example: example["data"]["kind"])
def test_the_worker_reads_the_published_example_of_every_kind(example: dict[str, Any]) -> None:
    """As the schema has it."""
    found = read_command(json.dumps(example).encode(), b"acme")
    assert isinstance(found, ReceivedCommand)
    assert found.data == decode_command(json.dumps(example).encode()).data


def test_an_amount_is_told_before_terms() -> None:
    """The worker gives the first reason."""
    data = read({"kind": "void_grant", "grant": "g", "credits": "-5", "spent": "owe"}).data
    assert [problem.reason for problem in problems_of(data)] == [Reason.INVALID_AMOUNT, Reason.INVALID_TERMS]
