"""The sink speaks HTTPS with a ClickHouse whose certificate it checks."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.settings import load_settings
from sinks.clickhouse import ClickHouseWriter
from sinks.migrate import check_schema, migrate
from sinks.refusals import ClickHouseAwayError
from sinks.settings import ClickHouseSettings
from tests.secured_kafka import Certificates
from tests.servers import ClickHouseServer
from tests.tls_front import tls_front


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def settings(
    clickhouse: ClickHouseServer, database: str, certificates: Certificates, tmp_path: Path
) -> Iterator[ClickHouseSettings]:
    """An empty database behind TLS, as a process is told of it; the password comes from a file."""
    secret = tmp_path / "password"
    secret.write_text(clickhouse.password)
    with tls_front(certificates.broker, clickhouse.host, clickhouse.port) as port:
        environ = {
            "CREDITSTREAM_CLICKHOUSE_HOST": "127.0.0.1",
            "CREDITSTREAM_CLICKHOUSE_PORT": str(port),
            "CREDITSTREAM_CLICKHOUSE_USER": clickhouse.user,
            "CREDITSTREAM_CLICKHOUSE_PASSWORD_FILE": str(secret),
            "CREDITSTREAM_CLICKHOUSE_DATABASE": database,
            "CREDITSTREAM_CLICKHOUSE_SECURE": "true",
            "CREDITSTREAM_CLICKHOUSE_CA_LOCATION": str(certificates.authority),
        }
        yield load_settings(ClickHouseSettings, environ)


def test_migrations_and_the_sinks_questions_go_through_https(settings: ClickHouseSettings) -> None:
    """With the authority that signed ClickHouse's certificate."""
    migrate(settings)
    check_schema(settings)
    assert ClickHouseWriter(settings).server_start().uptime_seconds >= 0


@pytest.mark.parametrize("trusted", ["stranger", ""])
def test_a_certificate_of_an_unknown_authority_is_refused(
    settings: ClickHouseSettings, certificates: Certificates, trusted: str
) -> None:
    """Each row is whom the sink trusts: an authority that did not sign it, or those that everybody knows."""
    location = str(getattr(certificates, trusted)) if trusted else ""
    with pytest.raises(ClickHouseAwayError, match="CERTIFICATE_VERIFY_FAILED"):
        migrate(msgspec.structs.replace(settings, clickhouse_ca_location=location))


def test_a_certificate_of_another_host_is_refused(settings: ClickHouseSettings, certificates: Certificates) -> None:
    """The name that was asked for must be in it."""
    with (
        tls_front(certificates.other_host, settings.clickhouse_host, settings.clickhouse_port) as port,
        pytest.raises(ClickHouseAwayError, match="IP address mismatch"),
    ):
        migrate(msgspec.structs.replace(settings, clickhouse_port=port))


def test_verification_is_switched_off_by_one_setting_alone(settings: ClickHouseSettings) -> None:
    """For trying out."""
    unverified = msgspec.structs.replace(settings, clickhouse_ca_location="", clickhouse_verify=False)
    assert ClickHouseWriter(unverified).server_start().uptime_seconds >= 0
