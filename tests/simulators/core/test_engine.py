"""The matching engine at a venue that is not Kraken."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.engine import Engine
from holdfast.simulators.core.host import EnginePolicy, Leg
from holdfast.simulators.core.ledger import Posting
from holdfast.simulators.core.markets import Market, MarketRules, PublicTrade
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest, OrderStatus, TimeInForce, Trigger
from tests.simulators.manual_time import ManualClock, ManualTimers

RULES = MarketRules(
    symbol="ACME-USD",
    base="ACME",
    quote="USD",
    price_step=Decimal("0.01"),
    price_decimals=2,
    quantity_decimals=6,
    base_decimals=6,
    quote_decimals=2,
    start_price=Decimal("100.00"),
    level_value=Decimal(100),
)
POLICY = EnginePolicy(
    does_hold_include_fee=True,
    do_untriggered_stops_hold=True,
    refill_s=1.0,
    post_only_reason="post",
    ioc_reason="ioc",
    fok_reason="fok",
    self_trade_reason="self",
    no_liquidity_reason="dry",
    short_reason="short",
    user_reason="user",
    expired_reason="expired",
)


class Acme:
    """A small venue with one market, one row per asset and a fee of half a percent."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timers = ManualTimers(self.clock)
        self.told: list[tuple[Change, str]] = []
        self._numbers = itertools.count(1)
        self.accounts = {name: self._account(name) for name in ("one", "two")}
        market = Market(RULES, seed=1, opened_us=self.now_us(), levels=30)
        self.engine = Engine(self, markets={"ACME-USD": market}, timers=self.timers, policy=POLICY)

    def _account(self, name: str) -> Account:
        account = Account(
            name=name,
            account_id=name,
            rows_of=lambda asset: [asset],
            next_entry_id=lambda: f"entry {next(self._numbers)}",
            keep_s=60.0,
        )
        for asset, amount in (("USD", "1000"), ("ACME", "10")):
            account.ledger.post(
                [Posting(row=asset, amount=Decimal(amount), kind="start")], ref="start", at_us=0, now_s=0.0
            )
        return account

    def now_us(self) -> int:
        return self.clock.wall_us()

    def now_s(self) -> float:
        return self.clock.now_s()

    def account(self, name: str) -> Account:
        return self.accounts[name]

    def all_accounts(self) -> Sequence[Account]:
        return list(self.accounts.values())

    def new_order_id(self) -> str:
        return f"order {next(self._numbers)}"

    def new_fill_id(self) -> str:
        return f"fill {next(self._numbers)}"

    def fee_rate(self, account: Account, *, is_maker: bool) -> Decimal:
        return Decimal(0) if is_maker else Decimal("0.005")

    def fee_elsewhere(self, account: Account, *, quote: str, fee: Decimal) -> tuple[str, Decimal] | None:
        return None

    def settle(self, account: Account, legs: Sequence[Leg], *, ref: str, kind: str) -> tuple[str, ...]:
        postings = [Posting(row=leg.asset, amount=leg.amount, fee=leg.fee, kind=kind) for leg in legs]
        entries = account.ledger.post(postings, ref=ref, at_us=self.now_us(), now_s=self.now_s())
        return tuple(entry.id for entry in entries)

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        self.told.append((change, order.status.value))

    def traded(self, market: Market, trade: PublicTrade) -> None:
        pass

    def book_changed(self, market: Market) -> None:
        pass

    def place(self, side: str, quantity: str | None = None, limit: str | None = None, **more: Any) -> Order:
        request = OrderRequest(
            symbol="ACME-USD",
            side=side,
            quantity=None if quantity is None else Decimal(quantity),
            limit_price=None if limit is None else Decimal(limit),
            **more,
        )
        return self.engine.place(self.accounts["one"], request)

    def order(self, order: Order) -> Order:
        found = self.accounts["one"].orders.get(order.id)
        assert found is not None
        return found


def test_resting_buy_claims_its_cost_and_fee_rounded_against_it() -> None:
    acme = Acme()
    order = acme.place("buy", "1.000001", "99.99")
    assert (order.status, order.claim, order.hold) == (OrderStatus.OPEN, Decimal("100.50"), Decimal("100.50"))
    assert acme.accounts["one"].free("USD") == Decimal("899.50")
    assert acme.accounts["one"].ledger.holds == {"USD": Decimal("100.50")}


def test_order_beyond_the_free_funds_changes_nothing() -> None:
    acme = Acme()
    with pytest.raises(ShortOfFundsError) as caught:
        acme.place("buy", "10", "100.00")
    assert (caught.value.asset, caught.value.needed, caught.value.free) == ("USD", Decimal("1005.00"), Decimal(1000))
    assert acme.told == []
    assert acme.accounts["one"].orders.open == {}


def test_every_cent_can_be_spent_and_not_one_more() -> None:
    acme = Acme()
    acme.engine.move_price("ACME-USD", Decimal(50))
    order = acme.place("buy", "19.9004", "50.00")
    assert order.claim == Decimal("1000.00")
    acme.engine.fill_resting(acme.accounts["one"], order)
    assert acme.accounts["one"].ledger.balances["USD"] >= 0


def test_life_of_a_market_order_is_told_in_order() -> None:
    acme = Acme()
    acme.place("sell", "1")
    assert acme.told == [
        (Change.ACCEPTED, "open"),
        (Change.OPENED, "open"),
        (Change.TRADED, "open"),
        (Change.FILLED, "closed"),
    ]


def test_market_order_that_empties_the_book_is_cancelled_with_what_it_got() -> None:
    acme = Acme()
    acme.accounts["one"].ledger.post(
        [Posting(row="ACME", amount=Decimal(10_000), kind="start")], ref="", at_us=0, now_s=0.0
    )
    order = acme.place("sell", "10000")
    assert (order.status, order.reason) == (OrderStatus.CANCELED, "dry")
    assert 0 < order.filled < 10_000
    assert acme.accounts["one"].claimed("ACME") == 0


def test_accounts_trade_with_each_other_and_the_taker_pays() -> None:
    acme = Acme()
    resting = acme.place("sell", "1", "100.00")
    acme.engine.place(
        acme.accounts["two"],
        OrderRequest(symbol="ACME-USD", side="buy", quantity=Decimal(1), limit_price=Decimal("100.00")),
    )
    assert acme.order(resting).status is OrderStatus.CLOSED
    assert acme.accounts["one"].ledger.balances == {"USD": Decimal("1100.00"), "ACME": Decimal(9)}
    assert acme.accounts["two"].ledger.balances == {"USD": Decimal("899.50"), "ACME": Decimal(11)}


def test_quote_quantity_spends_at_most_that() -> None:
    acme = Acme()
    order = acme.place("buy", quote_quantity=Decimal(50))
    assert order.status is OrderStatus.CLOSED
    assert Decimal("49.99") <= order.cost <= 50
    assert acme.accounts["one"].claimed("USD") == 0


def test_amend_moves_the_claim_and_keeps_the_order() -> None:
    acme = Acme()
    order = acme.place("buy", "1", "90.00")
    request = OrderRequest(symbol="ACME-USD", side="buy", quantity=Decimal(2), limit_price=Decimal("80.00"))
    changed = acme.engine.amend(acme.accounts["one"], order, request)
    assert (changed.id, changed.is_amended, changed.claim) == (order.id, True, Decimal("160.80"))
    assert acme.accounts["one"].claimed("USD") == Decimal("160.80")
    with pytest.raises(ShortOfFundsError):
        acme.engine.amend(
            acme.accounts["one"],
            changed,
            OrderRequest(symbol="ACME-USD", side="buy", quantity=Decimal(99), limit_price=Decimal("80.00")),
        )
    assert acme.accounts["one"].claimed("USD") == Decimal("160.80")


def test_stop_that_can_no_longer_be_funded_is_cancelled_when_it_is_set_off() -> None:
    acme = Acme()
    order = acme.place("buy", "9", trigger=Trigger(price=Decimal(110), is_above=True))
    acme.engine.move_price("ACME-USD", Decimal(130))
    assert (acme.order(order).status, acme.order(order).reason) == (OrderStatus.CANCELED, "short")
    assert acme.accounts["one"].claimed("USD") == 0


def test_expiry_and_start_happen_by_themselves() -> None:
    acme = Acme()
    now_us = acme.now_us()
    late = acme.place("buy", "1", "90.00", starts_us=now_us + 5_000_000)
    brief = acme.place("buy", "1", "90.00", time_in_force=TimeInForce.GTD, expires_us=now_us + 3_000_000)
    assert late.status is OrderStatus.PENDING
    acme.timers.run(4)
    assert acme.order(brief).status is OrderStatus.EXPIRED
    assert acme.order(late).status is OrderStatus.PENDING
    acme.timers.run(2)
    assert acme.order(late).status is OrderStatus.OPEN


def test_order_cancelled_before_its_time_never_starts() -> None:
    acme = Acme()
    late = acme.place("buy", "1", "90.00", starts_us=acme.now_us() + 5_000_000)
    acme.engine.cancel(acme.accounts["one"], late.id)
    acme.timers.run(10)
    assert acme.order(late).status is OrderStatus.CANCELED


def test_liquidity_that_comes_back_can_fill_what_rests() -> None:
    acme = Acme()
    best = next(acme.engine.markets["ACME-USD"].offers("sell"))
    acme.engine.place(
        acme.accounts["two"],
        OrderRequest(symbol="ACME-USD", side="buy", quantity=best.quantity, limit_price=best.price),
    )
    order = acme.place("buy", "1", str(best.price))
    assert order.status is OrderStatus.OPEN
    acme.timers.run(2)
    assert acme.order(order).status is OrderStatus.CLOSED


def test_cancel_of_what_is_not_open_is_nothing() -> None:
    acme = Acme()
    assert acme.engine.cancel(acme.accounts["one"], "nobody") is None
