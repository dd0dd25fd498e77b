-- One row per account: running totals as the worker last wrote them.
-- Not partitioned: an account has one row for ever, and a partition would keep old ones beside it.
CREATE TABLE IF NOT EXISTS balances
(
    account         String,
    granted_credits Decimal(38, 6),
    charged_credits Decimal(38, 6),
    events          UInt64,
    messages        UInt64,
    grants          UInt64,
    opened_at       DateTime64(3, 'UTC'),
    updated_at      DateTime64(3, 'UTC'),
    version         UInt64,
    deleted         UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY account;
