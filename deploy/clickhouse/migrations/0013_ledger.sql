-- Every entry of every account's ledger: what it did to a lot, to what is owed and to what is billed, and the balance
-- after it. `hash` is SHA-256 of `previous` and the entry's canonical JSON, which these columns hold in full, so that
-- `python -m sinks verify-ledger` recomputes it. `partition`, `version` and `place` are the entry's place in the log.
-- Not partitioned: a month is not part of the key, and an entry must never be kept in two. Times follow the sequence
-- within an account, so that an index of each granule's range finds them; grants and the like are few among charges.
CREATE TABLE IF NOT EXISTS ledger
(
    account         String,
    sequence        UInt64,
    kind            LowCardinality(String),
    lot_credits     Decimal(38, 6),
    owed_credits    Decimal(38, 6),
    billed_credits  Decimal(38, 6),
    balance_credits Decimal(38, 6),
    lot             String,
    cause           LowCardinality(String),
    source          LowCardinality(String),
    id              String,
    offset          UInt64,
    rate_card       LowCardinality(String),
    occurred_at     DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ingested_at     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    late            Bool,
    price_minor     Decimal(38, 6),
    period_start    DateTime64(3, 'UTC'),
    detail          String,
    booked_at       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    previous        String CODEC(ZSTD(1)),
    hash            String CODEC(ZSTD(1)),
    partition       UInt32,
    place           UInt64,
    version         UInt64,
    deleted         UInt8 DEFAULT 0,
    INDEX ingested_at_range ingested_at TYPE minmax GRANULARITY 1,
    INDEX kinds kind TYPE set(20) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (account, sequence);
