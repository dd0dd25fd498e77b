-- What an account has now, as of its last change: what remains may be below zero, which is overage.
-- Parameters: account.
-- Example: python -m sinks query balance --account acme
SELECT
    account,
    remaining_credits,
    available_credits,
    owed_credits,
    unstarted_credits,
    granted_credits,
    burned_credits,
    expired_credits,
    voided_credits,
    charged_credits,
    refunded_credits,
    billed_credits,
    plan,
    mode,
    gate_closed,
    events,
    messages,
    sequence AS entries,
    updated_at
FROM current_balances
WHERE account = {account:String}
