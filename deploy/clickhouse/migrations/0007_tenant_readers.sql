-- Which accounts a tenant's user may read: the row policies of the tenants' role look here, and it is empty until
-- somebody is let in. A row with deleted = 1 shuts them out again.
CREATE TABLE IF NOT EXISTS tenant_readers
(
    user_name String,
    account   String,
    version   UInt64 DEFAULT toUnixTimestamp64Milli(now64(3)),
    deleted   UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (user_name, account);
