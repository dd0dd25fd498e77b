-- What an account's available credits consist of, lot by lot in the order in which they burn, and when they expire.
-- What is owed is taken off to give what remains; lots that have not begun come last and do not count yet.
-- Parameters: account.
-- Example: python -m sinks query credits --account acme
SELECT part, credits, lot, kind, priority, granted_credits, effective_at, expires_at
FROM
(
    SELECT
        1 AS place,
        'available' AS part,
        available_credits AS credits,
        '' AS lot,
        '' AS kind,
        NULL AS priority,
        NULL AS granted_credits,
        NULL AS effective_at,
        NULL AS expires_at
    FROM current_balances
    WHERE account = {account:String}

    UNION ALL

    SELECT
        if(started, 2, 5),
        if(started, 'usable', 'not yet'),
        held_credits,
        lot,
        kind,
        priority,
        granted_credits + rolled_in_credits,
        effective_at,
        expires_at
    FROM credit_lots
    WHERE account = {account:String} AND held_credits != 0

    UNION ALL

    SELECT 3, 'owed', -owed_credits, '', '', NULL, NULL, NULL, NULL
    FROM current_balances
    WHERE account = {account:String} AND owed_credits != 0

    UNION ALL

    SELECT 4, 'remaining', remaining_credits, '', '', NULL, NULL, NULL, NULL
    FROM current_balances
    WHERE account = {account:String}
) AS parts
ORDER BY place, priority, expires_at NULLS LAST, effective_at, lot
