"""Commands about alerts, enforcement and auto-refill on the command line."""

import argparse

from producers.command_kinds import Data, Kind, Options, add_payment, decimal, given, payment
from producers.commands import InvalidCommandError, amount


def _add_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", choices=("observe", "enforce"), help="whether others are told to block")
    parser.add_argument("--owed", choices=("keep", "waive"), help="what becomes of it when enforcement begins")
    levels = parser.add_mutually_exclusive_group()
    levels.add_argument(
        "--threshold",
        action="append",
        metavar="LEVEL",
        help="alert at so many remaining credits, or at so many percent of the period's: 50, 20%%; up to eight, "
        "which replace those that were set",
    )
    levels.add_argument("--no-thresholds", action="store_true", help="no alerts but at 0")
    parser.add_argument("--refill-off", action="store_true", help="ask for no more credits")
    parser.add_argument("--refill-below", metavar="CREDITS", help="ask for credits when fewer remain")
    parser.add_argument("--refill-credits", metavar="CREDITS", help="as often this much as it takes")
    parser.add_argument("--refill-most-credits", metavar="CREDITS", help="in a month")
    parser.add_argument("--refill-most-requests", type=int, metavar="NUMBER", help="in a month")


def _policy(options: Options, _command_id: str) -> Data:
    thresholds = [] if options.no_thresholds else options.threshold and list(map(_threshold, options.threshold))
    policy = {"mode": options.mode, "overage": options.owed, "thresholds": thresholds, "refill": _refill(options)}
    return given(policy)


def _threshold(level: str) -> Data:
    if not level.endswith("%"):
        return {"credits": amount("threshold", level)}
    percent = level.removesuffix("%")
    if not (percent.isascii() and percent.isdecimal() and len(percent) <= len("100")):
        raise InvalidCommandError(f"threshold {level[:40]!r} is not a whole percentage from 1% to 100%")
    return {"percent": int(percent)}


def _refill(options: Options) -> object:
    refill = given(
        {
            "below_credits": decimal(options, "refill_below", "refill.below_credits"),
            "credits": decimal(options, "refill_credits", "refill.credits"),
            "most_credits": decimal(options, "refill_most_credits", "refill.most_credits"),
            "most_requests": options.refill_most_requests,
        }
    )
    if options.refill_off and refill:
        raise InvalidCommandError("--refill-off leaves nothing to ask for: leave out the other options of refill")
    return "off" if options.refill_off else refill or None


def _add_paid(parser: argparse.ArgumentParser) -> None:
    _add_request(parser)
    add_payment(parser)


def _paid(options: Options, command_id: str) -> Data:
    return {"request": options.request, "payment": payment(options, command_id)}


def _add_declined(parser: argparse.ArgumentParser) -> None:
    _add_request(parser)
    parser.add_argument("--no-retry", action="store_true", help="asking again makes no sense")
    parser.add_argument("--reason", default="", help="why, for whoever reads the command")


def _declined(options: Options, _command_id: str) -> Data:
    return {"request": options.request, "retry": not options.no_retry, "reason": options.reason}


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--request", required=True, help="the refill request's id")


_REQUEST = "--request 0f0f5b9e-7d3c-5a41-9a53-0d8a4c3b2f11"
KINDS = {
    "set-policy": Kind(
        "set alerts, enforcement and auto-refill; what is left out stays",
        "--threshold 20% --threshold 50 --refill-below 500 --refill-credits 1000 --refill-most-requests 8",
        _add_policy,
        _policy,
    ),
    "refill-paid": Kind(
        "grant a refill that was asked for",
        f"{_REQUEST} --payment-reference pay-8 --amount-minor 2900 --currency EUR",
        _add_paid,
        _paid,
    ),
    "refill-declined": Kind("say that it was not paid", f"{_REQUEST} --no-retry", _add_declined, _declined),
}
