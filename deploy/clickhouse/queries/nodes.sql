-- Usage of an account by node, the priced action, dearest first. `quantity` is in the node's own unit.
-- Parameters: account, from, to.
-- Example: python -m sinks query nodes --account acme --from 2026-11-01 --to 2026-12-01
SELECT
    node,
    sum(usage_by_hour.events) AS events,
    sum(usage_by_hour.quantity) AS quantity,
    sum(usage_by_hour.credits) AS credits
FROM usage_by_hour
WHERE account = {account:String} AND hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}
GROUP BY node
ORDER BY credits DESC, node
SETTINGS do_not_merge_across_partitions_select_final = 1
