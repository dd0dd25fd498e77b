-- What credits an account bought: top-ups and refills, oldest first, with their payments and what is left of them.
-- Parameters: account, from (1970-01-01), to (2105-01-01).
-- Example: python -m sinks query purchases --account acme --from 2026-11-01 --to 2026-12-01
SELECT
    booked.granted_at AS granted_at,
    bought.kind AS kind,
    bought.lot AS lot,
    bought.granted_credits AS credits,
    bought.paid_minor AS paid_minor,
    bought.currency AS currency,
    bought.payment AS payment,
    bought.held_credits AS left_credits,
    bought.state AS state,
    bought.expires_at AS expires_at
FROM
(
    SELECT lot, min(ingested_at) AS granted_at
    FROM ledger_entries
    WHERE account = {account:String}
        AND kind = 'granted'
        AND ingested_at >= {from:DateTime('UTC')}
        AND ingested_at < {to:DateTime('UTC')}
    GROUP BY lot
) AS booked
INNER JOIN
(
    SELECT *
    FROM credit_lots
    WHERE account = {account:String} AND (kind IN ('top_up', 'refill') OR payment != '')
) AS bought ON booked.lot = bought.lot
ORDER BY granted_at, lot
