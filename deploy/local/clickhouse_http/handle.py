"""chDB's connections, which carry no types."""

import tempfile
from pathlib import Path
from typing import Any

import chdb
from chdb.state.sqlitelike import Connection

from deploy.local.clickhouse_http.statement import Insert


def open_handle(path: str) -> Connection:
    """A connection to the engine of a data folder: cheap, 0.1 ms, once the engine runs."""
    # Any: whether chdb counts as typed depends on what else is installed.
    connect: Any = chdb.connect
    handle: Connection = connect(path)
    return handle


def insert(handle: Connection, rows: Insert, scratch: Path) -> tuple[int, int]:
    """Insert rows that came with a statement; how many rows and bytes were written.

    Through a file, because a statement is text and rows are bytes; chDB's own stream of bytes (4.4) skips constraints
    and materialized views, and says that it wrote what it did not.
    """
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".rows") as file:
        file.write(rows.data)
        file.flush()
        source = f"FROM INFILE '{file.name}'"
        result = handle.query(f"{rows.target} {source} {rows.settings} FORMAT {rows.format}", "TSV")
    return int(result.rows_written()), int(result.bytes_written())
