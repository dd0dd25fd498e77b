"""Runs requests on chDB: settings, database and parameters of one request never reach another."""

import shutil
import time
from pathlib import Path

import msgspec
from chdb.state.sqlitelike import Connection

from deploy.local.clickhouse_http.handle import insert, open_handle
from deploy.local.clickhouse_http.reply import (
    READONLY,
    SESSION_IS_LOCKED,
    TOO_MANY_SESSIONS,
    Reply,
    error_reply,
)
from deploy.local.clickhouse_http.request import QueryRequest
from deploy.local.clickhouse_http.sessions import SessionLockedError, Sessions, TooManySessionsError
from deploy.local.clickhouse_http.statement import output_format, parse_insert, returns_rows


class Engine:
    """ClickHouse over one data folder; requests may run in many threads at once."""

    def __init__(self, data: Path) -> None:
        # Its handle keeps the engine open while no request has one.
        self._keeper = open_handle(str(data))
        self._sessions = Sessions(str(data))
        self._scratch = data.with_name(f"{data.name}-inserts")
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        self.version = _text(self._keeper, "SELECT version()")
        self.timezone = _text(self._keeper, "SELECT timezone()")

    def run(self, request: QueryRequest) -> Reply:
        """The statement's reply; whatever fails is told as a server would tell it."""
        try:
            with self._sessions.handle(request.session, request.session_seconds) as handle:
                return self._run_with_settings(handle, request)
        except SessionLockedError as error:
            return error_reply(str(error), self.version, SESSION_IS_LOCKED)
        except TooManySessionsError as error:
            return error_reply(str(error), self.version, TOO_MANY_SESSIONS)
        # ClickHouse's errors come as RuntimeError; what chDB itself refuses as TypeError and ValueError.
        except (RuntimeError, TypeError, ValueError) as error:
            return error_reply(str(error), self.version)

    def close(self) -> None:
        """Close chDB; nothing may run any more."""
        self._sessions.close()
        self._keeper.close()

    def _run_with_settings(self, handle: Connection, request: QueryRequest) -> Reply:
        if request.readonly:
            # 2, as analysts' tools need it: settings may be changed, data may not.
            handle.query("SET readonly = 2", "TSV")
        if request.database:
            handle.query(f"USE {_identifier(request.database)}", "TSV")
        applied: list[str] = []
        try:
            for name, value in request.settings.items():
                handle.query(f"SET {_identifier(name)} = {_literal(value)}", "TSV")
                applied.append(name)
            return self._execute(handle, request)
        finally:
            if request.session:
                _reset(handle, applied)

    def _execute(self, handle: Connection, request: QueryRequest) -> Reply:
        sql = request.sql.decode("utf-8", "replace")
        if request.rows_only and not returns_rows(sql):
            return error_reply("Cannot execute query in readonly mode: use POST. (READONLY)", self.version, READONLY)
        rows = parse_insert(request.sql)
        if rows is not None:
            return _inserted(*insert(handle, rows, self._scratch))
        answer_format = output_format(sql, request.format)
        started = time.perf_counter()
        result = handle.query(sql, answer_format, params=request.parameters or None)
        summary = {
            "read_rows": str(result.rows_read()),
            "read_bytes": str(result.bytes_read()),
            "elapsed_ns": str(int((time.perf_counter() - started) * 1e9)),
        }
        headers = {"X-ClickHouse-Summary": msgspec.json.encode(summary).decode()}
        if returns_rows(sql):
            headers["X-ClickHouse-Format"] = answer_format
        return Reply(200, headers, result.bytes() or b"")


def _inserted(rows: int, written_bytes: int) -> Reply:
    summary = {"read_rows": str(rows), "written_rows": str(rows), "written_bytes": str(written_bytes)}
    return Reply(200, {"X-ClickHouse-Summary": msgspec.json.encode(summary).decode()}, b"")


def _reset(handle: Connection, names: list[str]) -> None:
    """Undo a request's settings in a handle that lives on."""
    for name in names:
        handle.query(f"SET {_identifier(name)} = DEFAULT", "TSV")


def _text(handle: Connection, sql: str) -> str:
    return str(handle.query(sql, "TSV").bytes().decode().strip())


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
