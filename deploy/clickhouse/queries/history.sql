-- What happened to an account's credits, newest first: each entry of its ledger with the balance after it.
-- Parameters: account, from (1970-01-01), to (2105-01-01), limit (100).
-- Example: python -m sinks query history --account acme --limit 20
SELECT
    ingested_at AS at,
    sequence AS entry,
    kind,
    change_credits,
    billed_credits,
    balance_credits,
    lot,
    cause,
    source,
    id,
    detail,
    late
FROM ledger_entries
WHERE account = {account:String} AND ingested_at >= {from:DateTime('UTC')} AND ingested_at < {to:DateTime('UTC')}
ORDER BY sequence DESC
LIMIT {limit:UInt64}
