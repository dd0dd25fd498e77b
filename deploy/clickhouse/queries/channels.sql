-- Usage of an account by channel, dearest first.
-- Parameters: account, from, to.
-- Example: python -m sinks query channels --account acme --from 2026-11-01 --to 2026-12-01
SELECT
    channel,
    sum(usage_by_hour.events) AS events,
    sum(usage_by_hour.messages) AS messages,
    sum(usage_by_hour.credits) AS credits
FROM usage_by_hour
WHERE account = {account:String} AND hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}
GROUP BY channel
ORDER BY credits DESC, channel
SETTINGS do_not_merge_across_partitions_select_final = 1
