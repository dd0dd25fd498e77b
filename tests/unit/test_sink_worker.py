"""The sink's loop, on a Kafka and a ClickHouse of plain lists."""

import pytest

from schemas.dead_letter import Reason
from sinks.clickhouse import ServerStart
from sinks.intake import Committed, End
from sinks.records import Place, Record
from sinks.restarts import CommitNote, read_note
from sinks.worker import SinkFailedError
from tests.unit.sink_fakes import BALANCES, CHARGES, Rig, balance_record, begin, eventually


def test_what_is_read_is_inserted_and_then_committed() -> None:
    """Rows reach their table, and the offset after the last record is committed."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0), balance_record("b", 1))
        eventually(lambda: rig.intake.committed(BALANCES) == 2, "commit of offset 2")
    assert rig.writer.accounts() == ["a", "b"]
    assert rig.error is None


def test_nothing_is_committed_while_clickhouse_is_away() -> None:
    """The sink keeps polling and commits once the rows are in."""
    rig = Rig()
    rig.writer.away = True
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0))
        eventually(lambda: rig.value("retries_total") >= 2, "two tries")
        polls = rig.intake.polls
        eventually(lambda: rig.intake.polls > polls + 5, "polls while away")
        assert rig.intake.commits == []
        assert rig.metrics.why_not_ready() == "ClickHouse takes no rows"
        rig.writer.away = False
        eventually(lambda: rig.intake.committed(BALANCES) == 1, "commit after the return")
    assert rig.writer.accounts() == ["a"]
    assert rig.metrics.why_not_ready() is None


def test_memory_is_bounded_while_clickhouse_is_away() -> None:
    """The partitions are paused once a batch waits and the buffer is full, and resumed afterwards."""
    rig = Rig(sink_flush_rows=2)
    rig.writer.away = True
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        for offset in range(20):
            rig.intake.give(balance_record(f"account-{offset}", offset))
        eventually(lambda: rig.intake.paused, "the pause")
        assert rig.value("buffered_rows") <= 4
        rig.writer.away = False
        eventually(lambda: rig.intake.committed(BALANCES) == 20, "all rows after the return")
        assert not rig.intake.paused
    assert rig.writer.accounts() == [f"account-{offset}" for offset in range(20)]


def test_a_refused_row_becomes_a_dead_letter_and_the_rest_is_written() -> None:
    """The dead letter names the record and carries the row."""
    rig = Rig()
    rig.writer.refused = {"bad"}
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(*(balance_record(name, offset) for offset, name in enumerate(["a", "bad", "c", "d"])))
        eventually(lambda: rig.intake.committed(BALANCES) == 4, "commit behind the bad row")
    assert rig.writer.accounts() == ["a", "c", "d"]
    (letter,) = rig.publisher.letters
    assert (letter.reason, letter.topic, letter.offset) == (Reason.REFUSED_BY_CLICKHOUSE, BALANCES.topic, 1)
    assert letter.account == "bad"
    assert b'"granted_credits":"500.000000"' in letter.value


def test_nothing_is_committed_before_its_dead_letters_are_delivered() -> None:
    """A dead letter that Kafka does not take keeps its batch from being committed."""
    rig = Rig()
    rig.writer.refused = {"bad"}
    rig.publisher.away = True
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("bad", 0))
        eventually(lambda: rig.value("retries_total") >= 1, "a try")
        assert rig.intake.commits == []
        rig.publisher.away = False
        eventually(lambda: rig.intake.committed(BALANCES) == 1, "commit after delivery")
    assert len(rig.publisher.letters) == 1


def test_an_undecodable_record_becomes_a_dead_letter_with_its_bytes() -> None:
    """Neither a crash nor a stall: the records around it are written."""
    rig = Rig()
    junk = Record(BALANCES, 1, 1_700_000_000_000, b"key", b"\xffjunk")
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0), junk, balance_record("c", 2))
        eventually(lambda: rig.intake.committed(BALANCES) == 3, "commit behind the junk")
    assert rig.writer.accounts() == ["a", "c"]
    (letter,) = rig.publisher.letters
    assert (letter.reason, letter.offset, letter.key, letter.value) == (
        Reason.UNDECODABLE,
        1,
        b"key",
        b"\xffjunk",
    )


def test_a_dead_letter_of_the_sink_that_fails_again_does_not_go_round() -> None:
    """Refused rows and junk from the sink's own dead letters are not dead-lettered again."""
    rig = Rig()
    own = Place("sinks.dead-letters", 0)
    with rig.running():
        rig.intake.assign({own: begin()})
        rig.intake.give(Record(own, 0, 0, None, b"junk"))
        eventually(lambda: rig.intake.committed(own) == 1, "commit behind the junk")
    assert rig.publisher.letters == []


def test_rows_are_blamed_for_an_unclear_error_only_once_others_can_be_written() -> None:
    """A single row under an unknown error waits for later rows, and is told apart by them."""
    rig = Rig()
    rig.writer.unclear = {"odd"}
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("odd", 0))
        eventually(lambda: rig.value("retries_total") >= 3, "tries")
        assert rig.publisher.letters == []
        rig.intake.give(balance_record("b", 1), balance_record("c", 2))
        eventually(lambda: rig.intake.committed(BALANCES) == 3, "commit behind the odd row")
    assert rig.writer.accounts() == ["b", "c"]
    assert [letter.account for letter in rig.publisher.letters] == ["odd"]


def test_no_row_is_blamed_while_clickhouse_takes_none() -> None:
    """An unknown error of every insert is ClickHouse's: nothing is dead-lettered, everything is kept."""
    rig = Rig()
    rig.writer.all_unclear = True
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0), balance_record("b", 1))
        eventually(lambda: rig.value("retries_total") >= 7, "more tries than before doubt")
        assert rig.publisher.letters == []
        assert rig.intake.commits == []
        rig.writer.all_unclear = False
        eventually(lambda: rig.intake.committed(BALANCES) == 2, "commit after the return")
    assert rig.writer.accounts() == ["a", "b"]


def test_the_end_of_a_partition_is_committed_past_its_markers() -> None:
    """Lag reaches zero although the last offsets of a transactional topic hold no records."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0), End(BALANCES, 2))
        eventually(lambda: rig.intake.committed(BALANCES) == 2, "commit of the end")


def test_a_revoked_partition_is_written_and_committed_before_it_goes() -> None:
    """What was read of it is in ClickHouse and committed when the callback returns."""
    rig = Rig(sink_flush_rows=1_000)
    committed: list[int | None] = []
    with rig.running():
        rig.intake.assign({BALANCES: begin(), CHARGES: begin()})
        rig.intake.give(balance_record("a", 0))
        rig.intake.revoke(BALANCES, then=lambda: committed.append(rig.intake.committed(BALANCES)))
        eventually(lambda: committed, "the revocation")
    assert committed == [1]


def test_records_of_a_partition_that_is_gone_are_not_written_or_committed() -> None:
    """Records that a poll still returns belong to the next owner."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({BALANCES: begin(), CHARGES: begin()})
        rig.intake.revoke(BALANCES)
        rig.intake.give(balance_record("late", 5), End(CHARGES, 7))
        eventually(lambda: rig.intake.committed(CHARGES) == 7, "commit of the other partition")
    assert rig.writer.accounts() == []
    assert rig.intake.committed(BALANCES) is None


def test_a_failed_commit_is_covered_by_the_next() -> None:
    """The sink goes on, and commits the same offsets later."""
    rig = Rig()
    rig.intake.commit_fails = True
    with rig.running():
        rig.intake.assign({BALANCES: begin(), CHARGES: begin()})
        rig.intake.give(balance_record("a", 0))
        eventually(lambda: rig.value("commit_failures_total") == 1, "the failure")
        rig.intake.commit_fails = False
        rig.intake.give(End(CHARGES, 3))
        eventually(lambda: rig.intake.committed(BALANCES) == 1, "the later commit")
    assert rig.intake.committed(CHARGES) == 3


def test_after_a_restart_of_clickhouse_what_was_written_lately_is_written_again() -> None:
    """The sink goes back to where it stood minutes ago, commits that, and reads on from there."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({BALANCES: begin(10)})
        rig.intake.give(balance_record("a", 10), balance_record("b", 11))
        eventually(lambda: rig.intake.committed(BALANCES) == 12, "the first commit")
        rig.writer.server = ServerStart("server", 5_000, 3)
        rig.intake.give(balance_record("c", 12))
        eventually(lambda: rig.intake.seeks, "the rewind")
        eventually(lambda: rig.intake.committed(BALANCES) == 10, "the commit of where it went back to")
        rig.intake.give(*(balance_record(name, 10 + offset) for offset, name in enumerate("abc")))
        eventually(lambda: rig.intake.committed(BALANCES) == 13, "the commit after the rewind")
    assert rig.intake.seeks == [{BALANCES: 10}]
    assert rig.writer.accounts() == ["a", "b", "a", "b", "c"]
    assert rig.value("rewinds_total") == 1


def test_going_back_waits_for_partitions_that_cannot_be_sought_yet() -> None:
    """Nothing is written or committed meanwhile, so that nothing is skipped."""
    rig = Rig()
    rig.intake.seeks_to_fail = 2
    with rig.running():
        rig.intake.assign({BALANCES: begin(10)})
        rig.intake.give(balance_record("a", 10))
        eventually(lambda: rig.intake.committed(BALANCES) == 11, "the first commit")
        rig.writer.server = ServerStart("server", 5_000, 3)
        rig.intake.give(balance_record("b", 11))
        eventually(lambda: rig.intake.seeks, "the rewind")
        assert rig.intake.committed(BALANCES) == 10
    assert rig.writer.accounts() == ["a"]


def test_a_sink_that_finds_clickhouse_restarted_since_the_last_commit_goes_back() -> None:
    """The note of the last commit tells which start of ClickHouse its writer saw."""
    rig = Rig()
    note = CommitNote(rewind_to=40, servers={"server": 500})
    with rig.running():
        eventually(lambda: rig.value("clickhouse_up") == 1, "the first answer")
        rig.intake.assign({BALANCES: Committed(100, note, 0)})
        eventually(lambda: rig.intake.starts, "the assignment")
    assert rig.intake.starts == {BALANCES: 40}


def test_a_commit_carries_what_the_next_sink_needs_after_a_restart_of_clickhouse() -> None:
    """The metadata of an offset names the offset to go back to and the server's start."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({BALANCES: Committed(100, CommitNote(rewind_to=40), 0)})
        rig.intake.give(balance_record("a", 100))
        eventually(lambda: rig.intake.committed(BALANCES) == 101, "the commit")
    _, metadata = rig.intake.commits[-1][BALANCES]
    assert read_note(metadata) == CommitNote(rewind_to=40, servers={"server": 1_000})


def test_offsets_that_retention_deleted_unread_are_counted() -> None:
    """A loss is told, as nobody could see it in ClickHouse."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({BALANCES: Committed(5, None, 7)})
        eventually(lambda: rig.intake.starts, "the assignment")
    assert rig.value("lost_offsets_total", topic=BALANCES.topic) == 7


def test_stopping_writes_and_commits_what_is_buffered() -> None:
    """A clean end leaves nothing to read again."""
    rig = Rig(sink_flush_rows=1_000)
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0))
        eventually(lambda: rig.intake.starts and rig.intake.polls > 3, "the record being read")
    assert rig.intake.committed(BALANCES) == 1
    assert rig.intake.closed


def test_a_mistake_of_the_sink_ends_it_without_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error in the writing thread is neither retried for ever nor swallowed."""
    rig = Rig()

    def break_down(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(rig.writer, "insert", break_down)
    with rig.running():
        rig.intake.assign({BALANCES: begin()})
        rig.intake.give(balance_record("a", 0))
        eventually(lambda: rig.error, "the end")
    assert isinstance(rig.error, SinkFailedError)
    assert rig.intake.commits == []
    assert rig.intake.closed
