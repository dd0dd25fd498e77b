"""Webhooks are signed as Standard Webhooks 1.0 says."""

import base64

import pytest

from schemas.guarded_settings import Secret
from sinks.notify.signature import BadSecretError, secret_key, signature, signed_headers

# As the specification's own libraries test it: https://github.com/standard-webhooks/standard-webhooks
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_has_the_published_signature() -> None:
    """The one that every library of Standard Webhooks is tested with."""
    assert signature(secret_key(SECRET), ID, TIMESTAMP, BODY) == SIGNATURE


def test_two_secrets_make_two_signatures_in_the_one_header() -> None:
    """The first secret's first, a space between: whoever knows either finds its own."""
    headers = signed_headers([Secret(SECRET), Secret(OTHER_SECRET)], ID, TIMESTAMP, BODY)
    other = signature(secret_key(OTHER_SECRET), ID, TIMESTAMP, BODY)
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"{SIGNATURE} {other}",
    }


@pytest.mark.parametrize(
    ("identity", "timestamp", "body"),
    [("msg_other", TIMESTAMP, BODY), (ID, TIMESTAMP + 1, BODY), (ID, TIMESTAMP, BODY + b" ")],
    ids=["id", "time", "body"],
)
def test_nothing_of_it_can_be_changed_under_the_same_signature(identity: str, timestamp: int, body: bytes) -> None:
    """Id, time and every byte of the body are signed."""
    assert signature(secret_key(SECRET), identity, timestamp, body) != SIGNATURE


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        "whsec_not base64!",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_grüße",
    ],
)
def test_a_secret_of_another_form_is_refused_and_not_told(secret: str) -> None:
    """24 to 64 bytes in base64 behind `whsec_`."""
    with pytest.raises(BadSecretError) as refused:
        secret_key(secret)
    assert len(secret) < 10 or secret not in str(refused.value)
