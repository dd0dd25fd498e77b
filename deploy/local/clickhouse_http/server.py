"""The HTTP interface: an address and a body in, rows or an error out."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from deploy.local.clickhouse_http.compression import BadBodyError, compress, decompress
from deploy.local.clickhouse_http.engine import Engine
from deploy.local.clickhouse_http.reply import AUTHENTICATION_FAILED, CANNOT_DECOMPRESS, Reply, error_reply
from deploy.local.clickhouse_http.request import build_request
from deploy.local.clickhouse_http.users import Users, authenticate

LARGEST_BODY_BYTES = 1 << 30
THREADS = 16
_COMPRESSED_FROM_BYTES = 4096
_CONTENT_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "": "text/plain; charset=UTF-8",
}


class HttpInterface:
    """Answers ClickHouse's HTTP clients from an engine."""

    def __init__(self, engine: Engine, users: Users) -> None:
        self._engine = engine
        self._users = users
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="query")

    def application(self) -> web.Application:
        """The routes; run it with auto_decompress off: bodies are decoded here."""
        application = web.Application(client_max_size=LARGEST_BODY_BYTES)
        application.router.add_get("/ping", _say_ok)
        application.router.add_route("*", "/", self._answer)
        return application

    def close(self) -> None:
        """Wait for the queries that run."""
        self._threads.shutdown()

    async def _answer(self, http: web.Request) -> web.Response:
        if http.method in ("GET", "HEAD") and "query" not in http.query:
            return await _say_ok(http)
        authenticated = authenticate(self._users, http.headers, http.query)
        if authenticated is None:
            message = "Authentication failed: the user is unknown or the password is wrong. (AUTHENTICATION_FAILED)"
            return self._respond(http, error_reply(message, self._engine.version, AUTHENTICATION_FAILED))
        name, user = authenticated
        try:
            fields, body = await _read(http)
        except BadBodyError as error:
            message = f"{error} (CANNOT_DECOMPRESS)"
            return self._respond(http, error_reply(message, self._engine.version, CANNOT_DECOMPRESS))
        request = build_request(fields, body, user=name, readonly=user.readonly, rows_only=http.method == "GET")
        reply = await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.run, request)
        return self._respond(http, reply)

    def _respond(self, http: web.Request, reply: Reply) -> web.Response:
        headers = {
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Server-Display-Name": "chdb",
            "X-ClickHouse-Query-Id": http.query.get("query_id") or str(uuid.uuid4()),
            "Content-Type": _CONTENT_TYPES.get(reply.format, _CONTENT_TYPES[""]),
            **reply.headers,
        }
        body = reply.body
        if http.query.get("enable_http_compression") == "1" and len(body) >= _COMPRESSED_FROM_BYTES:
            body, encoding = compress(body, http.headers.get("Accept-Encoding", ""))
            if encoding:
                headers["Content-Encoding"] = encoding
        return web.Response(status=reply.status, headers=headers, body=body)


async def _say_ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _read(http: web.Request) -> tuple[dict[str, str], bytes]:
    """The address' fields and the body; a form's fields join the address'."""
    fields = dict(http.query)
    if default_format := http.headers.get("X-ClickHouse-Format"):
        fields.setdefault("default_format", default_format)
    if database := http.headers.get("X-ClickHouse-Database"):
        fields.setdefault("database", database)
    if http.content_type == "multipart/form-data":
        form = await http.post()
        fields.update({name: value for name, value in form.items() if isinstance(value, str)})
        return fields, b""
    return fields, decompress(await http.read(), http.headers.get("Content-Encoding", ""))
