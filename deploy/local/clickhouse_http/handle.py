"""chDB's connections, which carry no types."""

from typing import cast

import chdb
from chdb.state.sqlitelike import Connection


def open_handle(path: str) -> Connection:
    """A connection to the engine of a data folder: cheap, 0.1 ms, once the engine runs."""
    return cast("Connection", chdb.connect(path))  # type: ignore[no-untyped-call]


def insert(handle: Connection, statement: str, rows_format: str, data: bytes) -> tuple[int, int]:
    """Insert rows of a format; how many rows and bytes were written."""
    inserter = handle.send_insert(statement, rows_format)
    try:
        inserter.append(data)  # type: ignore[no-untyped-call]
        result = inserter.finish()
    except BaseException:
        inserter.cancel()  # type: ignore[no-untyped-call]
        raise
    return int(result.rows_written), int(result.bytes_written)
