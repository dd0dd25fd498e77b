"""Delivers alerts, refill requests and bills to others, as signed webhooks, at least once."""
