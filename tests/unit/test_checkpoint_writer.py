"""A writer's producer is closed once, and never under the hands of whoever uses it."""

import pytest

from stream.engine import checkpoint
from stream.engine.checkpoint import CheckpointWriter, Ownership


class Producer:
    """Counts its aborts."""

    made: list["Producer"]

    def __init__(self, _: dict[str, object]) -> None:
        self.aborts = 0
        self.made.append(self)

    def init_transactions(self, _: float) -> None:
        """Nobody else is there."""

    def abort_transaction(self, _: float) -> None:
        """What closing does."""
        self.aborts += 1


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> CheckpointWriter:
    """Of partition 3, its producer fenced."""
    Producer.made = []
    monkeypatch.setattr(checkpoint, "Producer", Producer)
    made = CheckpointWriter({}, "app-3", 3, "progress", lambda _: None, lambda: Ownership.OURS)
    assert made.fence()
    return made


def test_a_writer_is_closed_at_once_and_once(writer: CheckpointWriter) -> None:
    """When nobody uses it."""
    writer.close()
    writer.close()
    assert [each.aborts for each in Producer.made] == [1]


def test_a_writer_in_use_is_closed_when_its_user_is_done(writer: CheckpointWriter) -> None:
    """librdkafka would refuse the abort, or take it for the user's: a transaction may be open or half written."""
    with writer.in_use():
        writer.close()
        assert [each.aborts for each in Producer.made] == [0]
    assert [each.aborts for each in Producer.made] == [1]


def test_a_writer_closed_while_in_use_is_closed_after_an_error_too(writer: CheckpointWriter) -> None:
    """And the error goes on to whoever asked."""

    def restore() -> None:
        with writer.in_use():
            writer.close()
            raise RuntimeError("restore")

    with pytest.raises(RuntimeError, match="restore"):
        restore()
    assert [each.aborts for each in Producer.made] == [1]


def test_a_producer_that_was_made_after_the_closing_is_closed(writer: CheckpointWriter) -> None:
    """A checkpoint whose outcome is unknown makes another one."""
    with writer.in_use():
        writer.close()
        assert writer.fence()
    assert [each.aborts for each in Producer.made] == [0, 1]


def test_a_writer_that_was_used_goes_on(writer: CheckpointWriter) -> None:
    """Its producer is closed by nobody before it is asked for."""
    with writer.in_use():
        pass
    assert [each.aborts for each in Producer.made] == [0]
