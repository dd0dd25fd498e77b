-- Every priced usage event. Ordered through its whole identity (account, source, id); occurred_at is the same
-- whenever a charge is written again, and an id that comes back after the dedup window occurred later.
-- `partition` and `offset` say where in usage.events it was, and follow from the identity.
CREATE TABLE IF NOT EXISTS charges
(
    account      String,
    occurred_at  DateTime64(6, 'UTC'),
    source       LowCardinality(String),
    id           String,
    agent        String,
    conversation String,
    channel      LowCardinality(String),
    node         LowCardinality(String),
    quantity     Decimal(38, 6),
    credits      Decimal(38, 6),
    messages     UInt32,
    rate_card    LowCardinality(String),
    ingested_at  DateTime64(3, 'UTC'),
    booked_at    DateTime64(3, 'UTC'),
    partition    UInt32,
    offset       UInt64,
    version      UInt64,
    deleted      UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(occurred_at)
PRIMARY KEY (account, occurred_at)
ORDER BY (account, occurred_at, source, id);
