-- What overage an account was billed, line by line, and what is on the bill that is not closed yet.
-- A line of another period than its bill's corrects that one. Prices and amounts are in the currency's minor unit.
-- Parameters: account.
-- Example: python -m sinks query bills --account acme
SELECT state, bill, plan, period_start, period_end, line_period, credits, price_minor, amount_minor, currency
FROM
(
    SELECT
        'closed' AS state,
        bill,
        plan,
        period_start,
        period_end,
        line,
        toDate(line_period_start) AS line_period,
        credits,
        price_minor,
        amount_minor,
        currency
    FROM bill_lines
    WHERE account = {account:String}

    UNION ALL

    SELECT
        'open',
        '',
        plan,
        ifNull(period_start, toDateTime64(0, 3, 'UTC')),
        ifNull(period_end, toDateTime64(0, 3, 'UTC')),
        number,
        toDate(billed.1),
        billed.2,
        billed.3,
        toInt64(roundBankers(toDecimal256(billed.2, 6) * toDecimal256(billed.3, 6))),
        billed.4
    FROM balances FINAL
    ARRAY JOIN open_bill AS billed, arrayEnumerate(open_bill) AS number
    WHERE account = {account:String}
) AS lines
ORDER BY period_end, line
