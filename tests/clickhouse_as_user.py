"""ClickHouse in process as one who may do what some statements grant: `python -m tests.clickhouse_as_user FOLDER`.

In process there is nowhere to keep roles that CREATE ROLE makes, and one user; but that user's grants, row policies
and settings are read from a file, and are enforced as a server does. So the rights that the statements of a migration
give to a role are written there as they stand, and what is asked on stdin is answered as that role would be.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import chdb
import msgspec

USER = "default"
"""Who asks, as currentUser() has it."""

_GRANT = re.compile(r"^(GRANT .+ ON \S+) TO (\w+)$")
_POLICY = re.compile(r"^CREATE ROW POLICY .+? ON (\w+)\.(\w+) AS RESTRICTIVE FOR SELECT USING (.+) TO (\w+)$")
_PROFILE = re.compile(r"^CREATE SETTINGS PROFILE \S+ \S+ \S+ \S+ SETTINGS (.+) TO ([\w, ]+)$")


class Answer(msgspec.Struct):
    """Rows, or the error's code; 0 means that there was none."""

    rows: list[list[object]]
    code: int = 0


def users_file(statements: list[str], role: str) -> str:
    """ClickHouse's file of users with one who has what the statements give to the role."""
    grants, policies, settings = [], "", ""
    for statement in (" ".join(each.split()) for each in statements):
        if (grant := _GRANT.match(statement)) and grant[2] == role:
            grants.append(f"<query>{escape(grant[1])}</query>")
        if (policy := _POLICY.match(statement)) and policy[4] == role:
            database, table, condition = policy[1], policy[2], escape(policy[3])
            policies += f"<{database}><{table}><filter>{condition}</filter></{table}></{database}>"
        if (profile := _PROFILE.match(statement)) and role in profile[2].split(", "):
            pairs = [each.split(" ")[0:3:2] for each in profile[1].split(", ")]
            settings = "".join(f"<{name}>{value}</{name}>" for name, value in pairs)
    return (
        f"<clickhouse><profiles><default>{settings}</default></profiles><quotas><default/></quotas><users><{USER}>"
        "<password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
        f"<grants>{''.join(grants)}</grants><databases>{policies}</databases></{USER}></users></clickhouse>"
    )


def main() -> None:
    """Run the statements of a JSON list; their answers are a JSON list."""
    folder = Path(sys.argv[1])
    users = folder / "users.xml"
    options = ""
    if users.exists():
        config = folder / "config.xml"
        config.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
        options = f"?config-file={config}"
    connect: Any = chdb.connect
    connection = connect(f"{folder / 'data'}{options}")
    print(msgspec.json.encode([_answer(connection, sql) for sql in json.load(sys.stdin)]).decode())


def _answer(connection: object, sql: str) -> Answer:
    try:
        result = connection.query(sql, "JSONCompactStrings")  # type: ignore[attr-defined]
    except RuntimeError as error:
        code = re.search(r"Code: (\d+)", str(error))
        return Answer([], int(code[1]) if code else -1)
    text = result.bytes()
    return Answer(json.loads(text)["data"] if text else [])


if __name__ == "__main__":
    main()
