"""The dedup window: what it answers, what it takes, what it refuses."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.rules.dedup import WIDEST_WINDOW_MS, BadSnapshotError, DedupBudgetError, DedupWindow, Outcome
from stream.rules.dedup_log import PACKED_ID_BYTES
from tests.unit.charge_rows import content, identity

ROOMY_BYTES = 1 << 40
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_760_000_000_000
A, B, C = (identity("acme", "runtime", name) for name in ("a", "b", "c"))


def window(window_ms: int = DAY_MS, budget_bytes: int = ROOMY_BYTES) -> DedupWindow:
    """An empty window of a day."""
    return DedupWindow(window_ms, budget_bytes)


def random_ids(rows: int, seed: int = 7) -> tuple[bytes, NDArray[np.uint64]]:
    """Identities and contents that do not repeat."""
    draw = np.random.default_rng(seed)
    return draw.bytes(16 * rows), draw.integers(0, 2**63, rows, dtype=np.uint64)


def outcomes_of(dedup: DedupWindow, *rows: tuple[bytes, int], at_ms: int = START_MS) -> list[Outcome]:
    """The outcomes of a batch at one time."""
    admitted = dedup.admit(b"".join(key for key, _ in rows), [said for _, said in rows], at_ms)
    return [Outcome(outcome) for outcome in admitted.tolist()]


@pytest.mark.parametrize("padding", [0, 200])
def test_rows_of_a_batch_meet_the_rows_before_them(padding: int) -> None:
    """In a short batch and in a long one, a copy is a duplicate and other content a conflict."""
    dedup = window()
    fillers = [(identity("acme", "filler", str(number)), 0) for number in range(padding)]
    rows = [(A, 1), (B, 1), (A, 1), (A, 2), (B, 1), (C, 3)]
    expected = [
        Outcome.NEW,
        Outcome.NEW,
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
        Outcome.DUPLICATE,
        Outcome.NEW,
    ]
    assert outcomes_of(dedup, *fillers, *rows)[padding:] == expected
    assert outcomes_of(dedup, *fillers, (A, 1), (B, 2), (C, 3))[padding:] == [
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
        Outcome.DUPLICATE,
    ]


def test_an_id_is_recognised_through_the_last_millisecond_of_the_window() -> None:
    """At exactly the window's age an id is remembered, one millisecond later it is new."""
    dedup = window()
    assert outcomes_of(dedup, (A, 1), (B, 1)) == [Outcome.NEW] * 2
    assert outcomes_of(dedup, (A, 1), at_ms=START_MS + DAY_MS) == [Outcome.DUPLICATE]
    assert outcomes_of(dedup, (A, 1), at_ms=START_MS + DAY_MS + 1) == [Outcome.NEW]
    assert outcomes_of(dedup, (A, 1), (B, 1), at_ms=START_MS + DAY_MS + 1) == [Outcome.DUPLICATE, Outcome.NEW]


def test_a_duplicate_does_not_prolong_its_id() -> None:
    """The window is counted from the admission, not from the last copy."""
    dedup = window()
    outcomes_of(dedup, (A, 1))
    outcomes_of(dedup, (A, 1), at_ms=START_MS + DAY_MS)
    assert outcomes_of(dedup, (A, 2), at_ms=START_MS + DAY_MS + 1) == [Outcome.NEW]


def test_the_clock_does_not_go_back() -> None:
    """What expired stays expired although a later record carries an earlier time."""
    dedup = window()
    outcomes_of(dedup, (A, 1))
    dedup.expire(START_MS + 2 * DAY_MS)
    dedup.expire(START_MS)
    assert outcomes_of(dedup, (A, 1), at_ms=START_MS + HOUR_MS) == [Outcome.NEW]


def test_batches_may_be_cut_anywhere() -> None:
    """The same rows at the same times get the same outcomes one by one, in tens and all at once."""
    draw = np.random.default_rng(3)
    keys = [draw.bytes(16) for _ in range(700)]
    chosen = draw.integers(0, 700, 3000).tolist()
    said = draw.integers(0, 2, 3000).tolist()
    times_ms = [START_MS + number * DAY_MS // 1000 for number in range(3000)]
    answers = []
    for size in (1, 10, 77, 3000):
        dedup = window()
        answers.append(
            [
                outcome
                for first in range(0, 3000, size)
                for outcome in dedup.admit(
                    b"".join(keys[row] for row in chosen[first : first + size]),
                    said[first : first + size],
                    times_ms[first : first + size],
                ).tolist()
            ]
        )
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert set(answers[0]) == {0, 1, 2}


def test_a_drain_holds_the_new_ids_once_in_28_bytes_each() -> None:
    """Duplicates are not in it, and the next drain has only what came since."""
    dedup = window()
    outcomes_of(dedup, (A, 1), (A, 1), (B, 1))
    first = dedup.drain_new()
    outcomes_of(dedup, (A, 1), (C, 1))
    second = dedup.drain_new()
    assert (len(first), len(second), dedup.drain_new()) == (2 * PACKED_ID_BYTES, PACKED_ID_BYTES, b"")
    restored = window()
    restored.restore(first + second)
    assert outcomes_of(restored, (A, 1), (B, 2), (C, 1)) == [
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
        Outcome.DUPLICATE,
    ]
    assert restored.drain_new() == b""


def test_a_restore_leaves_out_what_has_expired() -> None:
    """Records of the log from before the window take no memory."""
    dedup = window()
    identities, contents = random_ids(20_000)
    dedup.admit(identities, contents, START_MS)
    packed = dedup.drain_new()
    restored = window()
    restored.expire(START_MS + DAY_MS + 1)
    restored.restore(packed)
    assert len(restored) == 0


def test_a_cut_log_record_is_refused() -> None:
    """Bytes that are no whole number of ids are an error, not other ids."""
    with pytest.raises(ValueError, match="27 bytes of the dedup log are not a multiple of 28"):
        window().restore(bytes(27))


def test_a_restore_beyond_the_budget_is_refused() -> None:
    """The error tells the ids, what they take and what they may take."""
    dedup = window()
    identities, contents = random_ids(10_000)
    dedup.admit(identities, contents, START_MS)
    packed = dedup.drain_new()
    small = window(budget_bytes=239_999)
    with pytest.raises(DedupBudgetError, match="holds 10000 ids in 240000 bytes, more than the 239999"):
        small.restore(packed)
    enough = window(budget_bytes=240_000)
    enough.restore(packed)
    enough.finish_restore()
    assert not enough.is_over_budget


def test_a_running_window_beyond_its_budget_goes_on() -> None:
    """It reports what it takes, and still recognises every id."""
    dedup = window(budget_bytes=1000)
    identities, contents = random_ids(500)
    assert not dedup.admit(identities, contents, START_MS).any()
    assert dedup.is_over_budget
    assert (dedup.admit(identities, contents, START_MS) == Outcome.DUPLICATE).all()


def test_expired_ids_give_their_memory_back() -> None:
    """After five windows of steady traffic no more than a window and a half of ids is held."""
    dedup = window()
    peak = 0
    for number in range(500):
        identities, contents = random_ids(1000, seed=number)
        dedup.admit(identities, contents, START_MS + number * DAY_MS // 100)
        dedup.drain_new()
        peak = max(peak, len(dedup))
    assert peak <= 150_000
    assert dedup.memory_bytes <= 40 * 100_000


def test_half_a_million_ids_are_all_remembered() -> None:
    """Through every tier and many merges, each id is found, and no other."""
    dedup = window()
    identities, contents = random_ids(500_000)
    step = 2_500
    for first in range(0, 500_000, step):
        part = identities[16 * first : 16 * (first + step)]
        assert not dedup.admit(part, contents[first : first + step], START_MS).any()
    # A run that is being merged counts until its last id is.
    assert 500_000 <= len(dedup) <= 550_000
    assert (dedup.admit(identities, contents, START_MS) == Outcome.DUPLICATE).all()
    assert (dedup.admit(identities, contents ^ np.uint64(1), START_MS) == Outcome.CONFLICT).all()
    for first in range(0, 500_000, 25_000):
        few = identities[16 * first : 16 * (first + 5)]
        assert (dedup.admit(few, contents[first : first + 5], START_MS) == Outcome.DUPLICATE).all()
    assert not dedup.admit(*random_ids(5000, seed=8), START_MS).any()


def test_a_snapshot_stays_what_it_was() -> None:
    """Admission after it does not reach it: it may be saved meanwhile."""
    dedup = window()
    identities, contents = random_ids(30_000)
    dedup.admit(identities, contents, START_MS)
    arrays = dedup.snapshot()
    copies = [array.copy() for array in arrays]
    for number in range(30):
        dedup.admit(*random_ids(3000, seed=number + 100), START_MS + number)
    dedup.admit(*random_ids(10, seed=99), START_MS + 90 * DAY_MS)
    assert all((array == copy).all() for array, copy in zip(arrays, copies, strict=True))
    loaded = DedupWindow.from_snapshot(arrays, DAY_MS, ROOMY_BYTES)
    assert (loaded.admit(identities, contents, START_MS) == Outcome.DUPLICATE).all()


def test_an_empty_window_has_a_snapshot() -> None:
    """Loaded, it remembers nothing and works."""
    loaded = DedupWindow.from_snapshot(window().snapshot(), DAY_MS, ROOMY_BYTES)
    assert outcomes_of(loaded, (A, 1), (A, 1)) == [Outcome.NEW, Outcome.DUPLICATE]


def bad_snapshots() -> Iterator[tuple[str, list[NDArray[np.uint64]]]]:
    """Snapshots that were damaged, with what is said about each."""
    dedup = window()
    dedup.admit(*random_ids(5000), START_MS)
    header, leaf = dedup.snapshot()
    other_format = header.copy()
    other_format[0] = 9
    many = header.copy()
    many[4] = 2**40
    yield "has no header", []
    yield "has no header", [leaf]
    yield "has format 9, not 1", [other_format, leaf]
    yield "makes no sense", [many, leaf]
    yield "ends early", [header]
    yield "a block of shape", [header, leaf[:2]]
    yield "a block out of order", [header, leaf[:, ::-1].copy()]


@pytest.mark.parametrize(("said", "arrays"), list(bad_snapshots()))
def test_a_damaged_snapshot_is_refused(said: str, arrays: list[NDArray[np.uint64]]) -> None:
    """It says what is wrong, and that the log is to be read instead."""
    with pytest.raises(BadSnapshotError, match=f"{said}.*read the log"):
        DedupWindow.from_snapshot(arrays, DAY_MS, ROOMY_BYTES)


def test_a_snapshot_of_a_narrower_window_is_refused() -> None:
    """It has forgotten ids that the wider window needs; a wider one serves a narrower."""
    with pytest.raises(BadSnapshotError, match="does not serve"):
        DedupWindow.from_snapshot(window().snapshot(), DAY_MS + 1, ROOMY_BYTES)
    assert len(DedupWindow.from_snapshot(window().snapshot(), DAY_MS - 1, ROOMY_BYTES)) == 0


def test_a_snapshot_beyond_the_budget_is_refused() -> None:
    """As a restore is."""
    dedup = window()
    dedup.admit(*random_ids(5000), START_MS)
    with pytest.raises(DedupBudgetError, match="holds 5000 ids in 120000 bytes"):
        DedupWindow.from_snapshot(dedup.snapshot(), DAY_MS, 119_999)


@pytest.mark.parametrize("window_ms", [0, -1, WIDEST_WINDOW_MS + 1])
def test_a_window_has_bounds(window_ms: int) -> None:
    """From a millisecond to forty days."""
    with pytest.raises(ValueError, match="is not above 0 and at most 3456000000 ms"):
        window(window_ms)


def test_an_identity_is_not_ambiguous() -> None:
    """Moving a character from one name to the next makes another identity."""
    names = [
        ("ab", "c", "d"),
        ("a", "bc", "d"),
        ("a", "b", "cd"),
        ("a\0", "b", "c"),
        ("a", "\0b", "c"),
        ("", "abc", "d"),
    ]
    assert len({identity(*each) for each in names}) == len(names)
    assert all(len(identity(*each)) == 16 for each in names)


def test_content_covers_every_field() -> None:
    """A change of any one of them, or a character moved, makes other content; the same fields never do."""
    rows: list[tuple[int, str, str, str, str, int]] = [
        (1, "agent", "talk", "api", "llm", 5),
        (2, "agent", "talk", "api", "llm", 5),
        (1, "agen", "ttalk", "api", "llm", 5),
        (1, "agent", "tal", "kapi", "llm", 5),
        (1, "agent", "talk", "ap", "illm", 5),
        (1, "agent", "talk", "widget", "llm", 5),
        (1, "agent", "talk", "api", "code", 5),
        (1, "agent", "talk", "api", "llm", 6),
        (15, "agent", "talk", "api", "llm", 5),
    ]
    assert len({content(*row) for row in rows}) == len(rows)
    assert content(*rows[0]) == content(1, "agent", "talk", "api", "llm", 5)
