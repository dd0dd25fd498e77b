"""How a process proves to Kafka who it is, and how it knows that it speaks to Kafka: TLS and SASL."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from schemas.guarded_settings import GuardedSettings, Secret

_FILES = ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location")


class KafkaSecurity(GuardedSettings, frozen=True, kw_only=True):
    """Files are PEM. Without `ssl_ca_location` the machine's own authorities are trusted."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: str = ""
    ssl_ca_location: str = ""
    ssl_certificate_location: str = ""
    ssl_key_location: str = ""
    ssl_key_password: str = ""

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def security(self) -> dict[str, str | int | float | bool]:
        """librdkafka's security settings; its repr tells no secret."""
        if self.security_protocol == "PLAINTEXT":
            return {}
        given: dict[str, str] = {"security.protocol": self.security_protocol}
        if self.uses_sasl:
            given["sasl.mechanism"] = self.sasl_mechanism
            given["sasl.username"] = self.sasl_username
            given["sasl.password"] = Secret(self.sasl_password)
        if self.uses_tls:
            given["ssl.ca.location"] = self.ssl_ca_location
            given["ssl.certificate.location"] = self.ssl_certificate_location
            given["ssl.key.location"] = self.ssl_key_location
            given["ssl.key.password"] = Secret(self.ssl_key_password)
        return {name: value for name, value in given.items() if value}

    def ssl_context(self) -> ssl.SSLContext:
        """The same TLS for clients other than librdkafka; OSError if a file is not what it should be."""
        context = ssl.create_default_context(cafile=self.ssl_ca_location or None)
        if self.ssl_certificate_location:
            # Always given: without it OpenSSL would ask for the password of an encrypted key on the terminal.
            password = self.ssl_key_password
            context.load_cert_chain(self.ssl_certificate_location, self.ssl_key_location, password)
        return context

    def problems(self) -> list[str]:
        return [*super().problems(), *self._sasl_problems(), *self._tls_problems()]

    def _sasl_problems(self) -> Iterator[str]:
        for field in ("sasl_username", "sasl_password"):
            given = getattr(self, field)
            if self.uses_sasl and not given:
                yield f"{_name(field)} is not set, and {self._protocol} needs it"
            if given and not self.uses_sasl:
                yield f"{_name(field)} is set, and {self._protocol} would not use it: SASL_SSL does"

    def _tls_problems(self) -> Iterator[str]:
        for field in (*_FILES, "ssl_key_password"):
            if getattr(self, field) and not self.uses_tls:
                yield f"{_name(field)} is set, and {self._protocol} would not use it: SSL and SASL_SSL do"
        for field, other in (_FILES[1:], _FILES[:0:-1], ("ssl_key_password", _FILES[2])):
            if getattr(self, field) and not getattr(self, other):
                yield f"{_name(field)} is set, and {_name(other)} is not: it needs both"
        unreadable = [f"{_name(field)} {problem}" for field in _FILES if (problem := _unreadable(getattr(self, field)))]
        yield from unreadable
        if self.uses_tls and not unreadable:
            yield from self._context_problems()

    def _context_problems(self) -> Iterator[str]:
        try:
            ssl.create_default_context(cafile=self.ssl_ca_location or None)
        except OSError as error:
            yield f"{_name('ssl_ca_location')} is {self.ssl_ca_location!r}, which holds no PEM certificates: {error}"
            return
        try:
            if self.ssl_key_location:
                self.ssl_context()
        except OSError as error:
            yield (
                f"{_name('ssl_certificate_location')} {self.ssl_certificate_location!r} and "
                f"{_name('ssl_key_location')} {self.ssl_key_location!r} are not a certificate and its key in PEM, "
                f"or {_name('ssl_key_password')} does not open the key: {error}"
            )

    @property
    def _protocol(self) -> str:
        return f"{_name('security_protocol')}={self.security_protocol}"


def _name(field: str) -> str:
    return f"CREDITSTREAM_{field.upper()}"


def _unreadable(path: str) -> str:
    if not path:
        return ""
    try:
        Path(path).open("rb").close()
    except OSError as error:
        return f"names a file that cannot be read: {error}"
    return ""
