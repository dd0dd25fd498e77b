"""`python -m sinks notify` and `python -m sinks redeliver`: the notifier's command lines."""

import argparse

from schemas.settings import load_settings
from sinks.notify.redeliver import Chosen, redeliver
from sinks.notify.service import serve
from sinks.notify.settings import KINDS, NotifySettings
from sinks.query import QueryError
from sinks.reconcile.settings import ReconcileSettings

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


_REDELIVER_HELP = """
Undelivered notices are those of sinks.undelivered-notices. Each is fed back once; if it is not taken again, it is
undelivered again, and can be fed back again. A running notifier delivers what is fed back.

Examples:
  python -m sinks redeliver --all --dry-run
  python -m sinks redeliver --kind refill_request
  python -m sinks redeliver --account acme
"""


def add_notify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Both commands; everything the first is told comes from settings, which hold secrets."""
    notify = commands.add_parser(
        "notify",
        help="post alerts, refill requests and bills to webhooks until told to stop",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    notify.set_defaults(run=_notify)
    feed = commands.add_parser(
        "redeliver",
        help="feed undelivered notices back to the notifier, each once",
        epilog=_REDELIVER_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    feed.add_argument("--all", action="store_true", help="all of them")
    feed.add_argument("--account", default="", help="those of this account")
    feed.add_argument("--kind", default="", choices=sorted(KINDS), help="those of this kind")
    feed.add_argument("--dry-run", action="store_true", help="say how many, and feed nothing back")
    feed.add_argument("--bootstrap-servers", help="Kafka, as host:port,host:port")
    feed.add_argument("--topic-prefix", help="put before every topic's name")
    feed.add_argument("--app", help="name of the worker group and of its state topics (creditstream)")
    feed.set_defaults(run=_redeliver)


def _notify(_options: argparse.Namespace) -> int:
    serve(load_settings(NotifySettings))
    return 0


def _redeliver(options: argparse.Namespace) -> int:
    if not (options.all or options.account or options.kind):
        raise QueryError("say which are meant: --account, --kind, or --all")
    settings = load_settings(
        ReconcileSettings,
        bootstrap_servers=options.bootstrap_servers,
        topic_prefix=options.topic_prefix,
        app=options.app,
    )
    fed, unusable = redeliver(settings, Chosen(options.account, options.kind), dry=options.dry_run)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(fed.items()))
    done = "would be fed back" if options.dry_run else "fed back"
    print(f"{done}: {kinds}" if fed else "nothing to feed back")
    if unusable:
        print(f"left out: {unusable}, as their bytes were cut or are no notice")
    return 0
