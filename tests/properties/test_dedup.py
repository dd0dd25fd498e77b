"""The dedup window against a plain dict that forgets nothing and compares times."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stream.rules.dedup import DedupWindow, Outcome, Sizes
from stream.rules.dedup_log import PACKED_ID_BYTES

ROOMY_BYTES = 1 << 40
DAY_MS = 86_400_000
# So small that every batch moves ids on, merges and splits leaves; a block is 32 ids, so that some leaves have two.
SIZES = Sizes(
    small_batch=6,
    recent=5,
    least=8,
    least_growth=2,
    first_most=16,
    leaf_least=12,
    leaf_most=70,
    restored_most=64,
)

# Few enough to repeat, with equal first halves and both ends of their range.
known_ids = st.builds(
    lambda high, low: high.to_bytes(8, "little") + low.to_bytes(8, "little"),
    st.sampled_from([0, 1, 2, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]),
    st.integers(0, 5),
)
any_ids = st.binary(min_size=16, max_size=16)
# The upper 32 bits are not remembered.
contents = st.sampled_from([0, 1, 2, 2**32, 2**32 - 1])


class DedupAgainstADict(RuleBasedStateMachine):
    """Whatever is admitted, drained, restored, saved and loaded, the answers are the dict's."""

    @initialize(
        window_ms=st.sampled_from([1, 50, 1000, 35 * DAY_MS]),
        now_ms=st.sampled_from([0, 1_760_000_000_000]),
    )
    def start(self, window_ms: int, now_ms: int) -> None:
        self.window_ms = window_ms
        self.now_ms = now_ms
        self.clock_ms: int | None = None
        self.model: dict[bytes, tuple[int, int]] = {}
        self.log: list[bytes] = []
        self.window = DedupWindow(window_ms, ROOMY_BYTES, sizes=SIZES)

    @rule(
        batch=st.lists(st.tuples(st.one_of(known_ids, any_ids), contents, st.integers(0, 4)), min_size=1, max_size=30)
    )
    def admit(self, batch: list[tuple[bytes, int, int]]) -> None:
        """Rows at their own times, which go a little back now and then."""
        times_ms = []
        for number, (_, _, step) in enumerate(batch):
            self.now_ms += step * self.window_ms // 40
            times_ms.append(self.now_ms - (number % 3))
        self.check([key for key, _, _ in batch], [content for _, content, _ in batch], times_ms)

    @rule(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 300), copies=st.integers(0, 40))
    def admit_many(self, seed: int, rows: int, copies: int) -> None:
        """Random ids at one time, some of them twice and some remembered already."""
        draw = np.random.default_rng(seed)
        keys = [draw.bytes(16) for _ in range(rows)]
        earlier = [*self.model, *keys]
        keys += [earlier[place] for place in draw.integers(0, len(earlier), copies)]
        self.check(keys, draw.integers(0, 3, len(keys)).tolist(), [self.now_ms] * len(keys))

    @rule(share=st.sampled_from([0.01, 0.5, 1, 1.001, 3]))
    def let_time_pass(self, share: float) -> None:
        self.now_ms += int(share * self.window_ms)

    @rule()
    def let_months_pass_within_a_batch(self) -> None:
        """More than the 49 days that a mark can tell apart."""
        later_ms = self.now_ms + 2**32
        key = bytes(16)
        self.check([key, key, key], [1, 1, 1], [self.now_ms, later_ms, later_ms + 2**33])
        self.now_ms = later_ms + 2**33

    @rule()
    def expire(self) -> None:
        self.window.expire(self.now_ms)
        self.clock_ms = max(self.now_ms, self.now_ms if self.clock_ms is None else self.clock_ms)

    @rule()
    def drain(self) -> None:
        self.log.append(self.window.drain_new())

    @rule(clock_first=st.booleans())
    def restart_from_the_log(self, clock_first: bool) -> None:
        """A crash after a checkpoint: what was drained is all there is, cut anew."""
        self.drain()
        self.window = DedupWindow(self.window_ms, ROOMY_BYTES, sizes=SIZES)
        if clock_first and self.clock_ms is not None:
            self.window.expire(self.clock_ms)
        packed = b"".join(self.log)
        cut = 7 * PACKED_ID_BYTES
        for first in range(0, len(packed), cut):
            self.window.restore(packed[first : first + cut])
        self.window.finish_restore()
        if self.clock_ms is not None:
            self.window.expire(self.clock_ms)

    @rule()
    def restart_from_a_snapshot(self) -> None:
        self.drain()
        saved = [array.tobytes() for array in self.window.snapshot()]
        arrays = [np.frombuffer(each, np.uint64) for each in saved]
        shaped = [arrays[0], *(array.reshape(3, -1) for array in arrays[1:])]
        self.window = DedupWindow.from_snapshot(shaped, self.window_ms, ROOMY_BYTES, sizes=SIZES)

    @invariant()
    def every_live_id_takes_memory(self) -> None:
        if self.clock_ms is not None:
            oldest_ms = self.clock_ms - self.window_ms
            assert len(self.window) >= sum(at_ms >= oldest_ms for _, at_ms in self.model.values())

    def check(self, keys: list[bytes], batch_contents: list[int], times_ms: list[int]) -> None:
        """Admits a batch and compares every outcome with the dict's."""
        expected = [self.modelled(*row) for row in zip(keys, batch_contents, times_ms, strict=True)]
        outcomes = self.window.admit(b"".join(keys), batch_contents, times_ms)
        assert [Outcome(outcome) for outcome in outcomes.tolist()] == expected

    def modelled(self, key: bytes, content: int, at_ms: int) -> Outcome:
        """The definition: remembered while its admission is at most the window before the clock."""
        self.clock_ms = at_ms if self.clock_ms is None else max(self.clock_ms, at_ms)
        known = self.model.get(key)
        if known is None or known[1] < self.clock_ms - self.window_ms:
            self.model[key] = (content % 2**32, at_ms)
            return Outcome.NEW
        return Outcome.DUPLICATE if known[0] == content % 2**32 else Outcome.CONFLICT


TestDedupAgainstADict = DedupAgainstADict.TestCase
TestDedupAgainstADict.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
