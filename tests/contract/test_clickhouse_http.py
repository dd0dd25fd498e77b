"""What creditstream relies on in ClickHouse's HTTP interface, through the client that it uses."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.servers import ClickHouseServer

UNKNOWN_IDENTIFIER, UNKNOWN_TABLE, READONLY, SYNTAX_ERROR = 47, 60, 164, 62

Connect = Callable[..., Client]


@pytest.fixture
def connect(clickhouse: ClickHouseServer, database: str) -> Iterator[Connect]:
    """Makes clients of the test's database, closed afterwards."""
    clients: list[Client] = []

    def make(user: str = clickhouse.user, password: str = clickhouse.password, **options: object) -> Client:
        client = clickhouse_connect.get_client(
            host=clickhouse.host,
            port=clickhouse.port,
            username=user,
            password=password,
            database=database,
            tz_mode="aware",
            **options,  # type: ignore[arg-type]
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()


def test_a_command_answers_with_its_value(client: Client, database: str) -> None:
    """One value comes back as such, and the client's database is the current one."""
    assert client.command("SELECT 6 * 7") == 42
    assert client.command("SELECT currentDatabase()") == database


def test_an_insert_by_columns_comes_back_as_it_was_given(client: Client) -> None:
    """Decimals, UTC times and text with quotes, tabs and accents survive the way there and back."""
    client.command(
        "CREATE TABLE charges (account String, cost Decimal(18, 6), at DateTime64(6, 'UTC'))"
        " ENGINE = MergeTree ORDER BY account"
    )
    moment = datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    rows = [("a", Decimal("0.000001"), moment), ("it's\t\\ é", Decimal("-999999999999.999999"), moment)]
    summary = client.insert(
        "charges", [list(column) for column in zip(*rows, strict=True)], ["account", "cost", "at"], column_oriented=True
    )
    assert summary.written_rows == 2
    assert client.query("SELECT account, cost, at FROM charges ORDER BY account").result_rows == rows


def test_parameters_are_bound_by_the_server(client: Client) -> None:
    """Values that look like SQL stay values, in lists and times too."""
    sql = "SELECT {text:String}, {list:Array(String)}, {moment:DateTime64(3, 'UTC')}, {number:Int64}"
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    given = {"text": "'; DROP TABLE x --", "list": ["a'b", "c\\d"], "moment": moment, "number": -5}
    assert client.query(sql, parameters=given).result_rows == [("'; DROP TABLE x --", ["a'b", "c\\d"], moment, -5)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT no_such_column", UNKNOWN_IDENTIFIER),
        ("SELECT * FROM no_such_table", UNKNOWN_TABLE),
        ("SELEKT 1", SYNTAX_ERROR),
    ],
)
def test_an_error_has_clickhouses_code(client: Client, sql: str, code: int) -> None:
    """What went wrong can be told from the code."""
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert f"code: {code}" in str(caught.value)


def test_an_insert_of_a_value_that_does_not_fit_names_its_code_and_writes_nothing(client: Client) -> None:
    """The insert fails as a whole, with the code of the constraint."""
    client.command("CREATE TABLE small (n Int64, CONSTRAINT positive CHECK n > 0) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError, match="code: 469"):
        client.insert("small", [[1, -1]], ["n"], column_oriented=True)
    assert client.command("SELECT count() FROM small") == 0


def test_a_materialized_view_sees_what_is_inserted_over_http(client: Client) -> None:
    """Inserts take the server's whole way, its views and their errors included."""
    client.command("CREATE TABLE source (n Int64) ENGINE = MergeTree ORDER BY n")
    client.command(
        "CREATE MATERIALIZED VIEW doubled ENGINE = MergeTree ORDER BY m"
        " AS SELECT 2 * n + throwIf(n > 100) AS m FROM source"
    )
    client.insert("source", [[1, 2]], ["n"], column_oriented=True, settings={"async_insert": 0})
    assert client.query("SELECT m FROM doubled ORDER BY m").result_rows == [(2,), (4,)]
    with pytest.raises(DatabaseError, match="code: 395"):
        client.insert("source", [[101]], ["n"], column_oriented=True)


def test_an_insert_of_text_with_settings_in_the_statement_is_understood(client: Client) -> None:
    """INSERT … SETTINGS … FORMAT with rows in the body writes them, columns left out getting their defaults."""
    client.command("CREATE TABLE texts (n Int64, note String DEFAULT 'none') ENGINE = MergeTree ORDER BY n")
    client.raw_insert("texts", ["n"], b"1\n2\n", fmt="TabSeparated")
    client.command("INSERT INTO texts (n) SETTINGS async_insert = 0 FORMAT JSONEachRow", data='{"n": 3}')
    client.command("INSERT INTO texts VALUES (4, 'FORMAT x')")
    assert client.query("SELECT n, note FROM texts ORDER BY n").result_rows == [
        (1, "none"), (2, "none"), (3, "none"), (4, "FORMAT x"),
    ]  # fmt: skip


def test_a_session_keeps_its_temporary_table(connect: Connect) -> None:
    """A temporary table is there for the session that made it and for nobody else."""
    session = connect(session_id=f"session-{uuid.uuid4()}")
    session.command("CREATE TEMPORARY TABLE kept (n UInt8)")
    session.command("INSERT INTO kept VALUES (7)")
    assert session.command("SELECT n FROM kept") == 7
    with pytest.raises(DatabaseError, match=f"code: {UNKNOWN_TABLE}"):
        connect().query("SELECT n FROM kept")


def test_the_settings_of_one_query_are_gone_in_the_next(connect: Connect) -> None:
    """In a session too, a setting given with a query ends with it."""
    session = connect(session_id=f"session-{uuid.uuid4()}")
    read = "SELECT getSetting('max_block_size')"
    before = session.query(read).result_rows
    assert session.query(read, settings={"max_block_size": 12_345}).result_rows == [(12_345,)]
    assert session.query(read).result_rows == before


def test_a_reader_reads_and_writes_nothing(client: Client, clickhouse: ClickHouseServer, connect: Connect) -> None:
    """The user for reading gets rows, and code 164 for an insert or a table."""
    client.command("CREATE TABLE seen (n UInt8) ENGINE = MergeTree ORDER BY n")
    client.insert("seen", [[1]], ["n"], column_oriented=True)
    reader = connect(clickhouse.reader_user, clickhouse.reader_password)
    assert reader.query("SELECT n FROM seen", settings={"max_threads": 1}).result_rows == [(1,)]
    for forbidden in ("DROP TABLE seen", "CREATE TABLE other (n UInt8) ENGINE = Memory"):
        with pytest.raises(DatabaseError, match=f"code: ({READONLY}|497)"):
            reader.command(forbidden)
    with pytest.raises(DatabaseError, match=f"code: ({READONLY}|497)"):
        reader.insert("seen", [[2]], ["n"], column_oriented=True)
    assert client.command("SELECT count() FROM seen") == 1


def test_a_wrong_password_is_refused(connect: Connect, clickhouse: ClickHouseServer) -> None:
    """A client with the wrong password gets no further than the door."""
    with pytest.raises(DatabaseError, match=r"code: (516|194)"):
        connect(clickhouse.user, "wrong")


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_every_compression_carries_inserts_and_answers(connect: Connect, compression: bool | str) -> None:
    """Rows of several blocks, each compressed by itself, go in and come back the same."""
    client = connect(compress=compression)
    client.command("CREATE TABLE wide (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
    numbers = list(range(40_000))
    texts = [f"{n:>512}" for n in numbers]
    summary = client.insert("wide", [numbers, texts], ["n", "text"], column_oriented=True)
    assert summary.written_rows == 40_000
    found = client.query("SELECT n, text FROM wide ORDER BY n", column_oriented=True).result_columns
    assert list(found[0]) == numbers
    assert list(found[1]) == texts


def test_twenty_clients_at_once_write_and_read_what_is_theirs(client: Client, connect: Connect) -> None:
    """No insert is lost and no answer goes to somebody else."""
    client.command("CREATE TABLE shared (writer UInt32, n UInt32) ENGINE = MergeTree ORDER BY (writer, n)")
    clients = [connect(autogenerate_session_id=False) for _ in range(20)]

    def write_and_read(writer: int) -> int:
        for batch in range(5):
            rows = list(range(batch * 100, batch * 100 + 100))
            clients[writer].insert("shared", [[writer] * 100, rows], ["writer", "n"], column_oriented=True)
        answer = clients[writer].query(
            "SELECT uniqExact(n) FROM shared WHERE writer = {writer:UInt32}", parameters={"writer": writer}
        )
        return int(answer.result_rows[0][0])

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(write_and_read, range(20))) == [500] * 20
    assert client.command("SELECT count() FROM shared") == 20 * 500


def test_a_replaced_row_is_read_once_with_final(client: Client) -> None:
    """Of rows with the same key, the one of the highest version remains, however often it was inserted."""
    client.command(
        "CREATE TABLE latest (account String, credits Decimal(18, 6), version UInt64)"
        " ENGINE = ReplacingMergeTree(version) ORDER BY account"
    )
    for amount, version in ((Decimal(500), 1), (Decimal("499.5"), 2), (Decimal("499.5"), 2), (Decimal(500), 1)):
        client.insert("latest", [["a"], [amount], [version]], ["account", "credits", "version"], column_oriented=True)
    rows = client.query("SELECT account, credits FROM latest FINAL").result_rows
    assert rows == [("a", Decimal("499.5"))]
