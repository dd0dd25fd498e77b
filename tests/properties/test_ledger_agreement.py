"""The rules and the oracle, written by people who did not look at each other's, say the same of these histories."""

from hypothesis import HealthCheck, given, settings

from tests.properties.ledger_histories import Drawn, History, histories
from tests.properties.ledger_pairs import Both, shown


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories(size=40))
def test_the_rules_and_the_oracle_agree_on_histories(drawn: list[Drawn]) -> None:
    """Every answer, and in the end every entry, total, lot, bill, alert and refill request."""
    both = Both()
    history = History(both)
    for each in drawn:
        history.play(each)
    assert both.answers == history.answers
    assert shown(both.rules) == shown(both.oracle)
    both.check()
