"""Sessions: a handle that keeps temporary tables and settings between requests, for one at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chdb.state.sqlitelike import Connection

from deploy.local.clickhouse_http.handle import open_handle

MOST_SESSIONS = 500


class SessionLockedError(Exception):
    """Another request of the same session is running."""


class TooManySessionsError(Exception):
    """No room for another session."""


class _Session:
    def __init__(self, handle: Connection) -> None:
        self.handle = handle
        self.busy = threading.Lock()
        self.expires_at = 0.0


class Sessions:
    """Handles by session, dropped after a time without use, at most 500."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def handle(self, session: str, kept_seconds: float) -> Iterator[Connection]:
        """The session's handle, or a fresh one that is closed afterwards when the name is empty."""
        if not session:
            fresh = open_handle(self._path)
            try:
                yield fresh
            finally:
                fresh.close()
            return
        kept = self._claim(session)
        try:
            yield kept.handle
        finally:
            kept.expires_at = time.monotonic() + kept_seconds
            kept.busy.release()

    def close(self) -> None:
        """Close every handle."""
        with self._lock:
            for session in self._sessions.values():
                session.handle.close()
            self._sessions.clear()

    def _claim(self, name: str) -> _Session:
        """The session, held; SessionLockedError when another request holds it."""
        with self._lock:
            self._drop_expired()
            session = self._sessions.get(name)
            if session is None:
                if len(self._sessions) >= MOST_SESSIONS:
                    raise TooManySessionsError(f"{MOST_SESSIONS} sessions are open")
                session = self._sessions[name] = _Session(open_handle(self._path))
            if not session.busy.acquire(blocking=False):
                raise SessionLockedError(f"Session {name.partition(chr(0))[2]} is locked by a concurrent client")
            return session

    def _drop_expired(self) -> None:
        now = time.monotonic()
        for name, session in list(self._sessions.items()):
            if session.expires_at < now and not session.busy.locked():
                session.handle.close()
                del self._sessions[name]
