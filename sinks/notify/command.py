"""`python -m sinks notify`: the notifier's command line."""

import argparse

from schemas.settings import load_settings
from sinks.notify.service import serve
from sinks.notify.settings import NotifySettings

_HELP = """
Posts every alert, refill request and bill to the endpoint of its kind, signed as Standard Webhooks has it, at least
once; docs/notices.md says what a receiver must do. What no endpoint takes is in sinks.undelivered-notices.

Settings come from the environment, or from a file that NAME_FILE names:
  CREDITSTREAM_NOTIFY_ALERTS_URL, _NOTIFY_ALERTS_SECRET, _NOTIFY_ALERTS_SECOND_SECRET (while it is exchanged)
  the same of _NOTIFY_REFILL_REQUESTS_ and _NOTIFY_BILLS_; a kind without a URL is not read
  CREDITSTREAM_NOTIFY_PLAIN_HTTP, _NOTIFY_CA_LOCATION, _NOTIFY_TIMEOUT_SECONDS, _NOTIFY_CONCURRENCY,
  _NOTIFY_HELD_NOTICES, _NOTIFY_GIVE_UP_MINUTES
  CREDITSTREAM_BOOTSTRAP_SERVERS, CREDITSTREAM_TOPIC_PREFIX, CREDITSTREAM_APP, CREDITSTREAM_HTTP_PORT (0: none)
"""


def add_notify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command; everything it is told comes from settings, which hold secrets."""
    notify = commands.add_parser(
        "notify",
        help="post alerts, refill requests and bills to webhooks until told to stop",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    notify.set_defaults(run=_notify)


def _notify(_options: argparse.Namespace) -> int:
    serve(load_settings(NotifySettings))
    return 0
