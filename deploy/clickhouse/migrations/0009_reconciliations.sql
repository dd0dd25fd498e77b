-- What `python -m sinks reconcile` compared and found, a row for each partition of a run: where it last got, and how
-- many rows differed, by kind. `account` is empty where all of them were compared.
CREATE TABLE IF NOT EXISTS reconciliations
(
    run            String,
    partition      UInt32,
    account        String,
    compared_from  DateTime64(3, 'UTC'),
    compared_until DateTime64(3, 'UTC'),
    first_offset   UInt64,
    next_offset    UInt64,
    records        UInt64,
    drift          Map(LowCardinality(String), UInt64),
    notes          Array(String),
    finished_at    DateTime64(3, 'UTC'),
    version        UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(finished_at)
ORDER BY (partition, finished_at, run);
