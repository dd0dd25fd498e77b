-- optional: it needs a user who may create roles; without them every user's rights are the administrator's to give.
-- Roles belong to a server and not to a database, so their names begin with the database's.
CREATE ROLE IF NOT EXISTS ${database}_writer;
CREATE ROLE IF NOT EXISTS ${database}_analyst;
CREATE ROLE IF NOT EXISTS ${database}_grafana;
CREATE ROLE IF NOT EXISTS ${database}_tenant;

-- Before any grant, so that a tenant never has more than its rows. Restrictive: whatever other policy lets a tenant
-- in, this one holds too. Everybody else reads all rows.
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.balances FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.rollups FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.conversations FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.charges FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_everyone ON ${database}.tenant_readers FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.balances AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.rollups AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.conversations AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.charges AS RESTRICTIVE FOR SELECT
    USING account IN (SELECT account FROM ${database}.tenant_readers FINAL WHERE user_name = currentUser())
    TO ${database}_tenant;
CREATE ROW POLICY IF NOT EXISTS ${database}_tenant ON ${database}.tenant_readers AS RESTRICTIVE FOR SELECT
    USING user_name = currentUser()
    TO ${database}_tenant;

-- The sink: it writes rows, and reads nothing but which migrations there were.
GRANT INSERT ON ${database}.balances TO ${database}_writer;
GRANT INSERT ON ${database}.rollups TO ${database}_writer;
GRANT INSERT ON ${database}.conversations TO ${database}_writer;
GRANT INSERT ON ${database}.charges TO ${database}_writer;
GRANT INSERT ON ${database}.dead_letters TO ${database}_writer;
GRANT SELECT ON ${database}.schema_migrations TO ${database}_writer;

-- People who ask, `python -m sinks query`: everything, for reading.
GRANT SELECT ON ${database}.* TO ${database}_analyst;

-- Views read their tables with the rights of whoever asks, so a view needs its table.
GRANT SELECT ON ${database}.current_balances TO ${database}_grafana;
GRANT SELECT ON ${database}.balances TO ${database}_grafana;
GRANT SELECT ON ${database}.usage_by_hour TO ${database}_grafana;
GRANT SELECT ON ${database}.rollups TO ${database}_grafana;
GRANT SELECT ON ${database}.conversations_by_day TO ${database}_grafana;
GRANT SELECT ON ${database}.conversations TO ${database}_grafana;
GRANT SELECT ON ${database}.rejected_input TO ${database}_grafana;
GRANT SELECT ON ${database}.dead_letters TO ${database}_grafana;

GRANT SELECT ON ${database}.current_balances TO ${database}_tenant;
GRANT SELECT ON ${database}.balances TO ${database}_tenant;
GRANT SELECT ON ${database}.usage_by_hour TO ${database}_tenant;
GRANT SELECT ON ${database}.rollups TO ${database}_tenant;
GRANT SELECT ON ${database}.conversations_by_day TO ${database}_tenant;
GRANT SELECT ON ${database}.conversations TO ${database}_tenant;
GRANT SELECT ON ${database}.priced_events TO ${database}_tenant;
GRANT SELECT ON ${database}.charges TO ${database}_tenant;
GRANT SELECT ON ${database}.tenant_readers TO ${database}_tenant;

-- Nobody who draws or asks from outside takes the server for long, or changes anything by a setting.
CREATE SETTINGS PROFILE IF NOT EXISTS ${database}_reader
    SETTINGS readonly = 2, max_execution_time = 60 MAX 60, max_memory_usage = 4000000000 MAX 4000000000
    TO ${database}_grafana, ${database}_tenant;
