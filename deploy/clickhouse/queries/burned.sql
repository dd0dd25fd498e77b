-- What burned an account's credits: which agent, on which channel, by which node; dearest first.
-- Counted when it was booked: a correction counts for the event it is about, where its entries name one.
-- Parameters: account, from, to.
-- Example: python -m sinks query burned --account acme --from 2026-11-01 --to 2026-12-01
WITH entries AS
(
    SELECT *
    FROM ledger_entries
    WHERE account = {account:String}
        AND ingested_at >= {from:DateTime('UTC')}
        AND ingested_at < {to:DateTime('UTC')}
        AND kind IN ('burned', 'owed', 'billed', 'refunded')
)
SELECT
    used.agent AS agent,
    used.channel AS channel,
    used.node AS node,
    uniqExact(entries.event) AS events,
    sum(entries.owed_credits + entries.billed_credits - entries.lot_credits) AS credits,
    sumIf(-entries.lot_credits, entries.kind = 'burned') AS from_lots_credits,
    sumIf(entries.owed_credits + entries.billed_credits, entries.kind IN ('owed', 'billed')) AS overage_credits,
    sumIf(entries.lot_credits - entries.owed_credits - entries.billed_credits, entries.kind = 'refunded')
        AS refunded_credits
FROM entries
LEFT ANY JOIN
(
    SELECT concat(source, ' ', id) AS event, agent, channel, node
    FROM priced_events
    WHERE account = {account:String}
        AND occurred_at >= {from:DateTime('UTC')} - INTERVAL 130 DAY
        AND occurred_at <= {to:DateTime('UTC')} + INTERVAL 1 HOUR
        AND event IN (SELECT entries.event FROM entries)
) AS used ON used.event = entries.event
GROUP BY agent, channel, node
ORDER BY credits DESC, agent, channel, node
