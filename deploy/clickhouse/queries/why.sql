-- What made a balance what it is: each entry with the balance after it, the event or command, its place in Kafka and
-- the rate card. A charge shows who used what; a correction shows that of the event it is about.
-- Parameters: account, first (1), last (all), limit (all).
-- Pages: entry.
-- Example: python -m sinks query why --account acme --first 120 --last 140
WITH entries AS
(
    SELECT *
    FROM ledger_entries
    WHERE account = {account:String} AND sequence >= {first:UInt64} AND sequence <= {last:UInt64}
    ORDER BY account, sequence
    LIMIT {limit:UInt64}
)
SELECT
    entries.sequence AS entry,
    entries.ingested_at AS at,
    entries.kind AS kind,
    entries.change_credits AS change_credits,
    entries.billed_credits AS billed_credits,
    entries.balance_credits AS balance_credits,
    entries.lot AS lot,
    entries.cause AS cause,
    entries.source AS source,
    entries.id AS id,
    multiIf(entries.cause = 'event', 'usage.events', entries.cause = 'command', 'credits.commands', '') AS topic,
    if(entries.cause = 'clock', NULL, entries.partition) AS partition,
    if(entries.cause = 'clock', NULL, entries.offset) AS offset,
    entries.rate_card AS rate_card,
    used.agent AS agent,
    used.channel AS channel,
    used.node AS node,
    used.quantity AS quantity,
    entries.detail AS detail
FROM entries
LEFT ANY JOIN
(
    SELECT concat(source, ' ', id) AS event, agent, channel, node, quantity
    FROM priced_events
    WHERE account = {account:String}
        AND occurred_at >= (SELECT min(ingested_at) - INTERVAL 130 DAY FROM entries)
        AND occurred_at <= (SELECT max(ingested_at) + INTERVAL 1 HOUR FROM entries)
        AND event IN (SELECT entries.event FROM entries WHERE entries.event != '')
) AS used ON used.event = entries.event
ORDER BY entry
