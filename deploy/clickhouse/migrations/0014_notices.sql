-- What accounts' people and payment services were told: alerts once each, refill requests once for each time that
-- they were asked, closed bills line by line. `at` is the ledger's clock.
CREATE TABLE IF NOT EXISTS alerts
(
    account           String,
    at                DateTime64(3, 'UTC'),
    id                String,
    alert             LowCardinality(String),
    remaining_credits Decimal(38, 6),
    mode              LowCardinality(String),
    threshold         LowCardinality(String),
    level_credits     Nullable(Decimal(38, 6)),
    on_set            Bool,
    delayed           Bool,
    detail            String,
    version           UInt64,
    deleted           UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(at)
ORDER BY (account, at, id);

CREATE TABLE IF NOT EXISTS refill_requests
(
    account           String,
    number            UInt64,
    attempt           UInt64,
    request           String,
    credits           Decimal(38, 6),
    remaining_credits Decimal(38, 6),
    at                DateTime64(3, 'UTC'),
    version           UInt64,
    deleted           UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (account, number, attempt);

-- A line of another period than its bill's corrects that one. An account has one bill for each end of a period.
CREATE TABLE IF NOT EXISTS bills
(
    account           String,
    period_end        DateTime64(3, 'UTC'),
    line              UInt16,
    bill              String,
    plan              LowCardinality(String),
    period_start      DateTime64(3, 'UTC'),
    line_period_start DateTime64(3, 'UTC'),
    credits           Decimal(38, 6),
    price_minor       Decimal(38, 6),
    currency          LowCardinality(String),
    amount_minor      Int64,
    version           UInt64,
    deleted           UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (account, period_end, line);
