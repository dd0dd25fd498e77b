-- Usage of an account by agent, dearest first. Conversations are counted by whole days (UTC).
-- Parameters: account, from, to.
-- Example: python -m sinks query agents --account acme --from 2026-11-01 --to 2026-12-01
SELECT
    agent,
    sum(used.conversations) AS conversations,
    sum(used.messages) AS messages,
    sum(used.credits) AS credits
FROM
(
    SELECT
        agent,
        0 AS conversations,
        sum(usage_by_hour.messages) AS messages,
        sum(usage_by_hour.credits) AS credits
    FROM usage_by_hour
    WHERE account = {account:String} AND hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}
    GROUP BY agent

    UNION ALL

    SELECT agent, uniqExact(conversation), 0, toDecimal128(0, 6)
    FROM conversations_by_day
    WHERE account = {account:String}
        AND day >= toDate({from:DateTime('UTC')}, 'UTC')
        AND day <= toDate({to:DateTime('UTC')} - INTERVAL 1 SECOND, 'UTC')
    GROUP BY agent
) AS used
GROUP BY agent
ORDER BY credits DESC, agent
SETTINGS do_not_merge_across_partitions_select_final = 1
