"""What the notifier can be told: where each kind of notice goes, with which secrets, and for how long it tries."""

import ssl
from collections.abc import Iterator
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta

from schemas.guarded_settings import Secret
from schemas.http_token import HttpToken
from schemas.settings import KafkaSettings
from schemas.undelivered_notice import NoticeKind
from sinks.notify.signature import BadSecretError, secret_key

KINDS: dict[NoticeKind, str] = {"alert": "alerts", "refill_request": "refill_requests", "bill": "bills"}
"""Every kind of notice, and the name of its settings and its topic."""
_LONGEST_URL = 2_000


class Endpoint(NamedTuple):
    """Where a kind of notice goes, and what it is signed with; it shows itself as its host alone."""

    url: str
    host: str
    secrets: tuple[Secret, ...]

    def __repr__(self) -> str:
        return self.host


class NotifySettings(KafkaSettings, frozen=True, kw_only=True):
    """Kinds without a URL are not read. URLs are hidden as secrets are: whoever knows one may often post there."""

    http_host: str = "0.0.0.0"  # noqa: S104 - Prometheus asks from another machine
    http_port: Annotated[int, Meta(ge=0, le=65535)] = 8003
    http_token: HttpToken = ""
    notify_alerts_url: str = ""
    notify_alerts_secret: str = ""
    notify_alerts_second_secret: str = ""
    notify_refill_requests_url: str = ""
    notify_refill_requests_secret: str = ""
    notify_refill_requests_second_secret: str = ""
    notify_bills_url: str = ""
    notify_bills_secret: str = ""
    notify_bills_second_secret: str = ""
    notify_plain_http: bool = False
    """Whether `http://` is allowed: everybody on the way reads what is sent."""
    notify_ca_location: str = ""
    """PEM file of the authorities that certificates are checked against; the machine's own unless given."""
    notify_timeout_seconds: Annotated[int, Meta(ge=1, le=120)] = 10
    notify_concurrency: Annotated[int, Meta(ge=1, le=256)] = 8
    notify_held_notices: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    notify_give_up_minutes: Annotated[int, Meta(ge=1, le=40_320)] = 1_440

    @property
    def group(self) -> str:
        """The consumer group; installations that share a cluster have prefixes of their own."""
        return f"{self.topic_prefix}{self.app}-notify"

    @property
    def endpoints(self) -> dict[NoticeKind, Endpoint]:
        """Where each kind goes, for those that go anywhere."""
        return {kind: self._endpoint(name) for kind, name in KINDS.items() if getattr(self, f"notify_{name}_url")}

    @property
    def notice_topics(self) -> dict[str, NoticeKind]:
        """The topics that are read for their notices, each with its kind."""
        return {getattr(self.topics, KINDS[kind]): kind for kind in self.endpoints}

    def ssl_context(self) -> ssl.SSLContext:
        """How endpoints prove who they are; OSError if the file is not what it should be."""
        return ssl.create_default_context(cafile=self.notify_ca_location or None)

    def problems(self) -> list[str]:
        own = [problem for name in KINDS.values() for problem in self._endpoint_problems(name)]
        if not self.endpoints:
            own.append("CREDITSTREAM_NOTIFY_ALERTS_URL, or that of another kind, is not set: there is nothing to do")
        try:
            self.ssl_context()
        except OSError as error:
            location = self.notify_ca_location
            own.append(f"CREDITSTREAM_NOTIFY_CA_LOCATION is {location!r}, which holds no PEM certificates: {error}")
        return [*super().problems(), *own]

    def _endpoint(self, name: str) -> Endpoint:
        url = getattr(self, f"notify_{name}_url")
        secrets = (getattr(self, f"notify_{name}_{which}") for which in ("secret", "second_secret"))
        return Endpoint(url, urlsplit(url).hostname or "", tuple(Secret(secret) for secret in secrets if secret))

    def _endpoint_problems(self, name: str) -> Iterator[str]:
        url, variable = getattr(self, f"notify_{name}_url"), f"CREDITSTREAM_NOTIFY_{name.upper()}"
        if url:
            yield from (f"{variable}_URL {problem}" for problem in self._url_problems(url))
            if not getattr(self, f"notify_{name}_secret"):
                yield f"{variable}_SECRET is not set, and what is sent to {variable}_URL would not be signed"
        for which in ("secret", "second_secret"):
            secret = getattr(self, f"notify_{name}_{which}")
            if not secret:
                continue
            try:
                secret_key(secret)
            except BadSecretError as error:
                yield f"{variable}_{which.upper()} {error}"
            if not url:
                yield f"{variable}_{which.upper()} is set, and without {variable}_URL it would not be used"

    def _url_problems(self, url: str) -> Iterator[str]:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            yield "is no URL (it is not shown, as it may hold a secret)"
            return
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield "is not of the form https://host/path (it is not shown, as it may hold a secret)"
        elif parts.scheme == "http" and not self.notify_plain_http:
            yield "is not https, which CREDITSTREAM_NOTIFY_PLAIN_HTTP=true would allow"
        if parts.username is not None or parts.password is not None:
            yield "holds a user or a password: receivers know us by the signature, leave them out"
        if parts.fragment or len(url) > _LONGEST_URL or not url.isascii() or any(map(str.isspace, url)):
            yield f"has a fragment, white space, other characters than ASCII, or more than {_LONGEST_URL:,} of them"
