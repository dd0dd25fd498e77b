"""An equation that does not hold is counted and logged with its account at the next checkpoint, never hidden."""

import logging

import pytest

from stream.rules.ledger.settle import refresh
from tests.unit.booking_scene import CREDIT, Scene, command_record, grant, usage, usage_record
from tests.unit.test_metrics import samples
from tests.unit.worker_scene import WorkerScene


@pytest.mark.parametrize(
    ("field", "equation"),
    [
        ("granted", "G 101000000 = B 0 + E 0 + V 0 + H 100000000"),
        ("charged", "C 1000000 - R 0 = B 0 + O 0 + M 0"),
        ("balance", "the entries' balance 101000000 = H 100000000 - O 0"),
        ("unstarted", "H 100000000, unstarted 1000000: lots hold 100000000, 0 of it not begun"),
    ],
)
def test_a_row_that_drifted_is_counted_and_named_with_its_figures(
    caplog: pytest.LogCaptureFixture, field: str, equation: str
) -> None:
    """Each row is a field that is a credit too high, and what the log says; other accounts are right."""
    scene, worker = Scene(), WorkerScene()
    worker.hold(0, scene=scene)
    scene.book(command_record(grant()), command_record(grant(e_subject="bolt"), offset=1, key=b"bolt"))
    scene.checkpoint()
    assert samples(worker)["creditstream_ledger_drift_total",] == 0
    row = scene.account()
    setattr(row, field, getattr(row, field) + CREDIT)
    refresh(scene.book_of())
    for offset, account in enumerate(("acme", "bolt"), 2):
        again = grant(e_subject=account, e_id="2", grant="g2", credits="0.000001")
        with caplog.at_level(logging.ERROR):
            scene.book(command_record(again, offset=offset, key=account.encode()))
    scene.checkpoint()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == scene.pipeline.drifted == samples(worker)["creditstream_ledger_drift_total",] == 1
    assert told[0].startswith("partition 0 drifted: account 'acme': ")
    assert _figures(told[0].split(": ", 2)[2]) == _figures(equation)


def test_a_ledger_that_is_right_does_not_drift() -> None:
    """Whatever way it was charged."""
    scene = Scene()
    scene.book(usage_record(usage(quantity=250)), usage_record(usage(e_id="2"), offset=1))
    scene.checkpoint()
    assert scene.pipeline.drifted == 0


def _figures(equation: str) -> str:
    """Without the microcredit of the second grant."""
    return equation.replace("000001", "000000")
