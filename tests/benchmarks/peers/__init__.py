"""Whom the worker is measured against. Each runs as a process of its own."""
