"""Feeds repaired dead letters back into usage.events, each once."""
