"""Prices what was charged by another card, previewed first, by a command for each event."""
