"""Messages between versions, and the documents that others build against."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Struct

from schemas import codec
from schemas.account import AccountRow, account_of
from schemas.asyncapi import asyncapi
from schemas.balance import Balance
from schemas.charge import ChargeBatch
from schemas.command import Command, CommandData
from schemas.dead_letter import DeadLetter, Reason
from schemas.examples import examples
from schemas.json_schemas import MESSAGES, json_schema
from schemas.ledger import EntryBatch, EntryLine, entries_of, verify_chain
from schemas.ledger_examples import ACCOUNT, BALANCE, ENTRIES
from schemas.lot import Lot
from schemas.notice_events import NoticeEvent
from schemas.publish import PUBLISHED, differing, documents, write
from schemas.rate_card import RateCard
from schemas.rollup import RollupBatch
from schemas.topics import LARGEST_OUTPUT_BYTES, LARGEST_RECORD_BYTES, TopicNames, topic_specs
from schemas.usage import LARGEST_EVENT_BYTES, Channel, Usage, UsageEvent

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "creditstream.usage",
    "id": "run-7/answer",
    "source": "/runtimes/eu-1",
    "subject": "acme",
    "time": "2025-11-22T12:30:00Z",
    "data": {"agent": "ada", "conversation": "c-1", "channel": "widget", "node": "answer"},
}


def event_with(**data: Any) -> UsageEvent:
    """The event above with changed data, as a worker reads it."""
    return codec.decode_usage_event(json.dumps({**EVENT, "data": {**EVENT["data"], **data}}).encode())


def test_an_event_of_an_older_producer_takes_the_defaults_of_newer_fields() -> None:
    """Without quantity and datacontenttype, one unit of JSON is meant."""
    event = event_with()
    assert event.data.quantity == 1
    assert event.datacontenttype == "application/json"
    assert event.time == datetime(2025, 11, 22, 12, 30, tzinfo=UTC)
    assert event.data.channel is Channel.WIDGET


def test_an_event_of_a_newer_producer_is_read_without_its_unknown_fields() -> None:
    """Fields nobody here knows are kept out, in the envelope and in the data."""
    newer = {**EVENT, "traceparent": "00-1", "data": {**EVENT["data"], "model": {"name": "m", "seed": [1.5]}}}
    read = codec.decode_usage_event(json.dumps(newer).encode())
    assert read == event_with()
    assert b"model" not in codec.encode_json(read)


def test_an_event_is_written_with_its_envelope_in_full() -> None:
    """What a producer writes carries the fields that have defaults, since CloudEvents requires them."""
    written = json.loads(codec.encode_json(event_with()))
    assert written == {
        **EVENT,
        "datacontenttype": "application/json",
        "data": {**EVENT["data"], "quantity": 1},
    }


@pytest.mark.parametrize(
    ("quantity", "read"),
    [(3, 3), ("1.500000", Decimal("1.5")), (0.1, Decimal("0.1")), ("0.000001", Decimal("0.000001"))],
)
def test_a_quantity_is_read_without_passing_through_a_float(quantity: object, read: int | Decimal) -> None:
    """Each row is a quantity as JSON has it and as it is read."""
    assert event_with(quantity=quantity).data.quantity == read


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"agent": ""}, "$.data.agent"),
        ({"node": "n" * 257}, "$.data.node"),
        ({"channel": "fax"}, "$.data.channel"),
        ({"conversation": None}, "$.data.conversation"),
        ({"quantity": True}, "$.data.quantity"),
    ],
)
def test_an_event_outside_its_schema_is_refused_with_the_place(change: dict[str, Any], where: str) -> None:
    """Each row is a change to the data and the place that the error names."""
    with pytest.raises(msgspec.ValidationError) as raised:
        event_with(**change)
    assert where in str(raised.value)


def test_a_time_without_a_zone_is_refused() -> None:
    """There is no guess at what a local time meant."""
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        codec.decode_usage_event(json.dumps({**EVENT, "time": "2025-11-22T12:30:00"}).encode())


def test_an_account_row_written_before_a_field_was_added_still_reads() -> None:
    """The older row is shorter: what it lacks takes its default."""
    older = msgspec.msgpack.encode(["acme", 2, 500])
    assert msgspec.msgpack.decode(older, type=AccountRow) == AccountRow(EVENT["subject"], 2, held=500)


@pytest.mark.parametrize("name", ["account", "lot", "ledger-batch", "charge-batch", "rollup-batch"])
def test_a_packed_row_of_a_newer_worker_reads_without_its_last_field(name: str) -> None:
    """New fields come at the end of the array, where an older reader passes over them."""
    struct = MESSAGES[name]
    row = msgspec.convert(examples(name)[0], struct)
    newer = msgspec.msgpack.encode([*msgspec.msgpack.decode(msgspec.msgpack.encode(row)), {"new": 1}])
    assert msgspec.msgpack.decode(newer, type=struct) == row


@pytest.mark.parametrize(
    ("struct", "wire"),
    [
        (UsageEvent, "json"),
        (Command, "json"),
        (RateCard, "json"),
        (DeadLetter, "json"),
        (ChargeBatch, "msgpack"),
        (RollupBatch, "msgpack"),
        (AccountRow, "msgpack"),
        (Lot, "msgpack"),
        (EntryBatch, "msgpack"),
        (EntryLine, "json"),
        (NoticeEvent, "json"),
    ],
)
def test_every_message_survives_its_wire(struct: type[Struct], wire: str) -> None:
    """What is written is what is read."""
    format_ = msgspec.json if wire == "json" else msgspec.msgpack
    name = next(name for name, published in MESSAGES.items() if published is struct)
    for example in examples(name):
        value = msgspec.convert(example, struct)
        assert format_.decode(format_.encode(value), type=struct) == value


def test_a_command_is_read_by_its_kind() -> None:
    """There is an example of every kind, which reads back as that kind; another kind is refused."""
    read = [codec.decode_command(json.dumps(example).encode()) for example in examples("command")]
    assert [type(command.data) for command in read] == list(get_args(CommandData))
    other = {**examples("command")[0], "data": {"kind": "loan", "grant": "g", "credits": "1"}}
    with pytest.raises(msgspec.ValidationError, match=r"\$\.data\.kind"):
        codec.decode_command(json.dumps(other).encode())


def test_a_remaining_balance_may_be_negative_and_says_so() -> None:
    """Overage shows as less than nothing."""
    row = Balance(account=EVENT["subject"], granted_microcredits=500, charged_microcredits=530)
    assert row.remaining_microcredits == -30


def test_the_published_documents_are_current() -> None:
    """`python -m schemas write` would change nothing."""
    assert differing() == []


def test_writing_the_documents_is_deterministic_and_removes_what_is_gone(tmp_path: Path) -> None:
    """A second write changes nothing; a file that is no longer published goes."""
    assert write(tmp_path) == sorted(documents())
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "account.json").write_text("{}")
    assert differing(tmp_path) == ["account.json", "old.json"]
    assert write(tmp_path) == ["account.json", "old.json"]
    assert write(tmp_path) == []
    assert not (tmp_path / "old.json").exists()


@pytest.mark.parametrize("name", MESSAGES)
def test_examples_meet_the_published_schema(name: str) -> None:
    """The schema itself is valid JSON Schema 2020-12."""
    schema = _published(f"{name}.json")
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for example in examples(name):
        validator.validate(example)


@pytest.mark.parametrize("field", ["specversion", "type", "id", "source", "subject", "time", "data"])
def test_the_published_schema_of_an_event_requires_what_the_worker_requires(field: str) -> None:
    """Also the fields that the struct fills in for producers."""
    validator = Draft202012Validator(_published("usage-event.json"))
    assert validator.is_valid(EVENT)
    assert not validator.is_valid({name: value for name, value in EVENT.items() if name != field})


def test_the_places_of_packed_messages_are_named() -> None:
    """A reader of the schema alone knows which place is which."""
    for name in ("balance", "account", "lot", "ledger-batch", "charge-batch", "rollup-batch"):
        definition = _published(f"{name}.json")["$defs"][MESSAGES[name].__name__]
        titles = [place["title"] for place in definition["prefixItems"]]
        assert titles == [field.name for field in msgspec.structs.fields(MESSAGES[name])]


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    """Within the document, and to the schemas beside it."""
    document = _published("asyncapi.json")
    references = list(_references(document))
    assert len(references) >= 4 * len(document["channels"])
    for reference in references:
        file, _, pointer = reference.partition("#")
        target: Any = document if not file else _published(file.removeprefix("./"))
        for part in pointer.split("/")[1:]:
            target = target[part]
        assert target


def test_every_operation_of_the_asyncapi_document_uses_a_message_of_its_channel() -> None:
    """An operation names its channel's message through the channel, as AsyncAPI 3 demands."""
    document = asyncapi()
    assert {operation["channel"]["$ref"].rpartition("/")[2] for operation in document["operations"].values()} == set(
        document["channels"]
    )
    for operation in document["operations"].values():
        (message,) = operation["messages"]
        assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


def test_the_asyncapi_document_tells_readers_of_transactional_outputs_to_read_committed() -> None:
    """What the worker writes says so; what comes from outside does not."""
    channels = asyncapi()["channels"]
    told = {name for name, channel in channels.items() if "read_committed" in channel["description"]}
    outputs = {"charges", "rollups", "balances", "lots", "ledger", "alerts", "refillRequests", "bills", "deadLetters"}
    assert told == outputs
    assert told == {name for name, channel in channels.items() if channel.get("x-isolation-level") == "read_committed"}


def test_both_keyed_inputs_have_the_same_partitions_and_the_brokers_clock() -> None:
    """An account's usage and commands meet in one partition, merged by append time."""
    specs = {spec.name: spec for spec in topic_specs(TopicNames(), partitions=7, replication=3)}
    inputs = [specs[TopicNames().usage_events], specs[TopicNames().commands]]
    assert {spec.partitions for spec in inputs} == {7}
    assert {spec.config["message.timestamp.type"] for spec in inputs} == {"LogAppendTime"}


def test_every_topic_is_durable_and_bounded_and_carries_its_prefix() -> None:
    """Replication, in-sync replicas and the largest record are spelled out for each topic."""
    names = TopicNames(prefix="eu.", app="live")
    specs = topic_specs(names, partitions=4, replication=3)
    assert len({spec.name for spec in specs}) == len(specs)
    for spec in specs:
        assert spec.name.startswith("eu.")
        assert spec.config["min.insync.replicas"] == "2"
        assert spec.config["unclean.leader.election.enable"] == "false"
        assert int(spec.config["max.message.bytes"]) in (LARGEST_RECORD_BYTES, LARGEST_OUTPUT_BYTES)


def test_what_is_too_large_to_book_still_fits_into_the_topic() -> None:
    """Otherwise the producer is told by the broker, and no dead letter is written."""
    assert LARGEST_EVENT_BYTES < LARGEST_RECORD_BYTES


def test_the_published_balance_is_the_published_account_s() -> None:
    """As a reader puts both together."""
    row = msgspec.structs.replace(BALANCE, posted=msgspec.Raw(codec.encode_packed(ACCOUNT)))
    assert account_of(codec.encode_packed(row)) == ACCOUNT


def test_the_published_entries_are_a_chain_and_lines_of_the_published_batch() -> None:
    """What a reader tries first is right to the last hash, which is the one of the published account."""
    entries = entries_of(ENTRIES)
    (account,) = examples("account")
    assert verify_chain("acme", entries) == msgspec.convert(account, AccountRow).head == BALANCE.head
    assert [json.loads(line) for line in ENTRIES.entries.splitlines()] == examples("ledger-entry")


@pytest.mark.parametrize(
    ("channel", "kind"), [("alerts", "alert"), ("refillRequests", "refill_request"), ("bills", "bill")]
)
def test_a_topic_of_notices_shows_the_one_kind_that_is_in_it(channel: str, kind: str) -> None:
    """Though all are of one schema."""
    shown = asyncapi()["components"]["messages"][channel]["examples"]
    assert [example["payload"]["data"]["kind"] for example in shown] == [kind]


def test_a_dead_letter_keeps_bytes_that_are_no_text() -> None:
    """The value is base64 in JSON, so that anything that arrived is kept as it was."""
    (example,) = examples("dead-letter")
    letter = msgspec.structs.replace(msgspec.convert(example, DeadLetter), value=b"\xff\0", key=None)
    assert codec.decode_dead_letter(codec.encode_json(letter)) == letter
    assert letter.reason is Reason.NOT_JSON


def test_a_schema_names_the_reasons_and_channels_there_are() -> None:
    """Readers see every value they must handle."""
    assert set(json_schema(DeadLetter)["$defs"]["Reason"]["enum"]) == set(Reason)
    assert set(json_schema(UsageEvent)["$defs"]["Channel"]["enum"]) == set(Channel)
    assert json_schema(UsageEvent)["$defs"]["Usage"]["required"] == [
        field.name for field in msgspec.structs.fields(Usage) if field.required
    ]


def _published(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((PUBLISHED / name).read_text(encoding="utf-8"))
    return document


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
