"""`python -m sinks verify-ledger` on a real ClickHouse: what was written holds, what was altered is found."""

from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client

from schemas.account import account_of
from schemas.ledger import decode_entry_batch
from sinks.__main__ import main
from sinks.clickhouse import ClickHouseWriter
from sinks.migrate import migrate
from sinks.settings import ClickHouseSettings
from sinks.tables.accounts import BalancesTable
from sinks.tables.ledger import LedgerTable
from sinks.verify import stored
from tests.ledger_rows import FOURTH_MS, OCTOBER_MS, SEPTEMBER_MS, Chain, account_row, packed
from tests.servers import ClickHouseServer

ACCOUNTS = ("acme", "beta", "it's ä\\\n\x00", "\U0001f600")


def story(account: str) -> Chain:
    """Nine entries of every kind of cause, with texts and numbers at their ends."""
    chain = Chain(account)
    chain.granted("free", 500, at_ms=SEPTEMBER_MS)
    chain.granted('bought "2"', 10**9, at_ms=SEPTEMBER_MS, command="c\t1", detail="by me\\")
    for number in range(4):
        chain.burned("free", 20, at_ms=FOURTH_MS + number, event=f"e{number}\u2028", offset=2**40 + number)
    chain.owed(7, at_ms=FOURTH_MS + 10, event="o")
    chain.billed(7, at_ms=FOURTH_MS + 11, event="b")
    chain.expired("free", 420, at_ms=OCTOBER_MS)
    return chain


@pytest.fixture
def client(clickhouse: ClickHouseServer, database: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The ledgers of some accounts, written twice, read in pages of a few rows."""
    settings = ClickHouseSettings(
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    for field in ("host", "port", "user", "password", "database"):
        monkeypatch.setenv(f"CREDITSTREAM_CLICKHOUSE_{field.upper()}", str(getattr(settings, f"clickhouse_{field}")))
    monkeypatch.setattr(stored, "PAGE_ROWS", 4)
    migrate(settings)
    writer = ClickHouseWriter(settings)
    for _ in range(2):
        for account in ACCOUNTS:
            chain = story(account)
            for part in (chain.entries[:5], chain.entries[5:]):
                batch = decode_entry_batch(chain.batch(part, first=part[0].sequence))
                writer.insert(LedgerTable(), LedgerTable().columns_of(batch))
            row = account_of(packed(account_row(chain)))
            writer.insert(BalancesTable(), BalancesTable().columns_of(row))
    return clickhouse_connect.get_client(
        host=clickhouse.host,
        port=clickhouse.port,
        username=clickhouse.user,
        password=clickhouse.password,
        database=database,
        settings={"mutations_sync": 2},
        autogenerate_session_id=False,
    )


def verify(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str]]:
    """The exit code, and what is said."""
    code = main(["verify-ledger", "--wait", "0", "--quiet", *options])
    return code, capsys.readouterr().out.splitlines()


def test_what_the_sink_wrote_holds(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """Every account's chain is had back from the columns, whatever is in its texts; one alone, too."""
    assert verify(capsys) == (0, ["36 entries of 4 accounts: every chain holds"])
    for account in ACCOUNTS:
        assert verify(capsys, "--account", account) == (0, ["9 entries of 1 account: every chain holds"])
    assert verify(capsys, "--account", "nobody") == (0, ["0 entries of 0 accounts: every chain holds"])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_exported_statement_holds_without_clickhouse(
    client: Client, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `python -m sinks query statement` shows it."""
    for account in ACCOUNTS:
        assert main(["query", "statement", "--account", account, "--format", ending]) == 0
        file = tmp_path / f"statement.{ending}"
        file.write_text(capsys.readouterr().out, encoding="utf-8", newline="")
        code, said = verify(capsys, "--from-file", str(file), "--head", story(account).head.hex())
        assert (code, said[-1]) == (0, "9 entries of 1 account: every chain holds")


_SWAP = """
INSERT INTO ledger SELECT * REPLACE (if(sequence = 4, 5, 4) AS sequence, 2 AS version) FROM ledger FINAL
WHERE account = 'beta' AND sequence IN (4, 5)"""
ALTERED = [
    ("ALTER TABLE ledger UPDATE lot_credits = -19 WHERE sequence = 4 AND account = 'beta'", "beta, entry 4: it was ch"),
    ("ALTER TABLE ledger UPDATE detail = '' WHERE sequence = 2 AND account = 'beta'", "beta, entry 2: it was changed"),
    ("ALTER TABLE ledger UPDATE booked_at = booked_at + INTERVAL 1 SECOND WHERE account = 'beta'", "beta, entry 1: it"),
    ("ALTER TABLE ledger DELETE WHERE sequence = 5 AND account = 'beta'", "beta, entry 5: it is missing"),
    (
        "ALTER TABLE ledger DELETE WHERE sequence = 9 AND account = 'beta'",
        "beta, entry 9: it is missing, entry 9 is the",
    ),
    ("ALTER TABLE ledger DELETE WHERE account = 'beta'", "beta, entry 1: it is missing, entry 9 is the last"),
    ("ALTER TABLE balances DELETE WHERE account = 'beta'", "beta, entry 9: the account has no row in balances"),
    ("ALTER TABLE balances UPDATE head = '00' WHERE account = 'beta'", "beta, entry 9: its hash is not the one that"),
    (_SWAP, "beta, entry 4: it does not follow the entry before"),
    ("INSERT INTO ledger (account, sequence, version) VALUES ('ghost', 1, 1)", "ghost, entry 1: it does not follow"),
]


@pytest.mark.parametrize(("statement", "told"), ALTERED)
def test_what_was_altered_is_found_and_the_others_hold(
    client: Client, statement: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed row, a removed one, a swapped pair, a forged one: by account and number."""
    client.command(statement)
    code, (broken, counted) = verify(capsys)
    assert code == 1
    assert broken.startswith(told)
    assert counted.endswith(": 1 chain breaks")
