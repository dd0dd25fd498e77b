"""What others published as their failures, each told to this ledger."""

import msgspec

from schemas.dead_letter import Reason
from schemas.notices import RefillRequest
from stream.rules.ledger import commands
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.once import once
from stream.rules.ledger.posting import Cause
from stream.rules.ledger.restoring import Restoring
from tests.unit.ledger_charges import charged
from tests.unit.ledger_story import Story
from tests.unit.ledger_words import instant

NOON_MS = instant("1 Nov 12:00")
CREDIT = 1_000_000


def test_the_same_top_up_sent_twice_is_booked_once_lago_5870() -> None:
    """Two requests of one payload charged the customer twice: here the lot's name is taken, whatever the id."""
    story = Story("grant free10 10; grant T 100 top_up paid; grant T 100 top_up paid")
    assert story.tell("remaining 110; answers grant_id_reused") == "remaining 110; answers grant_id_reused"
    top_up = commands.Grant("T", 100 * CREDIT, "top_up", payment="pay-7")
    again = msgspec.structs.replace(top_up, grant="U")
    assert once(top_up)[1] == once(again)[1] == (("payment", "pay-7"), Reason.PAYMENT_REUSED)


def test_a_shortfall_of_many_increments_is_one_request_lago_6103() -> None:
    """A rule charged a card once per increment, cycle after cycle, for weeks: one request closes the gap here."""
    story = Story("plan basic 10 carried; policy refill 10 below 5; charge 5000; charge 1 x30; 2 Nov: wait")
    requests = {(each.id, each.amount) for each in story.notices if isinstance(each, RefillRequest)}
    assert [amount for _, amount in requests] == [5_000 * CREDIT]


def test_what_is_asked_in_a_month_is_capped_lago_6103() -> None:
    """Whatever is spent: a cap in credits, one in number, and people are told when it is reached."""
    spend = "; ".join(f"charge 100; paid r{number}" for number in range(1, 4))
    for cap in ("most 3", "cap 350"):
        story = Story(f"grant T 100; policy refill 100 below 50 {cap}; {spend}; charge 100; 30 Nov: charge 100")
        assert story.tell("requests r1:100 r2:100 r3:100") == "requests r1:100 r2:100 r3:100"
        assert story.tell("alerts").split().count("refill_cap_reached") == 1


def test_a_declined_card_is_not_asked_again_at_once_lago_6176() -> None:
    """Each event below the threshold charged the card that had just been declined: here an hour passes first."""
    story = Story(
        "1 Nov 09:00: grant T 60; policy refill 100 below 50; 1 Nov 10:00: charge 20; 1 Nov 10:05: declined r1; "
        "charge 1 x50; 1 Nov 11:04: charge 1"
    )
    assert story.tell("requests r1:100; asked 1T10:00") == "requests r1:100; asked 1T10:00"
    later = Story(
        "1 Nov 09:00: grant T 60; policy refill 100 below 50; 1 Nov 10:00: charge 20; 1 Nov 10:05: declined r1; "
        "1 Nov 11:05: wait"
    )
    assert (
        later.tell("requests r1:100 r2:100; asked 1T10:00 1T11:05") == "requests r1:100 r2:100; asked 1T10:00 1T11:05"
    )


def test_what_is_counted_is_what_was_charged_litellm_27639() -> None:
    """Reservations that were never given back blocked keys at 3 to 6 times their spend: here nothing is reserved."""
    story = Story(
        "policy enforce; grant T 1000; charge 0.5 x1000; refund e1; refund e1; refund e2 0.25; reprice e3 1 v2"
    )
    row = story.ledger.book("acme")
    assert row is not None
    spent = sum(charge.cost for charge in story._charges.values())
    assert row.row.charged - row.row.refunded == spent == 499_750_000
    assert story.tell("remaining 500.25; gate open") == "remaining 500.25; gate open"


def test_a_crash_before_the_commit_meters_nothing_twice_openmeter_4902() -> None:
    """What was booked after the last checkpoint is lost with the worker; booked again from there, all is as it was."""

    def book(ledger: Ledger, first: int, last: int) -> None:
        for event in range(first, last):
            now_ms = NOON_MS + event
            ledger.advance(now_ms)
            charged(ledger, "acme", 7 * CREDIT, 1, "/r", f"e{event}", event, "v1", now_ms * 1_000, now_ms)

    whole = Ledger()
    book(whole, 0, 100)
    wanted = whole.drain()

    crashed = Ledger()
    book(crashed, 0, 40)
    committed = crashed.drain()
    rows, lots = committed.accounts(), committed.lots()
    crashed.version += 1
    book(crashed, 40, 90)

    restored, changelogs = Ledger(), Restoring()
    for key, value in lots:
        changelogs.lot(key, value)
    for key, row in rows:
        changelogs.account(key, row)
    changelogs.finish(restored.restore)
    restored.version = 2
    book(restored, 40, 100)
    after = restored.drain()
    assert committed.entries + after.entries == wanted.entries
    assert after.books[0].row.head == wanted.books[0].row.head
    assert restored.command("acme", commands.Adjust("a", -1, "ann"), Cause("command"), NOON_MS + 200) is not None
