"""The local file that spares a restart the reading of a log is used only if it is whole and of this very topic."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.engine.log_cache import CachedLog, LogCache

TOPIC, ID = "app-dedup-log", "Xn2c7pKQTsW4"
CHUNKS = [b"header", b"", b"x" * 1_000]


def saved(folder: Path) -> LogCache:
    """A cache that holds the log of partition 3."""
    cache = LogCache(folder)
    cache.save(TOPIC, 3, ID, 77, CHUNKS)
    return cache


def test_what_was_saved_is_loaded_once(tmp_path: Path) -> None:
    """Used up by loading: a crash afterwards must not find it with a log that went on."""
    cache = saved(tmp_path / "not" / "yet" / "there")
    assert cache.load(TOPIC, 3, ID) == CachedLog(77, CHUNKS)
    assert cache.load(TOPIC, 3, ID) is None


@pytest.mark.parametrize(
    ("topic", "partition", "topic_id"), [("other", 3, ID), (TOPIC, 4, ID), (TOPIC, 3, "made-again")]
)
def test_the_cache_of_another_log_is_not_used(tmp_path: Path, topic: str, partition: int, topic_id: str) -> None:
    """Each row is another topic, another partition, the topic made again."""
    assert saved(tmp_path).load(topic, partition, topic_id) is None


def test_a_file_cut_anywhere_is_not_used(tmp_path: Path) -> None:
    """Nor is one with something behind its end."""
    saved(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for content in (*(whole[:length] for length in range(0, len(whole), 7)), whole + b"x", b"", b"other" + whole):
        path.write_bytes(content)
        assert LogCache(tmp_path).load(TOPIC, 3, ID) is None


def test_a_dump_that_fails_leaves_no_file_to_use(tmp_path: Path) -> None:
    """A full disk costs time at the next start, nothing else."""

    def failing() -> Iterator[bytes]:
        yield b"some"
        raise OSError(28, "No space left on device")

    cache = LogCache(tmp_path)
    cache.save(TOPIC, 3, ID, 77, failing())
    assert cache.load(TOPIC, 3, ID) is None


def test_without_a_folder_nothing_is_kept() -> None:
    """The cache can be switched off."""
    cache = LogCache(None)
    cache.save(TOPIC, 3, ID, 77, CHUNKS)
    assert cache.load(TOPIC, 3, ID) is None
