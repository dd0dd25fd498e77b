-- What analysts read: replaced and deleted rows are gone, segments are summed.
CREATE OR REPLACE VIEW current_balances AS
SELECT
    account,
    granted_credits - charged_credits AS remaining_credits,
    granted_credits,
    charged_credits,
    events,
    messages,
    grants,
    opened_at,
    updated_at
FROM balances FINAL;

CREATE OR REPLACE VIEW usage_by_hour AS
SELECT
    account,
    hour,
    channel,
    agent,
    node,
    sum(rollups.events) AS events,
    sum(rollups.messages) AS messages,
    sum(rollups.quantity) AS quantity,
    sum(rollups.credits) AS credits
FROM rollups FINAL
GROUP BY account, hour, channel, agent, node;

CREATE OR REPLACE VIEW conversations_by_day AS
SELECT account, day, agent, conversation
FROM conversations FINAL;

CREATE OR REPLACE VIEW priced_events AS
SELECT * EXCEPT (version, deleted)
FROM charges FINAL;

CREATE OR REPLACE VIEW rejected_input AS
SELECT * EXCEPT (version, deleted)
FROM dead_letters FINAL;
