-- One row per lot, what a grant makes: absolute, as the worker last wrote it. A lot stays here for ever.
-- granted + rolled_in = spent + expired + voided + rolled_out + held. Not partitioned: see balances.
CREATE TABLE IF NOT EXISTS lots
(
    account            String,
    lot                String,
    kind               LowCardinality(String),
    priority           UInt8,
    effective_at       DateTime64(3, 'UTC'),
    expires_at         Nullable(DateTime64(3, 'UTC')),
    granted_credits    Decimal(38, 6),
    rolled_in_credits  Decimal(38, 6),
    spent_credits      Decimal(38, 6),
    expired_credits    Decimal(38, 6),
    voided_credits     Decimal(38, 6),
    rolled_out_credits Decimal(38, 6),
    held_credits       Decimal(38, 6),
    repaid_credits     Decimal(38, 6),
    started            Bool,
    state              LowCardinality(String),
    closed_at          Nullable(DateTime64(3, 'UTC')),
    rollover           String,
    origin             String,
    paid_minor         UInt64,
    currency           LowCardinality(String),
    payment            String,
    version            UInt64,
    deleted            UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (account, lot);
