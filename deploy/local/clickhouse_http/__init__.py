"""ClickHouse's HTTP interface in front of chDB, which is ClickHouse itself, in process.

Clients speak to it as to a server: /ping, queries, inserts, sessions, parameters, settings, users,
compression, errors with their code. One process serves one data folder.
"""
