"""Workers that differ from the real one in one thing, which a fault needs."""
