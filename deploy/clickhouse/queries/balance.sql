-- What an account has now, as of its last change: what remains may be below zero, which is overage.
-- Parameters: account.
-- Example: python -m sinks query balance --account acme
SELECT
    account,
    remaining_credits,
    granted_credits,
    charged_credits,
    events,
    messages,
    updated_at
FROM current_balances
WHERE account = {account:String}
