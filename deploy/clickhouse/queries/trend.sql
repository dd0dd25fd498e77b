-- Daily usage of an account: a row for every day from `from` up to, and without, `to` (UTC).
-- Parameters: account, from, to.
-- Example: python -m sinks query trend --account acme --from 2026-11-01 --to 2026-12-01
SELECT
    day,
    sum(daily.events) AS events,
    sum(daily.messages) AS messages,
    sum(daily.conversations) AS conversations,
    sum(daily.credits) AS credits
FROM
(
    SELECT
        toDate(hour, 'UTC') AS day,
        sum(usage_by_hour.events) AS events,
        sum(usage_by_hour.messages) AS messages,
        0 AS conversations,
        sum(usage_by_hour.credits) AS credits
    FROM usage_by_hour
    WHERE account = {account:String} AND hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}
    GROUP BY day

    UNION ALL

    SELECT day, 0, 0, uniqExact(conversation), toDecimal128(0, 6)
    FROM conversations_by_day
    WHERE account = {account:String}
        AND day >= toDate({from:DateTime('UTC')}, 'UTC')
        AND day <= toDate({to:DateTime('UTC')} - INTERVAL 1 SECOND, 'UTC')
    GROUP BY day
) AS daily
GROUP BY day
ORDER BY day WITH FILL
    FROM toDate({from:DateTime('UTC')}, 'UTC')
    TO toDate({to:DateTime('UTC')} - INTERVAL 1 SECOND, 'UTC') + 1
SETTINGS do_not_merge_across_partitions_select_final = 1
