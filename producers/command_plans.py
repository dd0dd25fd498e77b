"""Commands about plans on the command line."""

import argparse
from pathlib import Path

from producers.command_kinds import Data, Kind, Options, decimal, given
from producers.commands import InvalidCommandError
from producers.plan_file import read_plan

_AT = {"once": "once", "period-end": "period_end"}
_RENEWS = {"by-clock": "by_clock", "on-payment": "on_payment"}


def _add_plan(parser: argparse.ArgumentParser) -> None:
    terms = parser.add_argument_group("the plan's terms: by a file, or by options")
    terms.add_argument("--plan-file", type=Path, metavar="FILE", help="TOML, such as deploy/plans/team.toml")
    terms.add_argument("--plan", help="its id, at most 64 characters")
    terms.add_argument("--included-credits", help="that come with each period")
    terms.add_argument("--anchor-day", type=int, help="the day on which periods begin, 1 to 31 (default: 1)")
    terms.add_argument("--rollover-cap", help="what is left of a period moves on, up to so many credits")
    terms.add_argument("--rollover-periods", type=int, help="for so many more periods, 1 to 24 (default: 1)")
    terms.add_argument("--overage", choices=("refused", "carried", "billed"), help="what no credits cover")
    terms.add_argument("--price-minor", help="of a credit of billed overage, in cents or alike")
    terms.add_argument("--overage-limit", help="credits in a period, beyond which overage is refused")
    terms.add_argument("--renews", choices=tuple(_RENEWS), help="by the clock, or by a command (default: by-clock)")
    terms.add_argument("--currency", help="of fee and overage, three letters")
    terms.add_argument("--fee-minor", type=int, help="of a period, in cents or alike")
    terms.add_argument("--rate-card-line", help="the line of prices (default: default)")


def _plan(options: Options) -> Data:
    terms = given(
        {
            "plan": options.plan,
            "included_credits": decimal(options, "included_credits", "plan.included_credits"),
            "anchor_day": options.anchor_day,
            "rollover": _rollover(options),
            "overage": _overage(options),
            "renews": _RENEWS.get(options.renews),
            "currency": options.currency,
            "fee_minor": options.fee_minor,
            "rate_card_line": options.rate_card_line,
        }
    )
    if options.plan_file is None:
        return terms
    if terms:
        raise InvalidCommandError(f"--plan-file has all of the plan's terms: leave out {', '.join(terms)}")
    return read_plan(options.plan_file)


def _rollover(options: Options) -> Data | None:
    cap = decimal(options, "rollover_cap", "plan.rollover.cap_credits")
    return given({"cap_credits": cap, "periods": options.rollover_periods}) or None


def _overage(options: Options) -> Data | None:
    price = decimal(options, "price_minor", "plan.overage.price_minor")
    limit = decimal(options, "overage_limit", "plan.overage.limit_credits")
    return given({"mode": options.overage, "price_minor": price, "limit_credits": limit}) or None


def _add_activate(parser: argparse.ArgumentParser) -> None:
    _add_plan(parser)
    parser.add_argument("--owed", choices=("keep", "waive"), required=True, help="what becomes of what is owed")


def _activate(options: Options, _command_id: str) -> Data:
    return {"plan": _plan(options), "overage": options.owed}


def _add_change(parser: argparse.ArgumentParser) -> None:
    _add_plan(parser)
    _add_at(parser)


def _change(options: Options, _command_id: str) -> Data:
    return {"plan": _plan(options), "at": _AT[options.at]}


def _add_at(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", choices=tuple(_AT), required=True, help="at once, or when the period ends")


def _cancel(options: Options, _command_id: str) -> Data:
    return {"at": _AT[options.at]}


def _add_renew(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--period", required=True, help="the day on which it begins, such as 2026-12-01")


def _renew(options: Options, _command_id: str) -> Data:
    return {"period": options.period}


KINDS = {
    "activate-plan": Kind(
        "begin a plan, its first period prorated by days",
        "--plan-file deploy/plans/team.toml --owed keep",
        _add_activate,
        _activate,
    ),
    "change-plan": Kind(
        "other terms; fewer credits only from the period's end",
        "--plan solo --included-credits 1000 --at period-end",
        _add_change,
        _change,
    ),
    "cancel-plan": Kind("end the plan", "--at period-end", _add_at, _cancel),
    "renew": Kind("say that a period is paid for", "--period 2026-12-01", _add_renew, _renew),
}
