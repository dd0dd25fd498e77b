-- What an account's ledger says, every entry in order and every field that its hash covers: for verifying it offline.
-- Parameters: account, first (1), limit (all).
-- Pages: sequence.
-- Example: python -m sinks query statement --account acme --format jsonl
SELECT
    account,
    sequence,
    kind,
    lot_credits,
    owed_credits,
    billed_credits,
    balance_credits,
    lot,
    cause,
    source,
    id,
    offset,
    rate_card,
    occurred_at,
    ingested_at,
    late,
    price_minor,
    period_start,
    detail,
    booked_at,
    previous,
    hash
FROM ledger FINAL
WHERE account = {account:String} AND sequence >= {first:UInt64}
ORDER BY account, sequence
LIMIT {limit:UInt64}
