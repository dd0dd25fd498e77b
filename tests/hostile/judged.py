"""What must hold of any bytes at all, however they are meant; AssertionError says what does not."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from confluent_kafka import Message

from schemas.codec import decode_rate_card, encode_json
from schemas.correction_command import Reprice, VoidEvent
from schemas.dead_letter import DeadLetter, Reason
from schemas.identifiers import Node
from schemas.rate_card import RateCard
from schemas.topics import LARGEST_OUTPUT_BYTES, TopicNames
from schemas.usage import LARGEST_QUANTITY
from sinks import dead_letters
from sinks.feeds import UndecodableError, feeds
from sinks.records import Place, Record
from stream.outputs import Outputs
from stream.rules.command_terms import ledger_command
from stream.rules.commands import ReceivedCommand, content_of, read_command
from stream.rules.ledger import commands as ledger_commands
from stream.rules.ledger.drained import NOTHING_DRAINED
from stream.rules.outcome import FIXES, Reject
from stream.rules.partitioning import check_partitions
from stream.rules.pricing import LARGEST_COST_MICROCREDITS, CostTooLargeError
from stream.rules.rate_cards import RateCards
from stream.rules.usage import Received, microseconds, quantity_in_micros, read_usage
from tests.simulation.ledger_oracle import records
from tests.simulation.ledger_oracle.wire_reading import read_command as read_as_the_ledgers_oracle
from tests.simulation.oracle_checks import Gift, Told, Usage
from tests.simulation.oracle_checks import read_command as oracle_reads_command
from tests.simulation.oracle_checks import read_usage as oracle_reads_usage
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_records import OracleSettings, RawRecord, TopicKind
from tests.unit.ledger_examples.rules_commands import told as told_to_the_ledger

R = TypeVar("R")

LONGEST_DETAIL = 4_096
"""Characters: two names and a key, each with all of its characters escaped, and a few words."""
ACCEPTED, UNREADABLE, UNUSED = "accepted", "unreadable", "unused"

_TOPICS = TopicNames()
_FEEDS = feeds(_TOPICS)
_ONE_PARTITION = OracleSettings(partitions=1)
_NOON_MS = 1_763_812_800_000
_MOST_MICROS = LARGEST_QUANTITY * 1_000_000
_PRICED_MICROS = (1, 1_000_000, 1_500_000, _MOST_MICROS)


def judge_usage(value: bytes) -> str:
    """A usage event is read alike twice and by the oracle, or rejected for the oracle's reason."""
    key = _key_of(value)
    found = _twice(lambda: _opened(read_usage(value, key)))
    said = _oracle(oracle_reads_usage, "usage", key, value)
    if isinstance(found, Reject):
        return _judge_reject(found, said, _TOPICS.usage_events, key, value)
    assert isinstance(said, Usage), f"the oracle rejects it as {said}"
    assert 0 < quantity_in_micros(found.data.quantity) <= _MOST_MICROS
    assert _usage_of(found) == said
    assert read_usage(encode_json(found), key) == found, "written again it is another event"
    return ACCEPTED


def judge_command(value: bytes) -> str:
    """A command is read alike twice and by the oracle, or rejected for the oracle's reason."""
    key = _key_of(value)
    found = _twice(lambda: _opened(read_command(value, key)))
    said = _oracle(oracle_reads_command, "commands", key, value)
    if isinstance(found, Reject):
        return _judge_reject(found, said, _TOPICS.commands, key, value)
    assert isinstance(said, Gift | Told), f"the oracle rejects it as {said}"
    assert (found.subject, found.source, found.id, microseconds(found.time)) == said[:4]
    _judge_terms(found, value)
    again = read_command(encode_json(found), key)
    assert isinstance(again, ReceivedCommand), "written again it is rejected"
    assert content_of(again) == content_of(found), "written again it is another command"
    return ACCEPTED


def judge_rate_card(value: bytes) -> str:
    """A rate card prices everything, or says in few words why it does not; nothing else comes of it."""
    try:
        card = decode_rate_card(value)
    except msgspec.MsgspecError:
        return UNREADABLE
    book = _twice(lambda: RateCards().with_card(card).unused)
    for problem in book.values():
        assert 0 < len(problem) <= LONGEST_DETAIL, f"{len(problem)} characters of problems"
    # Compared as they are written, since what is not a number equals nothing.
    written = encode_json(card)
    assert encode_json(decode_rate_card(written)) == written, "written again it is another card"
    if not book:
        _judge_prices(RateCards().with_card(card), card)
    return UNUSED if book else ACCEPTED


def judge_fed(topic: str) -> Callable[[bytes], str]:
    """For a topic that the sink reads: rows of all columns, or a dead letter that can be written."""

    def judge(value: bytes) -> str:
        record = Record(Place(topic, 0), 0, _NOON_MS, b"acme", value)
        try:
            rows = _twice(lambda: _FEEDS[topic].rows_of(record))
        except UndecodableError as error:
            letter = dead_letters.undecodable(record, str(error), _NOON_MS)
            _judge_letter(letter)
            return UNREADABLE
        for table, columns in rows:
            assert len(columns) == len(table.columns)
            assert len({len(column) for column in columns}) == 1, f"columns of {table.name} differ in length"
        return ACCEPTED

    return judge


JUDGES: dict[str, Callable[[bytes], str]] = {
    "usage": judge_usage,
    "command": judge_command,
    "rate-card": judge_rate_card,
    "charges": judge_fed(_TOPICS.charges),
    "rollups": judge_fed(_TOPICS.rollups),
    "balances": judge_fed(_TOPICS.balances_changelog),
    "lots": judge_fed(_TOPICS.lots_changelog),
    "ledger": judge_fed(_TOPICS.ledger),
    "alerts": judge_fed(_TOPICS.alerts),
    "refill-requests": judge_fed(_TOPICS.refill_requests),
    "bills": judge_fed(_TOPICS.bills),
    "dead-letters": judge_fed(_TOPICS.dead_letters),
}
"""By what the bytes are meant to be: each takes bytes, asserts what must hold, and says what became of them."""


def _twice(read: Callable[[], R]) -> R:
    first = read()
    assert read() == first, "read twice it is two different things"
    return first


def _opened(found: R | Reject) -> R | Reject:
    """With the check that is made when an account opens."""
    if isinstance(found, Received | ReceivedCommand):
        return check_partitions([found.subject], 0, _everything_in_0).get(found.subject, found)
    return found


def _everything_in_0(keys: Sequence[bytes]) -> list[int]:
    return [0] * len(keys)


def _judge_terms(found: ReceivedCommand, value: bytes) -> None:
    """Whoever reads the command without the schemas tells the ledger the same."""
    data = found.data
    account, command = read_as_the_ledgers_oracle(value, repriced_cost=0)
    assert account == found.subject
    if isinstance(data, VoidEvent | Reprice):
        assert isinstance(command.content, records.VoidEvent | records.Reprice)
        assert vars(command.content.event) == msgspec.structs.asdict(data.event)
        return
    told = ledger_command(data)
    if isinstance(told, ledger_commands.Grant | ledger_commands.VoidGrant):
        # A reason is for readers of the ledger: the oracle keeps none.
        told = msgspec.structs.replace(told, detail="")
    assert told == told_to_the_ledger(command.content)


def _key_of(value: bytes) -> bytes:
    """The subject's, so that what is asked is the value."""
    try:
        subject = msgspec.json.decode(value)["subject"]
        return subject.encode() if isinstance(subject, str) else b"acme"
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return b"acme"


def _oracle(read: Callable[[RawRecord, OracleSettings], R], kind: TopicKind, key: bytes, value: bytes) -> R | Reason:
    try:
        return read(RawRecord(kind, 0, 0, _NOON_MS, key, value), _ONE_PARTITION)
    except Rejected as rejected:
        return rejected.reason


def _judge_reject(found: Reject, said: object, topic: str, key: bytes, value: bytes) -> str:
    assert FIXES[found.reason]
    assert 0 < len(found.detail) <= LONGEST_DETAIL, f"{len(found.detail)} characters of detail"
    outputs = Outputs(_TOPICS, 0)
    outputs.reject(found, Message(topic=topic, partition=0, offset=0, key=key, value=value), _NOON_MS)
    ((_, _, written),) = outputs.drain(NOTHING_DRAINED, 1, _NOON_MS)
    assert written is not None
    assert len(written) <= LARGEST_OUTPUT_BYTES
    # Where it breaks off depends on how deep the caller is itself.
    deep = found.reason is Reason.NOT_JSON and "recursion" in found.detail
    # The fast decoder judges each of several values for a name, the oracle the last.
    repeating = found.reason is Reason.INVALID_FIELD and found.detail.endswith("is there twice")
    stricter = repeating and (isinstance(said, Usage) or said is Reason.KEY_MISMATCH)
    assert found.reason == said or deep or stricter, f"{found}, the oracle says {said}"
    return found.reason.value


def _judge_letter(letter: DeadLetter) -> None:
    assert 0 < len(letter.detail) <= LONGEST_DETAIL
    assert len(encode_json(letter)) <= LARGEST_OUTPUT_BYTES


def _usage_of(found: Received) -> Usage:
    used = found.data
    return Usage(
        found.subject,
        found.source,
        found.id,
        microseconds(found.time),
        used.agent,
        used.conversation,
        used.channel,
        used.node,
        quantity_in_micros(used.quantity),
    )


def _judge_prices(book: RateCards, card: RateCard) -> None:
    if card.withdrawn:
        assert len(book) == 0
        return
    compiled = book.card_at(card.line, microseconds(card.effective_at))
    assert compiled is not None
    for node in card.prices:
        _judge_price(compiled.prices[Node(node)].cost_microcredits)


def _judge_price(cost_of: Callable[[int], int]) -> None:
    before = 0
    for micros in _PRICED_MICROS:
        try:
            cost = cost_of(micros)
        except CostTooLargeError:
            return
        assert 0 <= before <= cost <= LARGEST_COST_MICROCREDITS, "more costs less"
        before = cost
