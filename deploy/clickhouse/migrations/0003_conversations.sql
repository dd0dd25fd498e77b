-- Which conversations an agent had on a day (UTC, by when the usage occurred): thin, so that counting is cheap.
CREATE TABLE IF NOT EXISTS conversations
(
    account      String,
    day          Date,
    agent        String,
    conversation String,
    version      UInt64,
    deleted      UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (account, day, agent, conversation);
