"""Where ClickHouse is, for every process that writes to it or asks it."""

import ssl
from typing import Annotated

from msgspec import Meta

from schemas.guarded_settings import GuardedSettings
from schemas.settings import BadSettingError

_CA, _VERIFY = "CREDITSTREAM_CLICKHOUSE_CA_LOCATION", "CREDITSTREAM_CLICKHOUSE_VERIFY"

Port = Annotated[int, Meta(ge=1, le=65535)]


class ClickHouseSettings(GuardedSettings, frozen=True, kw_only=True):
    """Where ClickHouse is; `clickhouse_insert_settings` are `name=value` pairs, comma between, of inserts.

    Replicated tables want `insert_quorum=auto`; Distributed ones `distributed_foreground_insert=1`.
    """

    clickhouse_host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    clickhouse_port: Port = 8123
    clickhouse_user: str = "default"
    clickhouse_password: str = ""
    # It is written into statements, where names cannot be parameters.
    clickhouse_database: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] = "creditstream"
    clickhouse_secure: bool = False
    clickhouse_ca_location: str = ""
    """PEM file of the authorities that ClickHouse's certificate is checked against; those of certifi unless given."""
    clickhouse_verify: bool = True
    clickhouse_timeout_seconds: Annotated[int, Meta(ge=1, le=600)] = 60
    clickhouse_insert_settings: str = ""

    @property
    def insert_settings(self) -> dict[str, str]:
        """The settings of every insert, by name; BadSettingError if they are not `name=value` pairs."""
        pairs = [pair.strip() for pair in self.clickhouse_insert_settings.split(",") if pair.strip()]
        parsed = dict(pair.partition("=")[::2] for pair in pairs)
        if not all(parsed) or not all(parsed.values()):
            raise BadSettingError(
                f"setting CREDITSTREAM_CLICKHOUSE_INSERT_SETTINGS is {self.clickhouse_insert_settings!r}: "
                "`name=value` pairs with commas between are allowed. Correct it and start again."
            )
        return parsed

    def problems(self) -> list[str]:
        found = super().problems()
        if self.clickhouse_secure:
            return [*found, *self._ca_problems()]
        if self.clickhouse_ca_location:
            found.append(f"{_CA} is set, and without CREDITSTREAM_CLICKHOUSE_SECURE=true it would not be used")
        if not self.clickhouse_verify:
            found.append(f"{_VERIFY} is false, and without CREDITSTREAM_CLICKHOUSE_SECURE=true nothing is verified")
        return found

    def _ca_problems(self) -> list[str]:
        if not self.clickhouse_ca_location:
            return []
        if not self.clickhouse_verify:
            return [f"{_CA} is set, and {_VERIFY}=false would not use it"]
        try:
            ssl.create_default_context(cafile=self.clickhouse_ca_location)
        except OSError as error:
            return [f"{_CA} is {self.clickhouse_ca_location!r}, which holds no readable PEM certificates: {error}"]
        return []
