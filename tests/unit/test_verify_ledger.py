"""The ledger is followed entry by entry: the first that was changed, moved or removed is named."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.ledger import Entry, entry_hash, first_hash
from sinks.__main__ import main
from sinks.answers import FORMATS
from sinks.verify import run as running
from sinks.verify.chain import Break, Followed, Head, Stated, follow, follow_all, start
from sinks.verify.run import LedgerBehindError, Verification, Verified
from sinks.verify.statement import read_statement
from sinks.verify.stored import AccountHead
from tests.ledger_rows import CREDIT, FOURTH_MS, SEPTEMBER_MS, Chain
from tests.ledger_statement import statement

Change = Callable[[list[Stated]], None]


def story(account: str = "acme", charges: int = 6) -> Chain:
    """A free grant and so many charges of 20 credits; some overage at the end."""
    chain = Chain(account)
    chain.granted(f"free:{account}", 500, at_ms=SEPTEMBER_MS)
    for number in range(charges):
        chain.burned(f"free:{account}", 20, at_ms=FOURTH_MS + number, event=f'e"{number}\n', offset=number)
    chain.owed(1, at_ms=FOURTH_MS + charges, event="over", offset=charges)
    chain.billed(2, at_ms=FOURTH_MS + charges, event="billed", offset=charges + 1)
    return chain


def stated(chain: Chain) -> list[Stated]:
    """As ClickHouse has it: without the bytes of the hash before."""
    return [
        Stated(msgspec.structs.replace(entry, previous=b""), entry.previous.hex(), entry_hash(entry).hex())
        for entry in chain.entries
    ]


def changed(place: int, *, hashed: bool = False, **fields: object) -> Change:
    """The entry at a place says something else, be it with a hash that is right for it."""

    def change(rows: list[Stated]) -> None:
        entry: Entry = msgspec.structs.replace(rows[place].entry, **fields)
        again = msgspec.structs.replace(entry, previous=bytes.fromhex(rows[place].previous))
        rows[place] = Stated(entry, rows[place].previous, entry_hash(again).hex() if hashed else rows[place].hash)

    return change


def swapped(rows: list[Stated]) -> None:
    """Two entries change places, with their numbers."""
    third, fourth = rows[2], rows[3]
    rows[2] = third._replace(entry=msgspec.structs.replace(fourth.entry, sequence=3), hash=fourth.hash)
    rows[3] = fourth._replace(entry=msgspec.structs.replace(third.entry, sequence=4), hash=third.hash)


BREAKS: list[tuple[str, Change, int, str]] = [
    ("an amount", changed(3, lot_microcredits=-19 * CREDIT), 4, "it was changed"),
    ("a detail", changed(3, detail="x"), 4, "it was changed"),
    ("the time of booking", changed(3, booked_at_ms=1), 4, "it was changed"),
    ("a hash", lambda rows: rows.__setitem__(3, rows[3]._replace(hash="00")), 4, "it was changed"),
    ("what is hashed anew", changed(3, hashed=True, detail="x"), 5, "it does not follow"),
    ("a balance", changed(3, hashed=True, balance_microcredits=1), 4, "the balance is not"),
    ("the hash before", lambda rows: rows.__setitem__(3, rows[3]._replace(previous="00")), 4, "it does not follow"),
    ("a removed one", lambda rows: rows.pop(3) and None, 4, "it is missing"),
    ("two removed", lambda rows: rows.__delitem__(slice(3, 5)), 4, "and so is every one up to 5"),
    ("the first removed", lambda rows: rows.pop(0) and None, 1, "it is missing"),
    ("one twice", lambda rows: rows.insert(3, rows[2]), 4, "entry 3 stands in its place"),
    ("a swapped pair", swapped, 3, "it was changed"),
    ("lines out of order", lambda rows: rows.insert(2, rows.pop(3)), 3, "it is missing"),
]


def test_a_whole_chain_is_followed_to_its_end() -> None:
    """Hash and balance are those that the worker had."""
    chain = story()
    wanted = Followed("acme", 9, chain.head, chain.balance)
    assert follow(start("acme"), stated(chain), Head(9, chain.head.hex())) == wanted
    assert follow(start("acme"), stated(chain)) == wanted


@pytest.mark.parametrize(("change", "sequence", "what"), [row[1:] for row in BREAKS], ids=[row[0] for row in BREAKS])
def test_the_first_entry_that_is_off_is_named(change: Change, sequence: int, what: str) -> None:
    """By account and number; entries of other accounts go on to be followed."""
    rows = stated(story())
    change(rows)
    broken, whole = follow_all([*rows, *stated(story("beta"))])
    assert isinstance(broken, Break)
    assert (broken.account, broken.sequence) == ("acme", sequence)
    assert what in broken.what
    assert isinstance(whole, Followed)


def test_an_entry_of_another_account_belongs_to_no_chain_but_its_own() -> None:
    """The first hash is that of the account's name."""
    rows = [row._replace(entry=msgspec.structs.replace(row.entry, account="thief")) for row in stated(story())]
    (found,) = follow_all(rows)
    assert isinstance(found, Break)
    assert found.sequence == 1


@pytest.mark.parametrize("sequence", [4, 9])
def test_the_last_hash_must_be_the_one_of_the_account_s_row(sequence: int) -> None:
    """Also where the ledger went on meanwhile: it is compared at that entry."""
    rows = stated(story())
    assert isinstance(follow(start("acme"), rows, Head(sequence, rows[sequence - 1].hash)), Followed)
    found = follow(start("acme"), rows, Head(sequence, "00" * 32))
    assert isinstance(found, Break)
    assert (found.sequence, "the account's row" in found.what) == (sequence, True)


class FakeLedger:
    """ClickHouse as lists; `then` changes them when everything was read once."""

    def __init__(self, *chains: Chain) -> None:
        self.rows = {str(chain.account): stated(chain) for chain in chains}
        self.row_heads = {
            str(chain.account): Head(len(chain.entries), chain.head.hex()) for chain in chains if chain.entries
        }
        self.then: Callable[[], None] = lambda: None

    def entries(self, account: str = "", sequence: int = 0) -> Iterator[Stated]:
        if account:
            yield from self.rows.get(account, [])[sequence:]
            return
        for name in sorted(self.rows, key=str.encode):
            yield from self.rows[name]
        self.then()

    def heads(self, account: str = "") -> Iterator[AccountHead]:
        for name in sorted(self.row_heads, key=str.encode):
            if account in ("", name):
                yield AccountHead(name, self.row_heads[name])


def verified(ledger: FakeLedger, account: str = "", *, wait_seconds: float = 0) -> tuple[Verified, list[str]]:
    """What a run finds, and what it tells."""
    told: list[str] = []
    run = Verification(
        ledger,
        tell=lambda broken: told.append(str(broken)),
        progress=lambda _found: None,
        wait_seconds=wait_seconds,
    )
    return run.run(account), told


def test_every_account_is_followed_to_the_hash_of_its_row() -> None:
    """Names are ordered by their bytes; one that booked nothing has no chain."""
    names = ("a", "é", "z", "\U0001f600", "ab")
    found, told = verified(FakeLedger(*(story(name) for name in names), Chain("empty")))
    assert (found.accounts, found.entries, found.broken, told) == (5, 45, 0, [])
    found, told = verified(FakeLedger(*(story(name) for name in names)), "é")
    assert (found.accounts, found.entries, found.broken, told) == (1, 9, 0, [])


def test_every_broken_account_is_told_and_the_others_are_followed() -> None:
    """The first break of each."""
    ledger = FakeLedger(*(story(name) for name in ("a", "b", "c")))
    changed(3, detail="x")(ledger.rows["a"])
    del ledger.rows["c"][5]
    found, told = verified(ledger)
    assert (found.accounts, found.broken) == (3, 2)
    assert told == [
        "a, entry 4: it was changed: what it says does not give its hash",
        "c, entry 6: it is missing",
    ]


def removed_last(ledger: FakeLedger) -> None:
    """The end of an account's ledger is gone."""
    del ledger.rows["b"][7:]


def removed_all(ledger: FakeLedger) -> None:
    """Nothing of it is left."""
    del ledger.rows["b"]


def removed_row(ledger: FakeLedger) -> None:
    """The account's own row is gone."""
    del ledger.row_heads["b"]


@pytest.mark.parametrize(
    ("remove", "told"),
    [
        (removed_last, "b, entry 8: it is missing, entry 9 is the last by the account's row"),
        (removed_all, "b, entry 1: it is missing, entry 9 is the last by the account's row"),
        (removed_row, "b, entry 9: the account has no row in balances"),
    ],
)
def test_what_is_missing_at_the_end_is_seen_by_the_account_s_row(
    remove: Callable[[FakeLedger], None], told: str
) -> None:
    """No chain shows that it was cut."""
    ledger = FakeLedger(story("a"), story("b"))
    remove(ledger)
    assert verified(ledger)[1] == [told]


@pytest.mark.parametrize("remove", [removed_last, removed_all, removed_row])
def test_what_the_sink_writes_meanwhile_is_waited_for(
    remove: Callable[[FakeLedger], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries and the account's row come in any order."""
    monkeypatch.setattr(running, "_AGAIN_SECONDS", 0.0)
    ledger, whole = FakeLedger(story("b")), FakeLedger(story("b"))
    remove(ledger)

    def caught_up() -> None:
        ledger.rows, ledger.row_heads = whole.rows, whole.row_heads

    ledger.then = caught_up
    found, told = verified(ledger, wait_seconds=60)
    assert (found.broken, told) == (0, [])


def test_a_row_that_comes_late_and_is_of_an_earlier_entry_is_compared_at_that_entry() -> None:
    """However far the entries were followed without it."""
    ledger = FakeLedger(story("b"))
    removed_row(ledger)
    ledger.then = lambda: ledger.row_heads.update(b=Head(4, "00" * 32))
    assert verified(ledger, wait_seconds=60)[1] == [
        "b, entry 4: its hash is not the one that the account's row has as its last"
    ]


def test_a_sink_that_is_far_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded."""
    monkeypatch.setattr(running, "MOST_BEHIND", 2)
    ledger = FakeLedger(*(story(name) for name in "abc"))
    ledger.row_heads.clear()
    with pytest.raises(LedgerBehindError, match="more than 2 accounts are apart"):
        verified(ledger)


def written(folder: Path, name: str, *chains: Chain) -> Path:
    """A statement in a file of the format that its name ends in."""
    file = folder / name
    file.write_text("".join(f"{line}\n" for line in FORMATS[file.suffix[1:]](statement(*chains))), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["statement.csv", "statement.jsonl"])
def test_a_statement_reads_back_as_the_entries_that_it_shows(name: str, tmp_path: Path) -> None:
    """Every field, with quotes, line breaks and other characters in texts."""
    chain = Chain('ä"\\\r\n€,')
    chain.granted("free", 500, at_ms=SEPTEMBER_MS, command="c1", detail='by "me",\nfor you')
    chain.billed(7, at_ms=FOURTH_MS, event="e", offset=2**60)
    chain.expired("free", 1, at_ms=FOURTH_MS)
    assert list(read_statement(str(written(tmp_path, name, chain)))) == stated(chain)


@pytest.mark.parametrize("name", ["statement.csv", "statement.jsonl"])
def test_a_statement_is_verified_without_any_server(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how far the chain goes and its last hash, which --head compares."""
    monkeypatch.setenv("CREDITSTREAM_CLICKHOUSE_HOST", "nowhere.invalid")
    chain = story()
    file = str(written(tmp_path, name, chain))
    assert main(["verify-ledger", "--from-file", file, "--head", chain.head.hex().upper()]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"acme: 9 entries, the last hash is {chain.head.hex()}",
        "9 entries of 1 account: every chain holds",
    ]
    assert main(["verify-ledger", "--from-file", file, "--head", first_hash("acme").hex()]) == 1
    assert "acme, entry 9: its hash is not the one that --head says" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("-20", "-21", "acme, entry 2: it was changed"),
        ("over", "under", "acme, entry 8: it was changed"),
        ("free:acme", "free:bolt", "acme, entry 1: it was changed"),
    ],
)
def test_a_statement_that_was_changed_ends_with_1(
    old: str, new: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the account and the entry."""
    file = written(tmp_path, "statement.csv", story())
    file.write_text(file.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert main(["verify-ledger", "--from-file", str(file)]) == 1
    out = capsys.readouterr().out
    assert told in out
    assert "1 chain breaks" in out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("account,sequence\nacme,1\n", "entry 1 of the file: it has no 'kind'"),
        ('{"account":"acme"\n', "entry 1 of the file: "),
        ("\xff", "entry 1 of the file: "),
    ],
)
def test_a_file_that_is_no_statement_ends_with_1_and_the_place(
    text: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asked a scheduler for it hears of it."""
    file = tmp_path / "statement.csv"
    file.write_bytes(text.encode("latin-1"))
    assert main(["verify-ledger", "--from-file", str(file)]) == 1
    assert problem in capsys.readouterr().err
    assert main(["verify-ledger", "--from-file", str(tmp_path / "none.csv")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_statement_without_entries_has_no_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file verifies nothing."""
    file = str(written(tmp_path, "statement.csv", Chain()))
    assert main(["verify-ledger", "--from-file", file, "--head", "00"]) == 1
    assert "the statement has no entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--head", "00"], "--head is of a statement"),
        (["--account", "acme", "--from-file", "x"], "--account chooses among ClickHouse's"),
        (["--wait", "-1"], "--wait -1 is not between"),
    ],
)
def test_what_cannot_be_asked_ends_with_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read."""
    assert main(["verify-ledger", *arguments]) == 2
    assert problem in capsys.readouterr().err
