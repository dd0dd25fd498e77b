-- optional: it needs a user who may create roles; without them every user's rights are the administrator's to give.
-- Whoever reconciles reads everything, and writes nothing but what it found.
CREATE ROLE IF NOT EXISTS ${database}_auditor;
GRANT SELECT ON ${database}.* TO ${database}_auditor;
GRANT INSERT ON ${database}.reconciliations TO ${database}_auditor;

-- The sink shows in its metrics how far that got.
GRANT SELECT ON ${database}.reconciliations TO ${database}_writer;
GRANT SELECT ON ${database}.reconciliations TO ${database}_grafana;
