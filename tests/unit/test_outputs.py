"""What a partition emits is bounded, carries its checkpoint, and decodes with the published schemas."""

import hashlib
import os
from functools import partial

import msgspec
from confluent_kafka import Message

from schemas.account import BillLine
from schemas.codec import decode_charges, decode_dead_letter
from schemas.dead_letter import LARGEST_DEAD_LETTER_BYTES, DeadLetter, Reason
from schemas.identifiers import Account, Agent, Node
from schemas.ledger import decode_entry_batch, entries_of, verify_chain
from schemas.notice_events import bill_id, decode_notice, notice_event
from schemas.notices import Alert, Bill, Notice, RefillRequest
from schemas.topics import LARGEST_OUTPUT_BYTES, LARGEST_RECORD_BYTES, PACKED_BYTES
from stream.outputs import Outputs
from stream.rules.ledger.drained import NOTHING_DRAINED
from stream.rules.ledger.ledger import Ledger
from stream.rules.outcome import FIXES, Reject
from tests.unit.booked_figures import charges_in, dead_letters_in, entries_in, values_in
from tests.unit.booking_scene import NOON_MS, TOPICS, Scene, usage_record
from tests.unit.charge_rows import charge_row
from tests.unit.ledger_charges import charged

VERSION = 7 << 32 | 3
BOOKED_AT_MS = NOON_MS + 250


def test_charges_are_packed_in_order_with_the_place_of_the_first() -> None:
    """However many records they take, `sequence` is where each begins among the checkpoint's bookings."""
    outputs = Outputs(TOPICS, 5)
    for first in range(0, 5_003, 1_000):
        outputs.charge([charge_row(place=number) for number in range(first, min(first + 1_000, 5_003))])
    records = outputs.drain(NOTHING_DRAINED, VERSION, BOOKED_AT_MS)
    batches = [decode_charges(value) for value in values_in(records, TOPICS.charges)]
    assert [(topic, key) for topic, key, _ in records] == [(TOPICS.charges, None)] * len(batches)
    assert {(each.partition, each.version, each.booked_at_ms) for each in batches} == {(5, VERSION, BOOKED_AT_MS)}
    place = 0
    for batch in batches:
        assert batch.sequence == place
        assert [each.offset for each in batch.charges] == list(range(place, place + len(batch.charges)))
        place += len(batch.charges)
    assert place == 5_003


def test_packed_outputs_are_at_most_512_kib() -> None:
    """With names as long as names may be, in the characters that take the most bytes."""
    longest = "\U0001f600" * 256
    outputs = Outputs(TOPICS, 0)
    key = (Account(longest), 1, longest, Agent(longest), Node(longest))
    long = partial(charge_row, key, source=longest, event_id=longest, conversation=longest)
    outputs.charge([long(place=number) for number in range(300)])
    records = outputs.drain(NOTHING_DRAINED, VERSION, BOOKED_AT_MS)
    assert max(len(value or b"") for _, _, value in records) <= PACKED_BYTES
    assert [each.offset for each in charges_in(records)] == list(range(300))
    # Not one record a row either: packing is what makes them cheap.
    assert len(records) < 12


def test_a_dead_letter_is_the_record_with_its_place_the_reason_and_the_fix() -> None:
    """Every field of it."""
    outputs = Outputs(TOPICS, 5)
    value = b'{"half": '
    record = Message(topic="usage.events", partition=5, offset=18, key=b"acme", value=value, timestamp=(2, NOON_MS))
    outputs.reject(Reject(Reason.NOT_JSON, "it ends early", "acme"), record, NOON_MS + 1)
    ((topic, key, letter),) = outputs.drain(NOTHING_DRAINED, VERSION, BOOKED_AT_MS)
    assert (topic, key) == (TOPICS.dead_letters, None)
    assert decode_dead_letter(letter or b"") == DeadLetter(
        reason=Reason.NOT_JSON,
        detail="it ends early",
        fix=FIXES[Reason.NOT_JSON],
        topic="usage.events",
        partition=5,
        offset=18,
        ingested_at_ms=NOON_MS + 1,
        booked_at_ms=BOOKED_AT_MS,
        account="acme",
        key=b"acme",
        value=value,
        value_bytes=len(value),
        value_sha256=hashlib.sha256(value).hexdigest(),
        version=VERSION,
    )


def test_a_dead_letter_carries_at_most_512_kib_with_length_and_hash_of_all() -> None:
    """A 2 MB event is told by its beginning."""
    value = os.urandom(2_000_000)
    scene = Scene()
    scene.book(usage_record(value))
    (letter,) = dead_letters_in(scene.checkpoint())
    assert (letter.reason, letter.value_bytes) == (Reason.TOO_LARGE, 2_000_000)
    assert letter.value == value[:LARGEST_DEAD_LETTER_BYTES]
    assert letter.value_sha256 == hashlib.sha256(value).hexdigest()


def test_no_record_that_the_inputs_accept_makes_a_dead_letter_too_large_to_write() -> None:
    """Or it would fail every checkpoint of its partition for ever: the worst in value, key and subject at once."""
    subject = b'{"specversion":"1.0","type":"creditstream.usage","subject":"%s"}'
    worst = [
        (subject % (b"a" * 1_000_000), os.urandom(LARGEST_RECORD_BYTES - 1_000_100)),
        (subject % (b"\\u0001" * 170_000), os.urandom(LARGEST_RECORD_BYTES - 1_020_100)),
        (os.urandom(LARGEST_RECORD_BYTES // 2), os.urandom(LARGEST_RECORD_BYTES // 2)),
    ]
    scene = Scene()
    scene.book(*(usage_record(value, offset=offset, key=key) for offset, (value, key) in enumerate(worst)))
    letters = values_in(scene.checkpoint(), TOPICS.dead_letters)
    assert len(letters) == len(worst)
    assert max(map(len, letters)) < LARGEST_OUTPUT_BYTES


def test_a_record_without_key_or_value_is_told_as_such() -> None:
    """No key is null, no value is no bytes."""
    scene = Scene()
    scene.book(usage_record(None, key=None))
    (letter,) = dead_letters_in(scene.checkpoint())
    assert (letter.key, letter.value, letter.value_bytes, letter.account) == (None, b"", 0, "")


def test_outputs_are_handed_out_once() -> None:
    """The next checkpoint carries only what came since."""
    outputs = Outputs(TOPICS, 0)
    outputs.charge([charge_row()])
    outputs.reject(Reject(Reason.NOT_JSON, "x"), usage_record(b""), NOON_MS)
    assert len(outputs.drain(NOTHING_DRAINED, VERSION, BOOKED_AT_MS)) == 2
    assert outputs.drain(NOTHING_DRAINED, VERSION + 1, BOOKED_AT_MS) == []


def test_entries_are_packed_in_order_and_cut_at_512_kib() -> None:
    """Sealed while they are booked or when they are drained: one row of places, whole chains, few records."""
    ledger, outputs = Ledger(), Outputs(TOPICS, 5)
    longest = "\U0001f600" * 250
    taken = 0
    for number in range(1_500):
        name = f"{longest}{number % 3}"
        charged(ledger, name, 1, 1, longest, f"{longest}{number}", number, longest, NOON_MS * 1_000, NOON_MS)
        if number % 400 == 399:
            sealed = ledger.take_sealed()
            taken += len(sealed.lines)
            outputs.seal(sealed, VERSION)
    drained = ledger.drain()
    records = outputs.drain(drained, VERSION, BOOKED_AT_MS)
    values = values_in(records, TOPICS.ledger)
    assert max(map(len, values)) <= PACKED_BYTES
    batches = [decode_entry_batch(value) for value in values]
    assert {(each.partition, each.version) for each in batches} == {(5, VERSION)}
    place = 0
    for batch in batches:
        assert batch.first == place
        place += len(entries_of(batch))
    assert place == 1_503 == taken + len(drained.sealed.lines)
    entries = entries_in(records)
    for name in ledger.books:
        verify_chain(name, [each for each in entries if each.account == name])
    # Not one record an entry either.
    assert len(values) < 40
    assert all(key is None for topic, key, _ in records if topic == TOPICS.ledger)
    assert outputs.drain(NOTHING_DRAINED, VERSION + 1, BOOKED_AT_MS) == []


def test_a_notice_is_a_cloud_event_keyed_by_its_account() -> None:
    """Each kind in a topic of its own, in the order in which they were told."""
    account = Account("acme")
    alert = Alert("a1", account, "threshold", -5, "observe", NOON_MS, "20%", 100)
    request = RefillRequest("r1", account, 1, 100_000_000, 1, -5, NOON_MS)
    bill = Bill(account, "team", NOON_MS - 1, NOON_MS, (BillLine(NOON_MS - 1, 2_500_000, "EUR", 1_000_000),), (3,))
    told: list[Notice] = [bill, alert, request, Alert("a2", account, "would_block", -5, "observe", NOON_MS)]
    ledger = msgspec.structs.replace(NOTHING_DRAINED, notices=told)
    records = Outputs(TOPICS, 5).drain(ledger, VERSION, BOOKED_AT_MS)
    topics = [TOPICS.bills, TOPICS.alerts, TOPICS.refill_requests, TOPICS.alerts]
    assert [(topic, key) for topic, key, _ in records] == [(topic, b"acme") for topic in topics]
    events = [decode_notice(value or b"") for _, _, value in records]
    assert [each.id for each in events] == [bill_id(bill), "a1", "r1", "a2"]
    assert {(each.source, each.subject, each.version, each.specversion) for each in events} == {
        ("creditstream/5", account, VERSION, "1.0")
    }
    assert events == [notice_event(each, 5, VERSION) for each in told]
