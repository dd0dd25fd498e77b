"""Whatever endpoints answer, however notifiers come and go: nothing is lost, and each account's go in order."""

from collections import defaultdict

import hypothesis.strategies as st
from hypothesis import given

from sinks.intake import Committed
from sinks.notify.answers import Answer
from sinks.notify.notices import Held
from sinks.records import Record
from tests.unit.notify_fakes import ALERTS, DELIVERED, FAILED, REFUSED, NotifyScene, alert_value, record

_ANSWERS = st.sampled_from([DELIVERED, DELIVERED, FAILED, Answer(429, retry_after="3"), None])


@given(st.data())
def test_every_notice_is_delivered_or_kept_and_in_order(data: st.DataObject) -> None:
    """Some answers never come, some notifiers die: what is read again is what was not settled, and the bounds hold."""
    accounts = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=20))
    records = [record(alert_value(account, f"{account}{number}"), number) for number, account in enumerate(accounts)]
    scene = NotifyScene(notify_concurrency=2, notify_held_notices=4)
    refused = data.draw(st.sets(st.integers(0, len(accounts) - 1)))
    taken: dict[str, list[str]] = defaultdict(list)

    def answer(held: Held) -> Answer | None:
        assert len(scene.courier.open) < 2
        # In the end every endpoint is well.
        if held.record.offset in refused:
            return REFUSED
        found = data.draw(_ANSWERS) if len(scene.courier.sent) < 60 else DELIVERED
        if found is DELIVERED:
            taken[held.account].append(held.webhook_id)
        return found

    scene.courier.answer = answer
    _run(scene, records, data.draw(st.integers(0, 12)))
    for _ in range(data.draw(st.integers(0, 2))):
        committed = scene.source.committed(ALERTS) if scene.source.commits else Committed(0, None, 0)
        scene.courier.open.clear()
        scene.courier.answers(0)
        scene.source.held.clear()
        scene.notifier = scene.next()
        scene.notifier.assigned({ALERTS: committed})
        _run(scene, records[committed.offset :], data.draw(st.integers(0, 12)))
    _finish(scene, len(records))
    kept = {letter.id for letter in scene.letters.letters}
    for account in set(accounts):
        wanted = [f"{account}{number}" for number, each in enumerate(accounts) if each == account]
        assert set(wanted) <= {*taken[account], *kept}
        firsts = list(dict.fromkeys(taken[account]))
        assert firsts == [identity for identity in wanted if identity in taken[account]]


def _run(scene: NotifyScene, records: list[Record], seconds: int) -> None:
    scene.source.records = list(records)
    scene.run_for(seconds)


def _finish(scene: NotifyScene, end: int) -> None:
    """Until everything is committed; silence ends in a time-out, as a courier has it."""
    for _ in range(200):
        if any(commit.get(ALERTS, (0, ""))[0] == end for commit in scene.source.commits[-1:]):
            return
        scene.courier.reply(Answer(None, "no answer in time"))
        scene.run_for(300, step=300)
    raise AssertionError(f"{scene.source.commits[-1:]} of {end}")
