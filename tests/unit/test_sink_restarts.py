"""What the sink remembers so that a crash of ClickHouse loses no row."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse import ServerStart
from sinks.restarts import CommitNote, RestartWatch, WrittenLately, read_note, write_note


def test_a_later_start_of_a_known_server_is_a_restart_once() -> None:
    """It is known afterwards."""
    watch = RestartWatch(900)
    assert not watch.restarted(ServerStart("a", 1_000, 100_000))
    assert not watch.restarted(ServerStart("a", 1_001, 100_001))
    assert watch.restarted(ServerStart("a", 2_000, 3))
    assert not watch.restarted(ServerStart("a", 2_000, 5))


def test_an_unknown_server_that_started_lately_counts_as_restarted() -> None:
    """A server that runs for longer than the rewind does not."""
    watch = RestartWatch(900)
    assert watch.restarted(ServerStart("young", 1_000, 899))
    assert not watch.restarted(ServerStart("old", 1_000, 900))


def test_replicas_behind_one_address_are_told_apart() -> None:
    """Answers of another server are no restart of the first."""
    watch = RestartWatch(900)
    for host, started_at in [("a", 1_000), ("b", 9_000), ("a", 1_000), ("b", 9_000)]:
        assert not watch.restarted(ServerStart(host, started_at, 50_000))


def test_only_so_many_servers_are_remembered() -> None:
    """Ever new host names do not grow the metadata of offsets beyond what Kafka takes."""
    watch = RestartWatch(900)
    for number in range(1_000):
        watch.restarted(ServerStart(f"host-{number}.clickhouse.internal", 1_000, 50_000))
    assert len(write_note(CommitNote(10**18, watch.servers))) < 4_096
    assert "host-999.clickhouse.internal" in watch.servers


def test_a_note_of_an_earlier_start_is_outdated() -> None:
    """A partition that comes from a sink that did not see the restart goes back."""
    watch = RestartWatch(900)
    watch.restarted(ServerStart("a", 2_000, 50_000))
    assert watch.outdated({"a": 1_000})
    assert not watch.outdated({"a": 2_001})


def test_starts_that_another_sink_saw_are_learned() -> None:
    """The first answer of a server then tells whether it restarted meanwhile, however long ago."""
    watch = RestartWatch(900)
    assert not watch.outdated({"a": 1_000})
    assert watch.restarted(ServerStart("a", 2_000, 50_000))


def test_foreign_metadata_is_no_note() -> None:
    """Offsets that another tool committed carry no note, and do no harm."""
    for metadata in ("", None, "hello", "{}", '{"rewind_to": "x"}'):
        assert read_note(metadata) is None
    assert read_note(write_note(CommitNote(3, {"a": 1}))) == CommitNote(3, {"a": 1})


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 50)), max_size=200))
def test_going_back_covers_all_that_was_written_lately(steps: list[tuple[float, int]]) -> None:
    """Whenever it is asked, everything written in the last 900 s is at or after the offset, in few samples."""
    now, position = 0.0, 0
    lately = WrittenLately(900, 0, now)
    history = [(now, 0)]
    for seconds, records in steps:
        now, position = now + seconds, position + records
        before = history[-1][1]
        lately.note(position, now)
        history.append((now, position))
        written_lately = [start for (_, start), (at, _) in pairwise(history) if at > now - 900]
        assert lately.rewind_to <= min([*written_lately, before])
    assert len(lately._samples) <= 33
