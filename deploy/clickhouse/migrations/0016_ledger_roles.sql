-- optional: it needs a user who may create roles; without them every user's rights are the administrator's to give.
-- Before any grant, so that a tenant never has more than its rows: see 0008.
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.lots FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.ledger FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.alerts FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.refill_requests FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.bills FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.lots AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.ledger AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.alerts AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.refill_requests AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.bills AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;

GRANT INSERT ON ${database}.lots TO ${database}_writer;
GRANT INSERT ON ${database}.ledger TO ${database}_writer;
GRANT INSERT ON ${database}.alerts TO ${database}_writer;
GRANT INSERT ON ${database}.refill_requests TO ${database}_writer;
GRANT INSERT ON ${database}.bills TO ${database}_writer;

GRANT SELECT ON ${database}.credit_lots TO ${database}_grafana;
GRANT SELECT ON ${database}.lots TO ${database}_grafana;
GRANT SELECT ON ${database}.alerts_sent TO ${database}_grafana;
GRANT SELECT ON ${database}.alerts TO ${database}_grafana;
GRANT SELECT ON ${database}.refills_asked TO ${database}_grafana;
GRANT SELECT ON ${database}.refill_requests TO ${database}_grafana;
GRANT SELECT ON ${database}.bill_lines TO ${database}_grafana;
GRANT SELECT ON ${database}.bills TO ${database}_grafana;

GRANT SELECT ON ${database}.credit_lots TO ${database}_tenant;
GRANT SELECT ON ${database}.lots TO ${database}_tenant;
GRANT SELECT ON ${database}.ledger_entries TO ${database}_tenant;
GRANT SELECT ON ${database}.ledger TO ${database}_tenant;
GRANT SELECT ON ${database}.alerts_sent TO ${database}_tenant;
GRANT SELECT ON ${database}.alerts TO ${database}_tenant;
GRANT SELECT ON ${database}.refills_asked TO ${database}_tenant;
GRANT SELECT ON ${database}.refill_requests TO ${database}_tenant;
GRANT SELECT ON ${database}.bill_lines TO ${database}_tenant;
GRANT SELECT ON ${database}.bills TO ${database}_tenant;
