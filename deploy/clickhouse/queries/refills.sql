-- What refills an account asked for, oldest first, and what became of each: paid, declined, open or unanswered.
-- Parameters: account.
-- Example: python -m sinks query refills --account acme
SELECT
    asked.number AS number,
    asked.request AS request,
    asked.asked_at AS asked_at,
    asked.attempts AS attempts,
    asked.last_asked_at AS last_asked_at,
    asked.credits AS credits,
    multiIf(
        paid.lot != '', 'paid',
        mapContains(now.refill_states, asked.number), now.refill_states[asked.number],
        'unanswered') AS became,
    if(paid.lot != '', paid.effective_at, NULL) AS paid_at,
    paid.paid_minor AS paid_minor,
    paid.currency AS currency,
    paid.payment AS payment
FROM
(
    SELECT
        number,
        any(refills_asked.request) AS request,
        min(at) AS asked_at,
        max(attempt) AS attempts,
        max(at) AS last_asked_at,
        any(refills_asked.credits) AS credits
    FROM refills_asked
    WHERE account = {account:String}
    GROUP BY number
) AS asked
LEFT JOIN
(
    SELECT *
    FROM credit_lots
    WHERE account = {account:String} AND kind = 'refill'
) AS paid ON paid.lot = concat('refill:', asked.request)
CROSS JOIN
(
    SELECT any(refill_states) AS refill_states
    FROM balances FINAL
    WHERE account = {account:String}
) AS now
ORDER BY number
