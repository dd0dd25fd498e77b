"""Progress, claims and topologies are read by whoever comes next, older and newer workers included."""

import pytest

from stream.engine.progress import (
    CONTROL_KEY,
    STATE_FORMAT,
    Claim,
    Progress,
    TopicIdentity,
    Topology,
    decode_claim,
    decode_progress,
    decode_topology,
    encode,
    version_of,
)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (Progress(1, 100, {}), Progress(2, 100, {})),
        (Progress(2**32 - 1, 100, {}), Progress(0, 101, {})),
        (Progress(0, 0, {}), Progress(1, 0, {})),
    ],
)
def test_a_version_rises_with_every_checkpoint_and_over_a_state_begun_anew(older: Progress, newer: Progress) -> None:
    """Each row is two progresses, one after the other: the later one replaces rows of the earlier."""
    assert older.version < newer.version


def test_a_version_fits_a_signed_64_bit_column_until_2038_and_after() -> None:
    """Seconds since 1970 above 32 bits of checkpoints."""
    assert version_of(2**31 - 1, 2**32 - 1) < 2**63


def test_progress_reads_back_and_its_newer_fields_have_defaults() -> None:
    """What an older worker wrote is progress still, and what a newer one adds is passed over."""
    progress = Progress(5, 7, {"usage.events": 12}, broadcast_offset=3, clock_ms=99)
    assert decode_progress(encode(progress)) == progress
    old_and_new = b'{"checkpoint":5,"incarnation":7,"offsets":{"usage.events":12},"later":1}'
    assert decode_progress(old_and_new) == Progress(5, 7, {"usage.events": 12})


def test_claims_and_topologies_read_back() -> None:
    """A topology says in which format its state is."""
    claim, topology = Claim("n", "host", 1, 2), Topology({"usage.events": TopicIdentity("id", 4)})
    assert decode_claim(encode(claim)) == claim
    assert decode_topology(encode(topology)) == topology
    assert topology.state_format == STATE_FORMAT


def test_a_control_record_of_a_changelog_is_no_account() -> None:
    """Readers of rows skip keys that begin with a zero byte."""
    assert CONTROL_KEY.startswith(b"\0")
