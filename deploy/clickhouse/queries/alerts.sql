-- What an account's people were told, newest first.
-- Parameters: account, from (1970-01-01), to (2105-01-01), limit (100).
-- Example: python -m sinks query alerts --account acme --from 2026-11-01 --to 2026-12-01
SELECT at, alert, threshold, level_credits, remaining_credits, mode, on_set, delayed, detail, id
FROM alerts_sent
WHERE account = {account:String} AND at >= {from:DateTime('UTC')} AND at < {to:DateTime('UTC')}
ORDER BY at DESC, id
LIMIT {limit:UInt64}
