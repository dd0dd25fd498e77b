-- What an account's plan includes, what it used of that in this period, and how much overage there is so far.
-- `used_credits` is what the period's entries charged, less what they refunded, whatever paid for it.
-- Parameters: account.
-- Example: python -m sinks query period --account acme
SELECT
    now.plan AS plan,
    now.period_start AS period_start,
    now.period_end AS period_end,
    now.included_credits AS included_credits,
    used.used_credits AS used_credits,
    used.used_of_plan_credits AS used_of_plan_credits,
    lots_now.left_of_plan_credits AS left_of_plan_credits,
    used.overage_credits AS overage_credits,
    now.overage AS overage,
    now.overage_limit_credits AS overage_limit_credits,
    now.remaining_credits AS remaining_credits,
    if(now.ends, 'no plan', now.next_plan) AS next
FROM
(
    SELECT *
    FROM current_balances
    WHERE account = {account:String}
) AS now
CROSS JOIN
(
    SELECT
        sumIf(owed_credits + billed_credits - lot_credits, kind IN ('burned', 'owed', 'billed', 'refunded')) AS used_credits,
        sumIf(-lot_credits, kind IN ('burned', 'refunded') AND startsWith(lot, 'plan:')) AS used_of_plan_credits,
        sumIf(owed_credits + billed_credits, kind IN ('owed', 'billed', 'refunded')) AS overage_credits
    FROM ledger_entries
    WHERE account = {account:String}
        AND ingested_at >= (SELECT period_start FROM current_balances WHERE account = {account:String})
) AS used
CROSS JOIN
(
    SELECT sum(held_credits) AS left_of_plan_credits
    FROM credit_lots
    WHERE account = {account:String} AND kind = 'plan' AND started
) AS lots_now
