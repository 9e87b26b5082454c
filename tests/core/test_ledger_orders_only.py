"""A venue that pushes orders and no balances: nothing that an order gives back is free before a read says so."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from holdfast.core.balances import BalanceState, OrderChange, OrderFill
from holdfast.core.changes import LedgerSettings, Outcome, WantKind
from holdfast.core.ledger import Ledger
from tests.core.statements import order, orders, rest

SETTINGS = LedgerSettings(rest_lag_s=5.0)


class Books:
    """1000 USD with 400 held by one order, told by REST and by a stream of orders."""

    def __init__(self) -> None:
        self.ledger = Ledger(settings=SETTINGS, reads=("accounts", "account"), pushes_balances=False)
        self.ledger.prove(100.0)
        self.ledger.state_orders(orders(100.0, order("O1", "400")), now_s=100.0)
        self.read(101.0, USD="1000 400 600", BTC="0")
        self.ledger.prove(101.5)

    def read(self, at_s: float, *, read: str = "accounts", **totals: str) -> Outcome:
        snapshot = msgspec.structs.replace(rest(at_s, **totals), read=read)
        return self.ledger.state_snapshot(snapshot, now_s=at_s + 0.1)

    def tell(self, at_s: float, change: OrderChange) -> Outcome:
        self.ledger.prove(at_s)
        return self.ledger.change_orders([change], now_s=at_s)

    def spendable(self, at_s: float, asset: str = "USD") -> Decimal | None:
        return self.ledger.balance(asset, now_s=at_s).spendable

    def wanted(self) -> list[float]:
        return sorted(want.not_before_s for want in self.ledger.wants if want.kind is WantKind.READ_BALANCES)


def filled(at_s: float) -> OrderChange:
    fill = OrderFill(
        fill_id="O1@1", quantity=Decimal("0.01"), price=Decimal(40000), cost=Decimal(400), fees=(("USD", Decimal(2)),)
    )
    return OrderChange(order_id="O1", order=None, as_of_s=at_s, reason="filled", filled=Decimal("0.01"), fill=fill)


def test_figures_are_fresh_at_best_and_the_poll_keeps_them_so() -> None:
    books = Books()
    books.ledger.prove(102.0)
    assert books.ledger.balance("USD", now_s=102.0).state is BalanceState.FRESH
    for second in range(103, 133):
        books.ledger.prove(float(second))
    assert books.ledger.balance("USD", now_s=132.0).state is BalanceState.STALE


def test_a_fills_hold_is_not_free_while_the_old_total_stands() -> None:
    books = Books()
    books.tell(102.0, filled(102.0))
    assert books.spendable(102.1) == 600
    assert books.wanted()[:2] == [102.25, 104.1]


def test_a_read_that_lags_behind_a_fill_frees_nothing_either() -> None:
    books = Books()
    books.tell(102.0, filled(102.0))
    books.read(102.3, USD="1000 400 600", BTC="0")
    assert books.spendable(102.5) == 600
    books.read(104.1, USD="598 0 598", BTC="0.01")
    assert books.spendable(104.3) == 598
    assert books.spendable(104.3, "BTC") == Decimal("0.01")


def test_a_cancelled_orders_hold_is_free_with_the_read_that_follows() -> None:
    books = Books()
    books.tell(102.0, OrderChange(order_id="O1", order=None, as_of_s=102.0, reason="canceled"))
    assert books.spendable(102.1) == 600
    books.read(102.3, USD="1000 0 1000", BTC="0")
    assert books.spendable(102.5) == 1000


def test_a_new_orders_hold_is_taken_off_before_any_read() -> None:
    books = Books()
    books.tell(102.0, OrderChange(order_id="O2", order=order("O2", "100"), as_of_s=102.0, reason="new"))
    spendable = books.spendable(102.1)
    assert spendable is not None
    assert spendable <= 500


def test_a_fill_explains_that_everything_moved() -> None:
    books = Books()
    books.tell(102.0, filled(102.0))
    outcome = books.read(104.1, USD="598 0 598", BTC="0.01")
    assert outcome.suspect is None


def test_what_the_venue_states_beside_its_figures_is_shown_and_never_counted() -> None:
    books = Books()
    stated = rest(103.0, USD="1000 400 600", BTC="1")
    holding = msgspec.structs.replace(stated.holdings["BTC"], detail=(("equity", Decimal(2)),))
    books.ledger.state_snapshot(
        msgspec.structs.replace(stated, read="accounts", holdings={**stated.holdings, "BTC": holding}), now_s=103.1
    )
    balance = books.ledger.balance("BTC", now_s=103.2)
    assert balance.detail == (("equity", Decimal(2)),)
    assert balance.spendable == 1
    books.read(104.0, USD="1000 400 600", BTC="1")
    assert books.ledger.balance("BTC", now_s=104.2).detail == ()


def test_everything_halved_is_suspect_though_a_fill_accounts_for_some_of_it() -> None:
    books = Books()
    books.read(101.5, USD="1000 400 600", BTC="1", ETH="10", EUR="50")
    books.tell(102.0, filled(102.0))
    outcome = books.read(104.1, USD="299 0 299", BTC="0.505", ETH="5", EUR="25")
    assert outcome.suspect == "suspect_jump"
    assert books.ledger.balance("ETH", now_s=104.3).total == 10
    outcome = books.read(105.2, read="account", USD="598 0 598", BTC="1.01", ETH="10", EUR="50")
    assert outcome.dismissed == "suspect_jump"
    assert books.ledger.balance("ETH", now_s=105.4).total == 10


def test_two_reads_that_contradict_each_other_for_ever_are_not_believed_in_turn() -> None:
    """Where fills are told, everything that moves between two reads is no account that trades: one of them is wrong."""
    books = Books()
    books.read(101.5, USD="1000 400 600", BTC="1", ETH="10")
    for count in range(12):
        at_s = 104.0 + 3 * count
        books.ledger.prove(at_s)
        books.read(at_s, USD="500 200 300", BTC="0.5", ETH="5")
        books.ledger.prove(at_s + 1.5)
        books.read(at_s + 1.5, read="account", USD="1001 400 601", BTC="1.1", ETH="10.1")
        assert books.ledger.balance("ETH", now_s=at_s + 2.0).total in (10, Decimal("10.1"))
