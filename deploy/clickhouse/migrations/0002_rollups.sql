-- Hourly usage: one row per segment. A key's usage is the sum over its segments, which usage_by_hour gives.
CREATE TABLE IF NOT EXISTS rollups
(
    account  String,
    hour     DateTime('UTC'),
    channel  LowCardinality(String),
    agent    String,
    node     LowCardinality(String),
    segment  UInt64,
    events   UInt64,
    messages UInt64,
    quantity Decimal(38, 6),
    credits  Decimal(38, 6),
    version  UInt64,
    deleted  UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(hour)
ORDER BY (account, hour, channel, agent, node, segment);
