"""Recomputes charges, rollups and balances from the inputs, and compares them with ClickHouse and the worker's table.

An auditor: it shares no code with the worker, only the schemas.
"""
