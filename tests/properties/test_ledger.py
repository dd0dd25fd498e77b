"""Whatever happens to an account, in whatever order, the laws of the ledger hold after every posting."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from schemas.charge import ChargeRow
from schemas.ledger import Entry, first_hash, verify_chain
from schemas.plan import Plan, Policy
from stream.rules.ledger import commands
from stream.rules.ledger.book import Book
from stream.rules.ledger.books import Books
from stream.rules.ledger.clock import turn_months
from stream.rules.ledger.corrections import ChargeNow, charge_of
from stream.rules.ledger.drained import Drained, lot_key
from stream.rules.ledger.laws import broken_laws
from stream.rules.ledger.ledger import Ledger, Refused
from stream.rules.ledger.posting import Cause
from stream.rules.ledger.refill import request_id
from stream.rules.ledger.restoring import Restoring
from stream.rules.ledger.settle import forget_closed
from tests.properties.ledger_draws import CREDIT, DAY_MS, amounts, plans, policies, waits_ms
from tests.unit.ledger_charges import charged

ACME = "acme"
START_MS = 1_793_491_200_000
LARGEST_ROW_BYTES = 2_048


def policy_set(policy: Policy, overage: commands.Overage = "keep") -> commands.SetPolicy:
    """Every part of it anew."""
    return commands.SetPolicy(policy.thresholds, policy.refill or "off", policy.mode, overage)


class SlowLedger(Ledger):
    """Every charge is posted, as if none were simple."""

    def charge(self, charges: Sequence[ChargeRow], books: Iterable[Book | None]) -> Refused:
        for charge in charges:
            book = self.book(charge[0])
            if book is not None:
                book.burn_from(book.first, 0)
        return super().charge(charges, books)

    def _open_by_usage(self, _: ChargeRow) -> Book | None:
        """Leaves it to the posting."""
        return None


class Account(RuleBasedStateMachine):
    """One account in three ledgers: as it runs, posting every charge, and put to rest after every checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = START_MS
        self.ledgers = [Ledger(), SlowLedger(), Ledger(Books(most_awake=0))]
        self._all(lambda ledger: ledger.catch_up(START_MS, caught_up=True))
        self.entries: list[list[Entry]] = [[], [], []]
        self.notices: list[list[Any]] = [[], [], []]
        self.charges: dict[str, list[ChargeNow]] = {}
        self.events = 0
        self.commands = 0
        self.checked = 0
        self.row = b""
        self.changelog: dict[bytes, bytes] = {}
        self.heads = first_hash(ACME)

    @initialize(by_usage=st.booleans(), plan=st.none() | plans, policy=st.none() | policies)
    def open(self, by_usage: bool, plan: Plan | None, policy: Policy | None) -> None:
        if by_usage:
            self.charge(10 * CREDIT, 0)
        if plan is not None:
            self.command(commands.ActivatePlan(plan, "keep"))
        if policy is not None:
            self.command(policy_set(policy))

    @rule(wait_ms=waits_ms)
    def wait(self, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self._all(lambda ledger: ledger.advance(self.now_ms))

    @rule(cost=st.one_of(st.just(0), amounts), age_ms=st.one_of(st.just(0), st.integers(0, 3 * DAY_MS)))
    def charge(self, cost: int, age_ms: int) -> None:
        self.events += 1
        name = f"e{self.events}"
        occurred_us = (self.now_ms - age_ms) * 1_000

        def book(ledger: Ledger) -> ChargeNow | None:
            before = len(ledger.entries)
            assert charged(ledger, ACME, cost, 1, "/r", name, 1, "v1", occurred_us, self.now_ms) is None
            mine = [entry for entry in ledger.entries[before:] if entry.id == name]
            return charge_of(mine)

        made = [book(ledger) for ledger in self.ledgers]
        found = [each for each in made if each is not None]
        if cost:
            assert [each.cost for each in found] == [cost] * len(self.ledgers)
            self.charges[name] = found
        else:
            assert not found

    @rule(
        kind=st.sampled_from(["top_up", "promotional", "adjustment"]),
        amount=amounts,
        priority=st.none() | st.integers(0, 100),
        begins=st.none() | waits_ms,
        ends=st.none() | waits_ms,
        is_paid=st.booleans(),
    )
    def grant(
        self,
        kind: commands.GrantKind,
        amount: int,
        priority: int | None,
        begins: int | None,
        ends: int | None,
        is_paid: bool,
    ) -> None:
        self.command(
            commands.Grant(
                f"g{self.commands}",
                amount,
                kind,
                priority,
                None if begins is None else self.now_ms + begins,
                None if ends is None else self.now_ms + ends,
                payment="p" if is_paid else "",
            )
        )

    @rule(which=st.integers(0, 40), spent=st.sampled_from(["owe", "keep", None]), amount=st.none() | amounts)
    def void_grant(self, which: int, spent: commands.Spent | None, amount: int | None) -> None:
        book = self.ledgers[0].book(ACME)
        names = sorted(lot.id for lot in book.lots()) if book else []
        name = names[which % len(names)] if names else "nobody"
        self.command(commands.VoidGrant(name, spent, amount))

    @rule(amount=st.one_of(amounts, amounts.map(lambda n: -n)))
    def adjust(self, amount: int) -> None:
        self.command(commands.Adjust(f"a{self.commands}", amount, "by ann"))

    @rule(plan=plans, overage=st.sampled_from(["keep", "waive"]))
    def activate(self, plan: Plan, overage: commands.Overage) -> None:
        self.command(commands.ActivatePlan(plan, overage))

    @rule(plan=plans, when=st.sampled_from(["now", "period_end"]))
    def change(self, plan: Plan, when: commands.When) -> None:
        self.command(commands.ChangePlan(plan, when))

    @rule(when=st.sampled_from(["now", "period_end"]))
    def cancel(self, when: commands.When) -> None:
        self.command(commands.CancelPlan(when))

    @rule(is_next=st.booleans())
    def renew(self, is_next: bool) -> None:
        book = self.ledgers[0].book(ACME)
        if book is not None:
            self.command(commands.RenewPlan(book.row.period_end_ms if is_next else book.row.period_start_ms))

    @rule(policy=policies, overage=st.sampled_from(["keep", "waive"]))
    def set_policy(self, policy: Policy, overage: commands.Overage) -> None:
        self.command(policy_set(policy, overage))

    @rule(back=st.integers(0, 2), is_paid=st.booleans(), retry=st.booleans())
    def answer_refill(self, back: int, is_paid: bool, retry: bool) -> None:
        book = self.ledgers[0].book(ACME)
        number = (book.row.refill.number if book and book.row.refill else 0) - back
        name = request_id(ACME, number)
        self.command(commands.RefillPaid(name) if is_paid else commands.RefillDeclined(name, retry))

    @rule(which=st.integers(0, 10**6), amount=st.none() | amounts)
    def refund(self, which: int, amount: int | None) -> None:
        charges = self._some_charge(which)
        if charges:
            cause = self._cause()
            self._agree(lambda ledger, charge: ledger.void_event(ACME, charge, cause, self.now_ms, amount), charges)

    @rule(which=st.integers(0, 10**6), cost=amounts, card=st.sampled_from(["v2", "v3"]))
    def reprice(self, which: int, cost: int, card: str) -> None:
        charges = self._some_charge(which)
        if charges:
            cause = self._cause(card)
            self._agree(lambda ledger, charge: ledger.reprice(charge, cost, cause, self.now_ms), charges)

    @rule(caught_up=st.booleans())
    def fall_behind_or_catch_up(self, caught_up: bool) -> None:
        self._all(lambda ledger: ledger.catch_up(self.now_ms, caught_up=caught_up))

    @rule()
    def checkpoint(self) -> None:
        """Rows are written; the third ledger goes on from what was."""
        for at, ledger in enumerate(self.ledgers):
            drained = ledger.drain()
            ledger.version += 1
            self.entries[at] += drained.entries
            self.notices[at] += drained.notices
            self._write(drained, at)
        self.ledgers[2].books.rest()
        self.ledgers[2].books.rest()
        new = self.entries[0][self.checked :]
        assert [entry.previous for entry in new[:1]] in ([], [self.heads])
        verify_chain(ACME, self.entries[0])
        self.checked = len(self.entries[0])
        now = self.ledgers[0].book(ACME)
        self.heads = now.row.head if now is not None and now.row.head else self.heads

    @rule()
    def take_over(self) -> None:
        """The first ledger is lost, and restored from its rows as they were written, checkpoint by checkpoint."""
        self.checkpoint()
        old = self.ledgers[0]
        self.ledgers[0] = ledger = Ledger()
        ledger.version = old.version
        ledger.catch_up(self.now_ms, caught_up=old.caught_up)
        restoring = Restoring()
        for key, value in self.changelog.items():
            restoring.lot(key, value)
        if self.row:
            restoring.account(ACME.encode(), self.row)
        restoring.finish(ledger.restore)

    def _write(self, drained: Drained, at: int) -> None:
        """Keep the rows of the first ledger, as changelogs would."""
        assert not drained.drift
        accounts, lots = drained.accounts, drained.lots
        book = self.ledgers[at].book(ACME)
        written = {key for key, _ in lots} | ({lot_key(ACME, book.first_id)} if book else set())
        assert {lot_key(ACME, entry.lot) for entry in drained.entries if entry.lot} <= written
        assert all(len(row or b"") < LARGEST_ROW_BYTES for _, row in accounts)
        if at:
            return
        self.row = accounts[-1][1] or b"" if accounts else self.row
        for key, lot in lots:
            if lot is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = lot

    @invariant()
    def the_laws_hold(self) -> None:
        for ledger in self.ledgers:
            book = ledger.book(ACME)
            if book is not None:
                assert broken_laws(book) == []
                assert book.row.charged - book.row.refunded == sum(
                    found[self.ledgers.index(ledger)].cost for found in self.charges.values()
                )

    @invariant()
    def the_three_agree(self) -> None:
        """However charges are booked and accounts are kept: the same rows, lots, entries and notices."""
        states = [_state(ledger, self.now_ms) for ledger in self.ledgers]
        assert states[0] == states[1] == states[2]

    def teardown(self) -> None:
        self.checkpoint()
        assert self.entries[0] == self.entries[1] == self.entries[2]
        assert self.notices[0] == self.notices[1] == self.notices[2]
        alerts = [each.id for each in self.notices[0] if hasattr(each, "kind") and each.kind != "refill_unknown"]
        assert len(alerts) == len(set(alerts))

    def command(self, command: commands.LedgerCommand) -> None:
        cause = self._cause()
        answers = [ledger.command(ACME, command, cause, self.now_ms) for ledger in self.ledgers]
        assert answers[0] == answers[1] == answers[2]

    def _cause(self, card: str = "") -> Cause:
        self.commands += 1
        return Cause("command", "/billing", f"c{self.commands}", self.commands, self.now_ms * 1_000, card)

    def _some_charge(self, which: int) -> list[ChargeNow] | None:
        names = list(self.charges)
        return self.charges[names[which % len(names)]] if names else None

    def _agree(self, act: Callable[[Ledger, ChargeNow], object], charges: list[ChargeNow]) -> None:
        answers = [act(ledger, charge) for ledger, charge in zip(self.ledgers, charges, strict=True)]
        assert answers[0] == answers[1] == answers[2]
        assert charges[0] == charges[1] == charges[2]

    def _all(self, act: Callable[[Ledger], object]) -> None:
        for ledger in self.ledgers:
            act(ledger)


def _state(ledger: Ledger, now_ms: int) -> object:
    """A copy: what is compared is not touched."""
    book = ledger.book(ACME)
    if book is None:
        return None
    # But when rows were last written: a ledger that was restored looks at refills once more, and takes its first lot
    # for as new as the account's row that has it.
    row = structs.replace(book.row, version=0, updated_at_ms=0)
    seen = Book(row, [structs.replace(lot, version=0) for lot in book.lots()])
    # A rejected command may have looked at what is over and too old already, which no row says until the next one.
    turn_months(seen, now_ms)
    forget_closed(seen, now_ms)
    lots = sorted(map(msgspec.to_builtins, seen.lots()), key=lambda lot: str(lot[1]))
    return msgspec.to_builtins(seen.row), lots


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
