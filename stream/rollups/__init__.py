"""Rolls charges up, in a process beside the worker: what it knows is a cache, and may be lost at any time."""
