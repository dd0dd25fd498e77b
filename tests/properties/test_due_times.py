"""Due times against a dict that is sorted whenever it is asked."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.lot import NEVER_MS
from stream.rules.ledger.due import DueTimes

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abcdef"), st.one_of(st.integers(0, 9), st.just(NEVER_MS))),
        st.tuples(st.just(""), st.integers(0, 9)),
    ),
    max_size=80,
)


@given(steps)
def test_what_is_due_comes_by_time_and_then_by_name(steps: list[tuple[str, int]]) -> None:
    """A step sets an account's due time, or asks once for what is due."""
    due = DueTimes()
    model: dict[str, int] = {}
    for account, at_ms in steps:
        if account:
            due.set(account, at_ms)
            model[account] = at_ms
            if at_ms == NEVER_MS:
                del model[account]
        else:
            first = min(((when, name) for name, when in model.items()), default=(NEVER_MS, ""))
            assert due.pop(at_ms) == (first if first[0] <= at_ms else None)
            if first[0] <= at_ms:
                del model[first[1]]
        assert due.next_ms() == min(model.values(), default=NEVER_MS)
        assert len(due) == len(model)
