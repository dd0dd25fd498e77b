"""The ledger's reasons to refuse a command: each is met in a story."""

from schemas.dead_letter import Reason
from tests.unit import test_ledger_corrections as corrections
from tests.unit import test_ledger_lots as lots
from tests.unit import test_ledger_overage as overage
from tests.unit import test_ledger_plans as plans
from tests.unit import test_ledger_telling as telling

LEDGERS_OWN = {
    Reason.PLAN_ACTIVE,
    Reason.NO_PLAN,
    Reason.ONLY_AT_PERIOD_END,
    Reason.UNKNOWN_PERIOD,
    Reason.PERIOD_RENEWED,
    Reason.INVALID_TERMS,
    Reason.UNKNOWN_GRANT,
    Reason.GRANT_VOIDED,
    Reason.TOO_MANY_LOTS,
    Reason.EXCEEDS_AVAILABLE,
    Reason.CHARGE_NOT_FOUND,
    Reason.TOO_OLD_TO_VOID,
    Reason.UNKNOWN_REFILL,
    Reason.REFILL_ANSWERED,
}
# Its story has 257 grants: test_ledger_state.py tells it.
NO_TABLE_HAS = {Reason.TOO_MANY_LOTS}
LOTS = [*lots.CHARGES, *lots.ORDER, *lots.ENDS, *lots.TAKEN_BACK]
PLANS = [*plans.PERIODS, *plans.PAYMENT, *plans.ROLLOVER, *plans.CHANGES, *overage.OVERAGE]
TELLING = [*telling.THRESHOLDS, *telling.GATE, *telling.REFILLS]
STORIES = [*LOTS, *PLANS, *corrections.REFUNDS, *corrections.REPRICED, *TELLING]


def test_every_reason_of_the_ledger_has_a_story() -> None:
    """Whoever adds one tells how it comes about."""
    met = {word for _, _, outcome in STORIES for word in outcome.replace(";", " ").split()}
    assert {reason for reason in LEDGERS_OWN if reason not in met} == NO_TABLE_HAS


def test_there_are_more_than_80_stories_and_none_is_told_twice() -> None:
    """Tables that a finance person reads."""
    assert len(STORIES) >= 80
    assert len({story for _, story, _ in STORIES}) == len(STORIES)
