"""Records that nobody thought of: every one is judged alike by worker, oracle and whoever reads it again."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.corpus_files import kept
from tests.hostile.fragments import FRAGMENTS, NAMES
from tests.hostile.judged import JUDGES
from tests.hostile.mutations import Change, changed, randomly_changed

JSON_KINDS = ("usage", "command", "rate-card", "alerts", "refill-requests", "bills", "dead-letters")
PACKED_KINDS = ("charges", "rollups", "balances", "lots", "ledger")

pieces = st.one_of(
    st.sampled_from(FRAGMENTS),
    st.sampled_from(NAMES).map('"{}"'.format),
    st.integers().map(str),
    st.decimals().map('"{}"'.format),
    st.datetimes(timezones=st.timezones()).map(lambda moment: f'"{moment.isoformat()}"'),
    st.text(st.characters(codec="utf-8"), max_size=20).map('"{}"'.format),
).map(str.encode)
changes = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(Change), pieces | st.binary(max_size=8)), min_size=1, max_size=4
)


@pytest.mark.parametrize("kind", JSON_KINDS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_record_with_hostile_pieces_is_judged_as_any_other(kind: str, data: st.DataObject) -> None:
    """Up to four pieces of a record of the corpus are replaced, cut, doubled or repeated."""
    value = data.draw(st.sampled_from([each.value for each in kept(kind)]))
    for place, change, other in data.draw(changes):
        value = changed(value, place, change, other)
    JUDGES[kind](value)


@pytest.mark.parametrize("kind", PACKED_KINDS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_packed_record_with_other_bytes_in_it_is_rows_or_a_dead_letter(kind: str, data: st.DataObject) -> None:
    """Bytes of a record of the corpus are replaced, wherever."""
    value = data.draw(st.sampled_from([each.value for each in kept(kind)]))
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, min(len(value), start + 12)))
    JUDGES[kind](value[:start] + data.draw(st.binary(max_size=12)) + value[end:])


def test_a_change_changes_the_piece_that_it_names() -> None:
    """By its place among names and values, counted round and round."""
    record = b'{"a":1,"b":"x"}'
    assert changed(record, 1, Change.REPLACED, b"NaN") == b'{"a":NaN,"b":"x"}'
    assert changed(record, 2 + 4, Change.REPEATED, b"2") == b'{"a":1,"b":2,"b":"x"}'
    assert changed(record, 3, Change.CUT, b"") == b'{"a":1,"b":}'
    assert changed(record, 1, Change.DOUBLED, b"") == b'{"a":11,"b":"x"}'
    assert changed(record, 0, Change.PRECEDED, b"0") == b'{0,"a":1,"b":"x"}'
    assert changed(b"", 0, Change.REPLACED, b"0") == b"0"


def test_a_seed_makes_the_same_changes_again() -> None:
    """A finding can be made anew."""
    good = b'{"a":1,"b":"x"}'
    found = [[randomly_changed(good, Random(seed)) for seed in range(20)] for _ in range(2)]
    assert found[0] == found[1]
    assert len(set(found[0])) > 10
