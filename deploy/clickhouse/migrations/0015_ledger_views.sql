-- What analysts read of the ledger: replaced and deleted rows are gone.
CREATE OR REPLACE VIEW current_balances AS
SELECT * EXCEPT (open_bill, refill_states, version, deleted)
FROM balances FINAL;

CREATE OR REPLACE VIEW credit_lots AS
SELECT * EXCEPT (version, deleted)
FROM lots FINAL;

-- `change_credits` is what the entry did to the balance. `event` is the usage event that it charges or corrects, as
-- `source id`; where a new price made overage, entries name the command alone. The clock's entries occurred at no time.
CREATE OR REPLACE VIEW ledger_entries AS
SELECT
    * EXCEPT (occurred_at, period_start, version, deleted),
    if(cause = 'clock', NULL, ledger.occurred_at) AS occurred_at,
    nullIf(ledger.period_start, toDateTime64(0, 3, 'UTC')) AS period_start,
    lot_credits - owed_credits AS change_credits,
    multiIf(
        cause = 'event', concat(source, ' ', id),
        cause = 'command' AND kind = 'refunded' AND billed_credits != 0,
            left(detail, length(detail) - position(reverse(detail), ' ')),
        cause = 'command' AND kind IN ('burned', 'refunded'), detail,
        '') AS event
FROM ledger FINAL;

CREATE OR REPLACE VIEW alerts_sent AS
SELECT * EXCEPT (version, deleted)
FROM alerts FINAL;

CREATE OR REPLACE VIEW refills_asked AS
SELECT * EXCEPT (version, deleted)
FROM refill_requests FINAL;

CREATE OR REPLACE VIEW bill_lines AS
SELECT * EXCEPT (version, deleted)
FROM bills FINAL;
