"""The notifier's settings are checked at start, and show neither secrets nor URLs."""

import pytest

from schemas.settings import BadSettingError, load_settings
from sinks.__main__ import main
from sinks.notify.settings import NotifySettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
URL = "https://hooks.test/services/T0K3N?key=k3y"
GOOD = {"notify_alerts_url": URL, "notify_alerts_secret": SECRET}


def loaded(**settings: str) -> NotifySettings:
    """As a process loads them."""
    return load_settings(NotifySettings, {f"CREDITSTREAM_{name.upper()}": value for name, value in settings.items()})


def test_a_kind_with_a_url_has_an_endpoint_and_a_topic() -> None:
    """The other kinds have neither."""
    settings = loaded(**GOOD, notify_alerts_second_secret=SECOND, topic_prefix="x.")
    (endpoint,) = settings.endpoints.values()
    assert (endpoint.url, endpoint.host, endpoint.secrets) == (URL, "hooks.test", (SECRET, SECOND))
    assert settings.notice_topics == {"x.credits.alerts": "alert"}
    assert settings.group == "x.creditstream-notify"


def test_neither_secrets_nor_urls_are_shown() -> None:
    """A webhook's URL often lets whoever knows it post."""
    settings = loaded(**GOOD, notify_alerts_second_secret=SECOND)
    shown = repr(settings) + repr(settings.endpoints)
    assert "hooks.test" in shown
    for hidden in (SECRET, SECOND, "T0K3N", "k3y"):
        assert hidden not in shown


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"notify_alerts_url": "", "notify_alerts_secret": ""}, "there is nothing to do"),
        ({"notify_alerts_secret": ""}, "CREDITSTREAM_NOTIFY_ALERTS_SECRET is not set"),
        ({"notify_alerts_secret": "hunter2"}, "CREDITSTREAM_NOTIFY_ALERTS_SECRET is no base64"),
        ({"notify_alerts_second_secret": "whsec_aGk="}, "CREDITSTREAM_NOTIFY_ALERTS_SECOND_SECRET is not of the form"),
        ({"notify_bills_secret": SECRET}, "CREDITSTREAM_NOTIFY_BILLS_SECRET is set, and without"),
        ({"notify_alerts_url": "http://hooks.test/T0K3N"}, "CREDITSTREAM_NOTIFY_ALERTS_URL is not https"),
        ({"notify_alerts_url": "ftp://hooks.test/T0K3N"}, "CREDITSTREAM_NOTIFY_ALERTS_URL is not of the form"),
        ({"notify_alerts_url": "https:///T0K3N"}, "CREDITSTREAM_NOTIFY_ALERTS_URL is not of the form"),
        ({"notify_alerts_url": "https://hooks.test:port/T0K3N"}, "CREDITSTREAM_NOTIFY_ALERTS_URL is no URL"),
        ({"notify_alerts_url": "https://me:T0K3N@hooks.test/"}, "holds a user or a password"),
        ({"notify_alerts_url": "https://hooks.test/T0K3N#here"}, "has a fragment"),
        ({"notify_alerts_url": "https://hooks.test/T0K3N\r\nx: y"}, "has a fragment, white space"),
        ({"notify_ca_location": "/etc/hosts"}, "CREDITSTREAM_NOTIFY_CA_LOCATION is '/etc/hosts'"),
        ({"notify_timeout_seconds": "0"}, "CREDITSTREAM_NOTIFY_TIMEOUT_SECONDS is '0'"),
    ],
)
def test_what_cannot_be_used_is_told_by_name_and_without_the_secret(changes: dict[str, str], told: str) -> None:
    """At start, in one sentence."""
    with pytest.raises(BadSettingError) as refused:
        loaded(**{**GOOD, **changes})
    assert told in str(refused.value)
    for hidden in (SECRET, "hunter2", "T0K3N"):
        assert hidden not in str(refused.value)


def test_plain_http_is_a_setting() -> None:
    """For receivers beside the notifier."""
    settings = loaded(**{**GOOD, "notify_alerts_url": "http://localhost:8000/", "notify_plain_http": "true"})
    assert settings.endpoints["alert"].host == "localhost"


def test_a_secret_comes_from_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As orchestrators hand them over."""
    file = tmp_path_factory.mktemp("secrets") / "alerts"
    file.write_text(f"{SECRET}\n")
    environ = {
        "CREDITSTREAM_NOTIFY_ALERTS_URL": URL,
        "CREDITSTREAM_NOTIFY_ALERTS_SECRET_FILE": str(file),
    }
    assert load_settings(NotifySettings, environ).endpoints["alert"].secrets == (SECRET,)


def test_the_process_ends_with_2_when_there_is_nothing_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says which setting is missing."""
    monkeypatch.delenv("CREDITSTREAM_NOTIFY_ALERTS_URL", raising=False)
    assert main(["notify"]) == 2
    assert "CREDITSTREAM_NOTIFY_ALERTS_URL" in capsys.readouterr().err
