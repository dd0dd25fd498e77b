"""What the stateful test of the ledger draws: amounts, waits, plans and policies, small enough to meet one another."""

from hypothesis import strategies as st

from schemas.plan import Plan, Policy, RefillPolicy, Threshold

CREDIT = 1_000_000
DAY_MS = 86_400_000

amounts = st.one_of(
    st.integers(1, 300), st.integers(1, 300 * CREDIT), st.integers(1, 30).map(lambda n: n * 10 * CREDIT)
)
waits_ms = st.one_of(
    st.integers(0, 60_000), st.integers(0, 3 * DAY_MS), st.just(DAY_MS), st.integers(0, 40).map(lambda n: n * DAY_MS)
)
plans = st.builds(
    Plan,
    st.sampled_from(["basic", "pro"]),
    st.one_of(st.just(0), amounts),
    st.integers(1, 31),
    currency=st.just("EUR"),
    rollover_cap=st.one_of(st.just(0), amounts),
    rollover_periods=st.integers(1, 3),
    overage=st.sampled_from(["billed", "carried", "refused"]),
    overage_price_micros=st.integers(1, 5 * CREDIT),
    overage_limit=st.one_of(st.just(-1), st.just(0), amounts),
    renews=st.sampled_from(["by_clock", "on_payment"]),
)
policies = st.builds(
    Policy,
    st.lists(
        st.one_of(st.builds(Threshold, amounts), st.builds(Threshold, st.just(0), st.integers(1, 100))),
        max_size=3,
        unique=True,
    ).map(tuple),
    st.one_of(
        st.none(),
        st.builds(RefillPolicy, amounts, amounts, st.one_of(st.just(-1), amounts), st.integers(-1, 3)),
    ),
    st.sampled_from(["observe", "enforce"]),
)
