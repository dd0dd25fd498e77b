"""TLS and SASL settings are checked together at start, reach both Kafka clients, and never show a secret."""

import ssl
from pathlib import Path
from typing import Any

import faust
import pytest
from cryptography.hazmat.primitives import serialization

from producers.__main__ import main as producers_main
from schemas.guarded_settings import Secret
from schemas.settings import BadSettingError, KafkaSettings, load_settings
from sinks.__main__ import main as sinks_main
from sinks.settings import ClickHouseSettings, SinkSettings
from stream.__main__ import main as stream_main
from stream.group_credentials import group_credentials
from stream.settings import WorkerSettings
from tests.secured_kafka import Certificates

PASSWORD = "hunter2-hunter2"
SASL = {"security_protocol": "SASL_SSL", "sasl_username": "worker", "sasl_password": PASSWORD}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def environ(**settings: object) -> dict[str, str]:
    """As a process has them."""
    return {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in settings.items()}


def loaded(**settings: object) -> KafkaSettings:
    """The settings, checked."""
    return load_settings(KafkaSettings, environ(**settings))


def refusal(kind: Any = KafkaSettings, **settings: object) -> str:
    """What is said of settings that cannot be used."""
    with pytest.raises(BadSettingError) as refused:
        load_settings(kind, environ(**settings))
    return str(refused.value)


def test_without_security_a_client_is_given_an_address_alone() -> None:
    """What worked before works."""
    assert loaded().client == {"bootstrap.servers": "127.0.0.1:9092"}
    assert group_credentials(loaded()) is None


def test_sasl_and_tls_reach_librdkafka(certificates: Certificates) -> None:
    """Every setting by librdkafka's name, and nothing that is not set."""
    settings = loaded(**SASL, sasl_mechanism="SCRAM-SHA-256", ssl_ca_location=certificates.authority)
    assert settings.security == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "worker",
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(certificates.authority),
    }


@pytest.mark.parametrize(
    "kafka",
    [
        WorkerSettings(**SASL).kafka,  # type: ignore[arg-type]
        WorkerSettings(**SASL).engine.kafka,  # type: ignore[arg-type]
        SinkSettings(**SASL).client,  # type: ignore[arg-type]
        KafkaSettings(**SASL).client,  # type: ignore[arg-type]
    ],
    ids=["worker", "engine", "sink", "producers"],
)
def test_every_process_hands_them_to_its_clients_and_their_repr_hides_the_password(kafka: dict[str, object]) -> None:
    """Each row is what a process makes its clients with."""
    assert kafka["security.protocol"] == "SASL_SSL"
    assert kafka["sasl.password"] == PASSWORD
    assert PASSWORD not in repr(kafka)


def test_the_groups_member_is_given_the_same(certificates: Certificates) -> None:
    """aiokafka gets SCRAM within TLS, and an authority to check the broker by."""
    credentials = group_credentials(loaded(**SASL, ssl_ca_location=certificates.authority))
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.password) == ("worker", PASSWORD)
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert credentials.protocol.value == "SASL_SSL"
    context = credentials.ssl_context
    assert context is not None
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert len(context.get_ca_certs()) == 1
    assert PASSWORD not in repr(credentials)


def test_sasl_without_tls_has_no_context() -> None:
    """For networks that encrypt by themselves."""
    credentials = group_credentials(loaded(**{**SASL, "security_protocol": "SASL_PLAINTEXT"}))
    assert isinstance(credentials, faust.SASLCredentials)
    assert credentials.ssl_context is None
    assert credentials.protocol.value == "SASL_PLAINTEXT"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"security_protocol": "TLS"}, "CREDITSTREAM_SECURITY_PROTOCOL is 'TLS'"),
        ({"sasl_mechanism": "GSSAPI"}, "CREDITSTREAM_SASL_MECHANISM is 'GSSAPI'"),
        ({"security_protocol": "SASL_SSL", "sasl_password": "x"}, "CREDITSTREAM_SASL_USERNAME is not set"),
        ({"security_protocol": "SASL_PLAINTEXT", "sasl_username": "x"}, "CREDITSTREAM_SASL_PASSWORD is not set"),
        (
            {"sasl_password": PASSWORD},
            "CREDITSTREAM_SASL_PASSWORD is set, and CREDITSTREAM_SECURITY_PROTOCOL=PLAINTEXT",
        ),
        ({"security_protocol": "SSL", "sasl_username": "x"}, "CREDITSTREAM_SASL_USERNAME is set"),
        ({"ssl_ca_location": "/etc/hosts"}, "CREDITSTREAM_SSL_CA_LOCATION is set, and"),
        ({"security_protocol": "SSL", "ssl_ca_location": "/nowhere.pem"}, "CREDITSTREAM_SSL_CA_LOCATION names a file"),
        ({"security_protocol": "SSL", "ssl_ca_location": "/etc/hosts"}, "CREDITSTREAM_SSL_CA_LOCATION is '/etc/hosts'"),
        (
            {"security_protocol": "SSL", "ssl_certificate_location": "/etc/hosts"},
            "CREDITSTREAM_SSL_CERTIFICATE_LOCATION is set, and CREDITSTREAM_SSL_KEY_LOCATION is not",
        ),
        (
            {"security_protocol": "SSL", "ssl_key_location": "/etc/hosts"},
            "CREDITSTREAM_SSL_KEY_LOCATION is set, and CREDITSTREAM_SSL_CERTIFICATE_LOCATION is not",
        ),
        ({"security_protocol": "SSL", "ssl_key_password": PASSWORD}, "CREDITSTREAM_SSL_KEY_LOCATION is not"),
    ],
)
def test_what_does_not_fit_together_is_told_by_name(settings: dict[str, object], told: str) -> None:
    """Each row is settings of which some are wrong, missing or of no use, and what is said of them."""
    said = refusal(**settings)
    assert told in said
    assert "Correct it and start again" in said
    assert PASSWORD not in said


def test_a_certificate_with_the_key_of_another_is_told(certificates: Certificates) -> None:
    """Both files are read, and are not a pair."""
    said = refusal(
        security_protocol="SSL",
        ssl_certificate_location=certificates.client,
        ssl_key_location=certificates.other_host,
    )
    assert "are not a certificate and its key" in said


@pytest.mark.parametrize(("password", "opens"), [(PASSWORD, True), ("wrong", False), ("", False)])
def test_an_encrypted_key_is_opened_by_its_password(
    certificates: Certificates, tmp_path: Path, password: str, opens: bool
) -> None:
    """Each row is a password and whether it is the key's; none is ever asked for on a terminal."""
    key = serialization.load_pem_private_key(certificates.client_key.read_bytes(), None)
    encrypted = tmp_path / "key.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    settings: dict[str, object] = {
        "security_protocol": "SSL",
        "ssl_certificate_location": certificates.client,
        "ssl_key_location": encrypted,
        "ssl_key_password": password,
    }
    if opens:
        assert loaded(**settings).security["ssl.key.password"] == PASSWORD
    else:
        assert "CREDITSTREAM_SSL_KEY_PASSWORD does not open the key" in refusal(**settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ca_location": "/etc/hosts"}, "CREDITSTREAM_CLICKHOUSE_CA_LOCATION is set"),
        ({"verify": "false"}, "CREDITSTREAM_CLICKHOUSE_VERIFY is false"),
        ({"secure": "true", "ca_location": "/etc/hosts"}, "CREDITSTREAM_CLICKHOUSE_CA_LOCATION is '/etc/hosts'"),
        ({"secure": "true", "ca_location": "/nowhere"}, "CREDITSTREAM_CLICKHOUSE_CA_LOCATION is '/nowhere'"),
        ({"secure": "true", "verify": "false", "ca_location": "/etc/hosts"}, "CREDITSTREAM_CLICKHOUSE_VERIFY=false"),
    ],
)
def test_clickhouses_settings_are_checked_together(settings: dict[str, str], told: str) -> None:
    """Each row is settings of which some would silently do nothing, and what is said of them."""
    given = {f"clickhouse_{name}": value for name, value in settings.items()}
    assert told in refusal(ClickHouseSettings, **given)


@pytest.mark.parametrize(
    "settings",
    [
        KafkaSettings(sasl_password=PASSWORD, ssl_key_password=PASSWORD),
        WorkerSettings(sasl_password=PASSWORD, http_token=PASSWORD),
        SinkSettings(sasl_password=PASSWORD, http_token=PASSWORD),
        ClickHouseSettings(clickhouse_password=PASSWORD),
    ],
    ids=lambda each: type(each).__name__,
)
def test_settings_show_what_they_are_without_their_secrets(settings: KafkaSettings | ClickHouseSettings) -> None:
    """In a repr, a format and a log line alike."""
    for shown in (repr(settings), str(settings), f"{settings!r}"):
        assert PASSWORD not in shown
        assert "=(hidden)" in shown


def test_a_secret_shows_itself_only_to_whom_it_is_given() -> None:
    """Its repr hides it; as text it is what it is."""
    assert repr({"password": Secret(PASSWORD)}) == "{'password': (hidden)}"
    assert Secret(PASSWORD) == PASSWORD


@pytest.mark.parametrize("main", [stream_main, sinks_main, producers_main])
def test_help_has_no_option_for_a_secret_and_shows_none(
    main: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option would be in the list of processes for everybody to read."""
    for name, value in environ(**SASL, clickhouse_password=PASSWORD, http_token=PASSWORD).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert PASSWORD not in shown
    assert not any(f"--{word}" in shown for word in ("sasl-password", "password", "http-token", "token"))


@pytest.mark.parametrize(
    ("main", "command"),
    [
        (stream_main, ["worker"]),
        (stream_main, ["create-topics"]),
        (producers_main, ["command", "grant", "--account", "a", "--credits", "1"]),
        (sinks_main, ["worker"]),
    ],
)
def test_bad_security_ends_a_process_with_2_before_it_connects(
    main: Any, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row is a process; the message is on stderr and has no secret."""
    monkeypatch.setenv("CREDITSTREAM_SASL_PASSWORD", PASSWORD)
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "CREDITSTREAM_SASL_PASSWORD is set" in said
    assert PASSWORD not in said
