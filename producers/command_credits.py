"""Commands about lots and events on the command line."""

import argparse

from producers.command_kinds import Data, Kind, Options, add_payment, decimal, given, payment

_AMOUNT = "0.000001 to 10^9, at most six decimals"


def _add_lot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--credits", required=True, help=_AMOUNT)
    parser.add_argument("--grant", default="", help="names the grant, used once (default: the id)")
    parser.add_argument("--priority", type=int, help="0 to 100, lower burns first (default: 20, of a top-up 50)")
    parser.add_argument("--effective-at", help="usable from, such as 2026-12-01T00:00:00Z (default: at once)")
    parser.add_argument("--expires-at", help="usable until (default: for good)")


def _lot(options: Options, command_id: str) -> Data:
    return given(
        {
            "grant": options.grant or command_id,
            "credits": decimal(options, "credits"),
            "priority": options.priority,
            "effective_at": options.effective_at,
            "expires_at": options.expires_at,
        }
    )


def _add_grant(parser: argparse.ArgumentParser) -> None:
    _add_lot(parser)
    _add_reason(parser)


def _grant(options: Options, command_id: str) -> Data:
    return {**_lot(options, command_id), "reason": options.reason}


def _add_top_up(parser: argparse.ArgumentParser) -> None:
    _add_lot(parser)
    add_payment(parser)


def _top_up(options: Options, command_id: str) -> Data:
    return {**_lot(options, command_id), "payment": payment(options, command_id)}


def _add_void_grant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grant", required=True, help="the grant's name")
    parser.add_argument("--spent", choices=("keep", "owe"), help="what was spent (default: owe top-ups and refills)")
    parser.add_argument("--credits", help="take so much of what is unspent (default: the whole grant)")
    _add_reason(parser)


def _void_grant(options: Options, _command_id: str) -> Data:
    taken = {"grant": options.grant, "spent": options.spent, "credits": decimal(options, "credits")}
    return given({**taken, "reason": options.reason})


def _add_event(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--event-source", required=True, help="the event's source")
    parser.add_argument("--event-id", required=True, help="the event's id")
    parser.add_argument("--partition", type=int, required=True, help="of usage.events, where the event is")
    parser.add_argument("--offset", type=int, required=True, help="its offset there")


def _event(options: Options) -> Data:
    place = {"partition": options.partition, "offset": options.offset}
    return {"source": options.event_source, "id": options.event_id, **place}


def _add_void_event(parser: argparse.ArgumentParser) -> None:
    _add_event(parser)
    parser.add_argument("--credits", help="refund so much (default: all that it costs now)")
    _add_reason(parser)


def _void_event(options: Options, _command_id: str) -> Data:
    return given({"event": _event(options), "credits": decimal(options, "credits"), "reason": options.reason})


def _add_reprice(parser: argparse.ArgumentParser) -> None:
    _add_event(parser)
    parser.add_argument("--rate-card", required=True, help="the version of the card by which it is to be priced")


def _reprice(options: Options, _command_id: str) -> Data:
    return {"event": _event(options), "rate_card": options.rate_card}


def _add_adjust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--credits", required=True, help="to give, or to take when negative")
    parser.add_argument("--adjustment", default="", help="names the adjustment, used once (default: the id)")
    parser.add_argument("--reason", required=True, help="why, for whoever reads the ledger")
    parser.add_argument("--actor", required=True, help="who decided it")


def _adjust(options: Options, command_id: str) -> Data:
    said = {"reason": options.reason, "actor": options.actor}
    return {"adjustment": options.adjustment or command_id, "credits": decimal(options, "credits"), **said}


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="why, for whoever reads the ledger")


_EVENT = "--event-source /runtimes/eu-1 --event-id run-7 --partition 3 --offset 17"
KINDS = {
    "grant": Kind("give credits", '--credits 100 --reason "sorry for the outage"', _add_grant, _grant),
    "top-up": Kind(
        "credits that were bought",
        "--credits 2500 --payment-reference pay-871 --amount-minor 4900 --currency EUR",
        _add_top_up,
        _top_up,
    ),
    "void-grant": Kind(
        "take a grant back, with what rolled over of it", "--grant top-up-7 --spent owe", _add_void_grant, _void_grant
    ),
    "void-event": Kind("refund an event, once", f"{_EVENT} --credits 1.5", _add_void_event, _void_event),
    "adjust": Kind(
        "add credits by hand, or take some away",
        '--credits -20 --reason "granted twice" --actor mia',
        _add_adjust,
        _adjust,
    ),
    "reprice": Kind(
        "price an event by another card, once for each", f"{_EVENT} --rate-card 2026-02", _add_reprice, _reprice
    ),
}
