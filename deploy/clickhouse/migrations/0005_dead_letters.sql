-- Input that was not booked, and rows that ClickHouse refused, each with its bytes as they were received.
-- Several rows of one packed record can be refused: the hash of the bytes tells them apart.
CREATE TABLE IF NOT EXISTS dead_letters
(
    topic        LowCardinality(String),
    partition    UInt32,
    offset       UInt64,
    reason       LowCardinality(String),
    value_sha256 String,
    detail       String,
    fix          String,
    account      String,
    key          Nullable(String),
    value        String CODEC(ZSTD(3)),
    value_bytes  UInt64,
    ingested_at  DateTime64(3, 'UTC'),
    booked_at    DateTime64(3, 'UTC'),
    version      UInt64,
    deleted      UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
PRIMARY KEY (topic, partition, offset)
ORDER BY (topic, partition, offset, reason, value_sha256);
