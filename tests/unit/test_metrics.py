"""What the worker exports is what is documented, and its figures are those of its partitions."""

import time
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stream import metrics as worker_metrics
from stream.app import Worker
from stream.engine.holding import Phase
from stream.metrics import CHECKPOINT_BUCKETS_SECONDS, LOWEST_ACCOUNTS, METRICS, MOST_WATCHED_ACCOUNTS
from stream.rules.ledger.books import MOST_AWAKE, Books
from stream.settings import WorkerSettings
from tests.unit.booking_scene import INPUTS, NOON_MS, Scene, command_record, usage, usage_record
from tests.unit.test_carrying_out import activate
from tests.unit.worker_scene import WorkerScene, charged_scene


def busy_worker() -> WorkerScene:
    """Every metric has a sample: two partitions, lag, outcomes, balances below zero and watched."""
    scene = WorkerScene()
    scene.hold(0, scene=charged_scene({"acme": 10, "bolt": 300}))
    scene.hold(1, Phase.TAKING_OVER).restored_records = 77
    scene.input_ends(0, 5, 9)
    scene.outcomes.update({"booked": 2, "not_json": 1})
    scene.watched_accounts = ["acme"]
    scene.metrics.on_checkpoint(0, 0.02)
    return scene


def samples(scene: WorkerScene) -> dict[tuple[str, ...], float]:
    """Value by name and label values, `le` included."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in scene.metrics.collect()
        for sample in family.samples
    }


def test_exactly_the_documented_metrics_are_exported() -> None:
    """Both ways: by name, type and labels, each with its meaning as help."""
    exported = {}
    for family in busy_worker().metrics.collect():
        assert family.samples, f"{family.name} has no sample here"
        labels = {tuple(name for name in sample.labels if name != "le") for sample in family.samples}
        assert len(labels) == 1
        exported[family.name] = (family.type, *labels, family.documentation)
    assert exported == {name: tuple(described) for name, described in METRICS.items()}


def test_the_page_is_readable_when_nothing_is_held() -> None:
    """Before the group has assigned anything, too."""
    registry = CollectorRegistry()
    registry.register(WorkerScene().metrics)
    assert b"creditstream_accounts 0.0" in generate_latest(registry)


def test_lag_is_the_last_stable_offset_less_progress() -> None:
    """Engine rule 10: what an open transaction holds back is told apart; progress ahead of old ends is no lag."""
    found = samples(busy_worker())
    topic = INPUTS[0]
    assert found["creditstream_lag_events", "0", topic] == 5 - 2
    assert found["creditstream_unstable_events", "0", topic] == 9 - 5
    scene = busy_worker()
    scene.input_ends(0, 1, 1)
    assert samples(scene)["creditstream_lag_events", "0", topic] == 0


def test_ends_that_are_not_known_make_no_lag() -> None:
    """The reader's statistics come a second after it starts."""
    scene = busy_worker()
    scene.input_ends(0, -1, -1)
    assert not [key for key in samples(scene) if key[0] == "creditstream_lag_events"]


def test_lag_in_seconds_is_how_far_the_clock_is_behind_while_records_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """And 0 when none do, however long nothing came."""
    clock = SimpleNamespace(time=lambda: NOON_MS / 1_000 + 90, monotonic=time.monotonic)
    monkeypatch.setattr(worker_metrics, "time", clock)
    scene = busy_worker()
    assert samples(scene)["creditstream_lag_seconds", "0"] == 90
    scene.input_ends(0, 2, 2)
    assert samples(scene)["creditstream_lag_seconds", "0"] == 0


def test_a_partition_shows_its_phase_and_how_much_it_restored() -> None:
    """While it is taken over there is no age or lag yet."""
    found = samples(busy_worker())
    assert found["creditstream_partition_phase", "1", "taking_over"] == 1
    assert found["creditstream_restored_records", "1"] == 77
    assert ("creditstream_checkpoint_age_seconds", "1") not in found


def test_balances_are_shown_as_totals_lowest_and_watched() -> None:
    """Accounts of 480 and -100 credits."""
    found = samples(busy_worker())
    assert found["creditstream_accounts",] == 2
    assert found["creditstream_remaining_credits",] == 380
    assert found["creditstream_overage_accounts",] == 1
    assert found["creditstream_balance_credits", "bolt", "lowest"] == -100
    assert found["creditstream_balance_credits", "acme", "watched"] == 480
    assert found["creditstream_remembered_ids",] == 2
    assert found["creditstream_dedup_memory_bytes",] > 0


def test_gauges_lead_the_commit() -> None:
    """Engine rule 15: they show what is booked in memory, which readers of outputs see a checkpoint later."""
    scene = WorkerScene()
    booking = charged_scene({"acme": 10})
    scene.hold(0, scene=booking)
    booking.book(usage_record(usage(e_subject="acme", e_id="later", quantity=5), offset=1, key=b"acme"))
    assert not booking.partition.settled
    assert samples(scene)["creditstream_balance_credits", "acme", "lowest"] == 470


def test_accounts_at_rest_have_the_gauges_of_those_awake() -> None:
    """Also those that were charged since, owe, or are billed."""
    awake, resting = WorkerScene(), WorkerScene()
    billed = activate(currency="EUR", overage={"mode": "billed", "price_minor": "1"})
    for scene, most_awake in ((awake, MOST_AWAKE), (resting, 0)):
        booking = Scene()
        booking.pipeline.ledger.books = Books(most_awake)
        scene.watched_accounts = ["acme", "bolt", "cora"]
        scene.hold(0, scene=booking)
        booking.book(command_record(billed))
        for number, quantity in enumerate([1, 180, 75]):
            for place, account in enumerate(scene.watched_accounts):
                offset = 3 * number + place
                body = usage(e_subject=account, e_id=f"{offset}", quantity=quantity)
                booking.book(usage_record(body, offset=offset, key=account.encode()))
            booking.checkpoint()
            booking.checkpoint()
    assert len(resting.pipelines()[0].ledger.books.recent) == 0
    of_balances = [
        {key: value for key, value in samples(each).items() if "checkpoint" not in key[0]} for each in (awake, resting)
    ]
    assert of_balances[0] == of_balances[1]
    assert of_balances[0]["creditstream_overage_accounts",] == 2


def test_the_number_of_balance_gauges_is_bounded() -> None:
    """The lowest 20, whatever the number of accounts; a watched one that has no balance has no gauge."""
    scene = WorkerScene()
    scene.hold(0, scene=charged_scene({f"account-{number}": number + 1 for number in range(50)}))
    scene.watched_accounts = ["nobody"]
    shown = [key for key in samples(scene) if key[0] == "creditstream_balance_credits"]
    assert [account for _, account, _ in shown] == [f"account-{49 - place}" for place in range(LOWEST_ACCOUNTS)]


def test_balances_are_counted_into_buckets() -> None:
    """At most the bound, cumulative: -100, 0, 480 and 500 credits."""
    scene = WorkerScene()
    booked = charged_scene({"a": 300, "b": 250, "c": 10})
    free = usage(e_subject="d", e_id="d", node="search", quantity="0.000001")
    booked.book(usage_record(free, offset=3, key=b"d"))
    scene.hold(0, scene=booked)
    found = samples(scene)
    buckets = {key[1]: value for key, value in found.items() if key[0].endswith("distribution_credits_bucket")}
    assert [buckets[bound] for bound in ("-1000.0", "-100.0", "0.0", "250.0", "500.0", "+Inf")] == [0, 1, 2, 2, 4, 4]


@pytest.mark.parametrize(("seconds", "bound"), [(0.0, "0.01"), (0.01, "0.01"), (0.011, "0.025"), (31.0, "+Inf")])
def test_a_checkpoint_is_counted_from_its_bucket_on(seconds: float, bound: str) -> None:
    """Each row is how long it took and the first bucket that holds it."""
    scene = WorkerScene()
    scene.metrics.on_checkpoint(0, seconds)
    found = samples(scene)
    bounds = [*map(str, CHECKPOINT_BUCKETS_SECONDS), "+Inf"]
    counts = [found["creditstream_checkpoint_seconds_bucket", each] for each in bounds]
    assert counts == [float(place >= bounds.index(bound)) for place in range(len(bounds))]
    assert found["creditstream_checkpoint_seconds_sum",] == seconds


def test_outcomes_are_those_of_the_pipelines() -> None:
    """Booked, dropped and why rejected, one label set."""
    scene, booked = WorkerScene(), Scene()
    booked.book(usage_record(usage()), usage_record(usage(), offset=1), usage_record(b"", offset=2))
    scene.outcomes = booked.outcomes
    found = {key[1]: value for key, value in samples(scene).items() if key[0] == "creditstream_events_total"}
    assert found == {"booked": 1, "duplicate": 1, "not_json": 1}


def test_watched_accounts_are_a_bounded_list() -> None:
    """Separated by commas, blanks around them, the first hundred."""
    names = ", ".join(f" a{number} " for number in range(MOST_WATCHED_ACCOUNTS + 5)) + ",,"
    worker = SimpleNamespace(settings=WorkerSettings(watched_accounts=names))
    watched = Worker.watched_accounts.fget(worker)  # type: ignore[attr-defined]
    assert watched == [f"a{number}" for number in range(MOST_WATCHED_ACCOUNTS)]
