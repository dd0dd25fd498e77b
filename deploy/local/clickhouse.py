"""ClickHouse on this machine: chDB behind its HTTP interface, in a process of its own."""

import http.client
import sys
from pathlib import Path

from deploy.local.clickhouse_http.users import DEFAULT_USER, User, Users, write_users
from deploy.local.service import LocalService

ANALYST = "analyst"
LOCAL_USERS: Users = {DEFAULT_USER: User(), ANALYST: User(readonly=True)}
_PROBE_SECONDS = 2.0


class LocalClickHouse(LocalService):
    """ClickHouse's HTTP interface on the loopback interface: user `default` writes, `analyst` only reads."""

    title = "ClickHouse"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        owner_pid: int | None = None,
        users: Users = LOCAL_USERS,
    ) -> None:
        super().__init__(folder, port, owner_pid=owner_pid)
        self._users = users

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def answers(self) -> bool:
        """Whether it runs and answers a ping."""
        if self._process.running() is None:
            return False
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _command(self, port: int) -> tuple[list[str], str]:
        users_file = self.folder / "users.json"
        write_users(users_file, self._users)
        options = ["--data", str(self.folder / "data"), "--port", str(port), "--users", str(users_file)]
        return [sys.executable, "-m", "deploy.local.clickhouse_http", *options], str(users_file)
