"""One request, parted into the statement, its parameters, its settings and the session it belongs to."""

from collections.abc import Mapping

from msgspec import Struct

# Names of the interface itself; whatever else stands in the address is a setting of the query.
_INTERFACE = frozenset(
    [
        "query",
        "database",
        "default_format",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "client_protocol_version",
        "role",
        "user",
        "password",
        "buffer_size",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "http_zlib_compression_level",
        "stacktrace",
        "cancel_http_readonly_queries_on_client_close",
    ]
)
_PARAMETER = "param_"
DEFAULT_SESSION_SECONDS = 60
LONGEST_SESSION_SECONDS = 3600


class QueryRequest(Struct, frozen=True):
    """What to run and how; `session` is empty for a request that stands alone."""

    sql: bytes
    database: str
    format: str
    session: str
    session_seconds: float
    settings: dict[str, str]
    parameters: dict[str, str]
    readonly: bool
    """The user may only read."""
    rows_only: bool
    """The statement may only ask for rows, as in every GET."""


def build_request(
    fields: Mapping[str, str], body: bytes, *, user: str, readonly: bool, rows_only: bool
) -> QueryRequest:
    """The request of an address' fields and a body: the statement is both, one after the other."""
    head = fields.get("query", "").encode()
    session = fields.get("session_id", "")
    return QueryRequest(
        sql=head + (b"\n" if head and body else b"") + body,
        database=fields.get("database", ""),
        format=fields.get("default_format", ""),
        # Sessions of two users never meet, whatever they call them.
        session=f"{user}\0{session}" if session else "",
        session_seconds=_session_seconds(fields.get("session_timeout", "")),
        settings={
            name: value for name, value in fields.items() if name not in _INTERFACE and not name.startswith(_PARAMETER)
        },
        parameters={
            name.removeprefix(_PARAMETER): value for name, value in fields.items() if name.startswith(_PARAMETER)
        },
        readonly=readonly,
        rows_only=rows_only,
    )


def _session_seconds(text: str) -> float:
    return min(float(text), LONGEST_SESSION_SECONDS) if text.isdigit() else DEFAULT_SESSION_SECONDS
