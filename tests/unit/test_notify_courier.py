"""What is posted, and what is made of every answer, with real HTTP and TLS."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from deploy.local.ports import free_port
from schemas.guarded_settings import Secret
from sinks.notify.answers import Answer, Verdict
from sinks.notify.courier import HttpCourier
from sinks.notify.notices import Held, read_notice
from sinks.notify.settings import Endpoint
from sinks.notify.signature import signed_headers
from tests.receiver import SECRET, Receiver, Reply
from tests.unit.notify_fakes import alert_value, record

_SECONDS = 20.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def courier() -> Iterator[HttpCourier]:
    """Waits a second for an answer."""
    with HttpCourier(ssl.create_default_context(), 1.0, connections=4) as made:
        yield made


def notice(identity: str = "a1") -> Held:
    """An alert."""
    return read_notice(record(alert_value("acme", identity), 0), "alert")


def send(courier: HttpCourier, held: Held, url: str) -> None:
    """Begins."""
    headers = signed_headers([Secret(SECRET)], held.webhook_id, int(time.time()), held.body)
    courier.send(held, Endpoint(url, "127.0.0.1", (Secret(SECRET),)), headers)


def answer(courier: HttpCourier, url: str, identity: str = "a1") -> Answer:
    """What comes of one notice."""
    held = notice(identity)
    send(courier, held, url)
    ((answered, found),) = courier.answers(_SECONDS)
    assert answered is held
    return found


def test_the_body_is_the_records_value_and_the_headers_say_what_it_is(receiver: Receiver, courier: HttpCourier) -> None:
    """Not a byte of it is written anew; it is CloudEvents' structured mode."""
    assert answer(courier, receiver.url).verdict is Verdict.DELIVERED
    (request,) = receiver.requests
    assert request.body == alert_value("acme", "a1")
    assert request.path == "/hook"
    assert request.headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
    assert request.headers["user-agent"] == "creditstream-notify"
    assert receiver.forged == []


@pytest.mark.parametrize(
    ("reply", "verdict", "said"),
    [
        (Reply(204, body=b""), Verdict.DELIVERED, "HTTP status 204"),
        (Reply(500), Verdict.FAILED, "HTTP status 500"),
        (Reply(410), Verdict.REFUSED, "HTTP status 410"),
        (Reply(hangs_seconds=5), Verdict.FAILED, "no answer in time"),
        (Reply(cut=True), Verdict.FAILED, "no answer: ServerDisconnectedError"),
        (Reply(200, body=b"x" * 1_000_000), Verdict.DELIVERED, "HTTP status 200"),
        (Reply(200, {"Content-Length": "1000000"}, b"x"), Verdict.DELIVERED, "HTTP status 200"),
        (Reply(200, {"Content-Encoding": "gzip"}, b"no gzip"), Verdict.DELIVERED, "HTTP status 200"),
        (Reply(302, {"Location": "/elsewhere"}), Verdict.FAILED, "HTTP status 302"),
    ],
    ids=["204", "500", "410", "hangs", "cut", "long", "never ends", "no gzip", "redirect"],
)
def test_an_answer_means(receiver: Receiver, courier: HttpCourier, reply: Reply, verdict: Verdict, said: str) -> None:
    """The status decides, whatever comes of the rest of the answer; a redirect is not followed."""
    receiver.will_reply("a1", reply)
    found = answer(courier, receiver.url)
    assert (found.verdict, str(found)) == (verdict, said)
    assert [request.path for request in receiver.requests] == ["/hook"]
    assert found.seconds < 5


def test_retry_after_is_handed_on(receiver: Receiver, courier: HttpCourier) -> None:
    """As it stands."""
    receiver.will_reply("a1", Reply(503, {"Retry-After": "7"}))
    assert answer(courier, receiver.url).retry_after == "7"


def test_nobody_listening_is_a_failure(courier: HttpCourier) -> None:
    """Told without the URL, which may be a secret."""
    found = answer(courier, f"http://127.0.0.1:{free_port()}/T0K3N")
    assert (found.verdict, str(found)) == (Verdict.FAILED, "no connection: Connection refused")


def test_a_host_without_an_address_is_a_failure(courier: HttpCourier) -> None:
    """As while a name server is away."""
    found = answer(courier, "https://nobody.invalid/T0K3N")
    assert found.verdict is Verdict.FAILED
    assert "T0K3N" not in str(found)


def test_certificates_are_checked(tmp_path: Path) -> None:
    """Against the given authorities: with another's, or for another host, nothing is sent."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for made, host, works in (
        (authority, "127.0.0.1", True),
        (stranger, "127.0.0.1", False),
        (authority, "elsewhere.invalid", False),
    ):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.issue_cert(host).configure_cert(server)
        client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with Receiver(context=server) as receiver, HttpCourier(client, _SECONDS, connections=1) as courier:
            found = answer(courier, receiver.url)
            assert (found.verdict is Verdict.DELIVERED) is works
            assert len(receiver.requests) == works
            assert works or "its certificate is not trusted" in str(found)


def test_many_are_on_the_way_at_once_and_each_is_answered_once(receiver: Receiver, courier: HttpCourier) -> None:
    """Those that hang do not keep others waiting, as long as there are connections."""
    receiver.will_reply("a0", Reply(hangs_seconds=5))
    for number in range(20):
        send(courier, notice(f"a{number}"), receiver.url)
    found: dict[str, Verdict] = {}
    while len(found) < 20:
        answers = courier.answers(_SECONDS)
        assert answers
        for held, each in answers:
            assert held.webhook_id not in found
            found[held.webhook_id] = each.verdict
    assert list(found)[-1] == "a0"
    assert [identity for identity, verdict in found.items() if verdict is not Verdict.DELIVERED] == ["a0"]


def test_closing_does_not_wait_for_an_endpoint_that_hangs(receiver: Receiver) -> None:
    """What is on its way is cut off."""
    receiver.will_reply("a1", Reply(hangs_seconds=60))
    started = time.monotonic()
    with HttpCourier(ssl.create_default_context(), 60.0, connections=1) as courier:
        send(courier, notice(), receiver.url)
        while not receiver.requests:
            time.sleep(0.01)
    assert time.monotonic() - started < 30
