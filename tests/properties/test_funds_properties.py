"""
The funds rule, budgets and the book of claims against a second opinion: fractions, and nothing of ours.

Whatever is approved costs, with every rounding against us, no more than what may be spent; what is denied for funds
costs more; and the largest order that is named as affordable is approved, and the next one on the grid is not.
"""

from __future__ import annotations

import decimal
import functools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.core.asking import parse_ask
from holdfast.core.budgets import Budget, Budgets
from holdfast.core.funds import FundsSettings, judge, terms_of
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.reservations import Reservation, Reservations, ReservationState
from holdfast.core.terms import Terms
from holdfast.core.verdicts import Verdict, VerdictCode
from holdfast.errors import (
    FundsShortError,
    IntentRepeatedError,
    OrderRuleError,
    ReservationStateError,
    UnknownReservationError,
)
from tests.core.funds_facts import NOW_S, OPEN, balance

# Facts


def of_places(least: int, most: int, *, digits: int = 9) -> st.SearchStrategy[Decimal]:
    """Amounts above zero with up to so many places."""
    return st.builds(
        lambda number, places: Decimal((0, tuple(map(int, str(number))), -places)),
        st.integers(1, 10**digits),
        st.integers(least, most),
    )


steps = st.sampled_from([Decimal(each) for each in ("1", "0.1", "0.01", "0.00001", "1e-8", "0.25", "5")])
rates = st.one_of(st.just(Decimal(0)), st.integers(1, 60).map(lambda each: Decimal(each).scaleb(-4)))
buffers = st.one_of(st.just(Decimal(0)), st.integers(1, 100).map(lambda each: Decimal(each).scaleb(-3)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Terms, FundsSettings, Ticker]:
    rules = Instrument(
        symbol="AAA-BBB",
        base="AAA",
        quote="BBB",
        venue_symbol="AAABBB",
        stream_symbol="AAA/BBB",
        status=InstrumentStatus.ONLINE,
        quantity_step=draw(steps),
        price_step=draw(steps),
        quantity_min=draw(st.none() | of_places(0, 6, digits=3)),
        cost_min=draw(st.none() | of_places(0, 6, digits=3)),
        cost_step=draw(st.none() | st.sampled_from([Decimal("0.01"), Decimal("0.00001"), Decimal("1e-10")])),
        taker_fee=Decimal("0.004"),
        maker_fee=Decimal("0.002"),
    )
    terms = terms_of(
        rules,
        taker_fee=draw(rates),
        quote_decimals=draw(st.none() | st.sampled_from([2, 4, 10])),
        is_fee_in_base=draw(st.booleans()),
    )
    by = FundsSettings(
        buffer_limit=draw(buffers),
        buffer_market=draw(buffers),
        market_estimate=draw(buffers),
        largest_order=draw(st.just({}) | st.builds(lambda most: {"BBB": most}, of_places(0, 2))),
    )
    bid = draw(of_places(0, 8, digits=7))
    ticker = Ticker(symbol="AAA-BBB", bid=bid, ask=bid * Decimal("1.001"), last=bid, as_of_s=NOW_S)
    return terms, by, ticker


@st.composite
def asks(draw: st.DrawFn, rules: Instrument) -> dict[str, Any]:
    """An order on the grid of its instrument."""
    side = draw(st.sampled_from(["buy", "sell"]))
    price = draw(st.none() | st.integers(1, 10**6).map(lambda count: rules.price_step * count))
    by_amount = draw(st.booleans()) and (side == "buy" or price is not None)
    asked: dict[str, Any] = {"side": side}
    if price is not None:
        asked |= {"order_type": "limit", "price": price}
    if by_amount:
        asked["quote_quantity"] = (rules.cost_step or Decimal("1e-10")) * draw(st.integers(1, 10**12))
    else:
        asked["quantity"] = rules.quantity_step * draw(st.integers(1, 10**7))
    return asked


def judged(asked: dict[str, Any], terms: Terms, by: FundsSettings, ticker: Ticker, spendable: Decimal) -> Verdict:
    ask = parse_ask("AAA-BBB", **asked)
    held = balance("BBB" if ask.side == "buy" else "AAA", str(spendable))
    return judge(ask, held, terms, OPEN, by, NOW_S, ticker=ticker)


# The second opinion


def up(amount: Fraction, step: Fraction) -> Fraction:
    return math.ceil(amount / step) * step


def cost(asked: dict[str, Any], terms: Terms, by: FundsSettings, ticker: Ticker) -> Fraction:
    """What an order needs, in fractions."""
    rules = terms.instrument
    price = Fraction(asked["price"]) if "price" in asked else None
    quantity = Fraction(asked["quantity"]) if "quantity" in asked else None
    grid = Fraction(rules.quantity_step)
    if quantity is None and price is not None:
        quantity = math.floor(Fraction(asked["quote_quantity"]) / price / grid) * grid
    fee_rate = Fraction(terms.fee_rate or 0)
    if asked["side"] == "sell":
        assert quantity is not None
        places = Fraction(Decimal((0, (1,), int(rules.quantity_step.as_tuple().exponent))))
        fee = up(quantity * fee_rate, places) if terms.fee_asset == rules.base else Fraction(0)
        return quantity + fee
    if quantity is None:
        worth = Fraction(asked["quote_quantity"])
    else:
        at = price if price is not None else Fraction(ticker.ask) * (1 + Fraction(by.market_estimate))
        worth = quantity * at
    step = Fraction(terms.cost_step)
    notional = up(worth, step)
    buffer_rate = Fraction(by.buffer_limit if price is not None else by.buffer_market)
    buffer = max(up(notional * buffer_rate, step), Fraction(terms.buffer_min)) if buffer_rate else Fraction(0)
    return notional + up(notional * fee_rate, step) + buffer


@settings(max_examples=120)
@given(st.data())
def test_what_is_approved_is_covered_and_what_is_short_is_not(data: st.DataObject) -> None:
    terms, by, ticker = data.draw(worlds())
    asked = data.draw(asks(terms.instrument))
    needed = cost(asked, terms, by, ticker)
    exact = data.draw(st.sampled_from([Decimal(0), Decimal("1e-12"), Decimal("-1e-12")]))
    near = Decimal(needed.numerator) / Decimal(needed.denominator) + exact
    spendable = data.draw(st.just(max(Decimal(0), near)) | of_places(0, 8, digits=12))
    verdict = judged(asked, terms, by, ticker, spendable)
    assert verdict.required is not None
    assert Fraction(verdict.required) == needed
    assert verdict.notional is not None
    assert verdict.fee is not None
    assert verdict.buffer is not None
    assert Fraction(verdict.notional) + Fraction(verdict.fee) + Fraction(verdict.buffer) == needed
    assert min(verdict.notional, verdict.fee, verdict.buffer) >= 0
    if verdict.code is VerdictCode.APPROVED:
        assert needed <= Fraction(spendable)
        assert verdict.shortfall == 0
    elif verdict.code is VerdictCode.FUNDS_SHORT:
        assert needed > Fraction(spendable)
        assert verdict.shortfall is not None
        assert Fraction(verdict.shortfall) == needed - Fraction(spendable)


@settings(max_examples=120)
@given(st.data())
def test_the_largest_order_that_fits_is_approved_and_the_next_one_is_not(data: st.DataObject) -> None:
    terms, by, ticker = data.draw(worlds())
    asked = data.draw(asks(terms.instrument))
    spendable = data.draw(of_places(0, 8, digits=12))
    verdict = judged(asked, terms, by, ticker, spendable)
    assume(verdict.code in (VerdictCode.APPROVED, VerdictCode.FUNDS_SHORT, VerdictCode.ORDER_TOO_LARGE))
    largest = verdict.largest_affordable
    assert largest is not None
    rules = terms.instrument
    by_amount = verdict.quote_quantity is not None
    grid = (rules.cost_step or Decimal("1e-10")) if by_amount else rules.quantity_step

    def asked_for(amount: Decimal) -> VerdictCode:
        kept = {name: each for name, each in asked.items() if name not in ("quantity", "quote_quantity")}
        size = {"quote_quantity": amount} if by_amount else {"quantity": amount}
        return judged({**kept, **size}, terms, by, ticker, spendable).code

    if verdict.code is VerdictCode.APPROVED:
        asked_size = verdict.quote_quantity if by_amount else verdict.quantity
        assert asked_size is not None
        assert largest >= asked_size
    if largest:
        assert asked_for(largest) is VerdictCode.APPROVED
        assert asked_for(largest + grid) in (VerdictCode.FUNDS_SHORT, VerdictCode.ORDER_TOO_LARGE)
    else:
        # Nothing on the grid that is large enough for the instrument fits.
        for count in (1, 2, 1000):
            assert asked_for(grid * count) is not VerdictCode.APPROVED


@settings(max_examples=40)
@given(st.data())
def test_hostile_decimal_contexts_change_no_verdict(data: st.DataObject) -> None:
    terms, by, ticker = data.draw(worlds())
    asked = data.draw(asks(terms.instrument))
    spendable = data.draw(of_places(0, 8, digits=12))
    expected = judged(asked, terms, by, ticker, spendable)
    context = decimal.Context(
        prec=data.draw(st.integers(1, 9)),
        rounding=data.draw(st.sampled_from([decimal.ROUND_UP, decimal.ROUND_DOWN, decimal.ROUND_05UP])),
        Emin=-2,
        Emax=2,
        traps=data.draw(st.sampled_from([[], [decimal.Inexact, decimal.Rounded, decimal.Subnormal]])),
    )
    with decimal.localcontext(context):
        found = judged(asked, terms, by, ticker, spendable)
        shown = found.document()
    assert found == expected
    assert shown == expected.document()


@settings(max_examples=40)
@given(st.data())
def test_a_dearer_fee_a_larger_buffer_or_a_higher_price_never_makes_an_order_cheaper(data: st.DataObject) -> None:
    terms, by, ticker = data.draw(worlds())
    asked = data.draw(asks(terms.instrument))
    spendable = Decimal(10) ** 12
    plain = judged(asked, terms, by, ticker, spendable).required
    dearer = msgspec.structs.replace(terms, fee_rate=(terms.fee_rate or Decimal(0)) + Decimal("0.001"))
    fuller = msgspec.structs.replace(
        by, buffer_limit=by.buffer_limit + Decimal("0.01"), buffer_market=by.buffer_market + Decimal("0.01")
    )
    assert plain is not None
    for found in (judged(asked, dearer, by, ticker, spendable), judged(asked, terms, fuller, ticker, spendable)):
        assert found.required is not None
        assert found.required >= plain


# Budgets

AMOUNTS = of_places(0, 4, digits=6)
SIGNED = st.one_of(AMOUNTS, AMOUNTS.map(lambda each: -each), st.just(Decimal(0)))


@given(
    limit=AMOUNTS | rates,
    is_share=st.booleans(),
    total=SIGNED,
    claimed=AMOUNTS | st.just(Decimal(0)),
    own=SIGNED,
    others=SIGNED,
)
def test_a_bot_is_never_left_more_than_its_budget_and_never_less_than_nothing(
    limit: Decimal, is_share: bool, total: Decimal, claimed: Decimal, own: Decimal, others: Decimal
) -> None:
    part = Budget(share=limit) if is_share else Budget(amount=limit)
    left = Budgets({"a": {"USD": part}, "b": {}}).left(
        "a", "USD", total=total, claimed=claimed, spent={"a": own, "b": others}
    )
    paid = {name: max(Fraction(0), Fraction(each)) for name, each in {"a": own, "b": others}.items()}
    account = max(Fraction(0), Fraction(total)) + sum(paid.values())
    whole = Fraction(limit) * account if is_share else Fraction(limit)
    assert left is not None
    assert Fraction(left) == max(Fraction(0), whole - Fraction(claimed) - paid["a"])


# The book of claims

NAMES = st.sampled_from([f"i{number}" for number in range(8)])
SPENDABLE = Decimal(100)


class Claims(RuleBasedStateMachine):
    """Any steps in any order, beside a plain dictionary of what should stand."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Decimal] = {}
        self.book = Reservations(self.told.__setitem__)
        self.live: dict[str, Reservation] = {}
        self.ends: dict[str, ReservationState] = {}

    def reserved(self, asset: str) -> Decimal:
        return sum((each.counted for each in self.live.values() if each.asset == asset), Decimal(0))

    @rule(name=NAMES, asset=st.sampled_from(["USD", "BTC"]), amount=AMOUNTS, budget=st.none() | AMOUNTS)
    def reserve(self, name: str, asset: str, amount: Decimal, budget: Decimal | None) -> None:
        spendable = SPENDABLE - self.reserved(asset)
        kind: type[Exception] | None = None
        if name in self.live or name in self.ends:
            kind = IntentRepeatedError
        elif amount > spendable:
            kind = FundsShortError
        elif budget is not None and amount > budget:
            kind = OrderRuleError
        claims = functools.partial(
            self.book.reserve, name, asset, amount, spendable=spendable, bot="bot", budget_left=budget
        )
        if kind is not None:
            with pytest.raises(kind):
                claims()
            return
        claim = claims()
        assert claim == Reservation(name, asset, amount, amount, ReservationState.ACTIVE, "bot")
        self.live[name] = claim

    @rule(name=NAMES, end=st.sampled_from(["release", "expire", "consume"]))
    def end(self, name: str, end: str) -> None:
        was = self.live.get(name)
        state = None if was is None else was.state
        legal = {
            "release": state is not None,
            "expire": state is ReservationState.ACTIVE,
            "consume": state in (ReservationState.ACTIVE, ReservationState.COVERED),
        }[end]
        if self.refuses(name, end, is_legal=legal):
            return
        del self.live[name]
        self.ends[name] = ReservationState({"release": "released", "expire": "expired", "consume": "consumed"}[end])

    @rule(name=NAMES, act=st.sampled_from(["doubt", "assure"]))
    def turn(self, name: str, act: str) -> None:
        was = self.live.get(name)
        needed = ReservationState.ACTIVE if act == "doubt" else ReservationState.IN_DOUBT
        if self.refuses(name, act, is_legal=was is not None and was.state is needed) or was is None:
            return
        state = ReservationState.IN_DOUBT if act == "doubt" else ReservationState.ACTIVE
        self.live[name] = msgspec.structs.replace(was, state=state, counted=was.amount)

    @rule(name=NAMES, act=st.sampled_from(["count", "cover"]), percent=st.integers(0, 100))
    def count(self, name: str, act: str, percent: int) -> None:
        was = self.live.get(name)
        counted = Decimal(1) if was is None else was.amount * percent / 100
        if act == "cover":
            legal = was is not None and was.state is ReservationState.ACTIVE
        else:
            legal = was is not None and (was.state is not ReservationState.IN_DOUBT or counted == was.amount)
        if self.refuses(name, act, counted, is_legal=legal) or was is None:
            return
        state = ReservationState.COVERED if act == "cover" else was.state
        self.live[name] = msgspec.structs.replace(was, counted=counted, state=state)

    @rule(name=NAMES, amount=AMOUNTS)
    def recount(self, name: str, amount: Decimal) -> None:
        was = self.live.get(name)
        if self.refuses(name, "recount", amount, is_legal=was is not None) or was is None:
            return
        self.live[name] = msgspec.structs.replace(was, amount=amount, counted=amount)

    @precondition(lambda self: self.live)
    @rule()
    def take_over(self) -> None:
        """Another process goes on with what this one left."""
        left = self.book.live()
        ended = [Reservation(name, "USD", Decimal(1), Decimal(0), end) for name, end in self.ends.items()]
        self.told = {}
        self.book = Reservations(self.told.__setitem__)
        self.book.restore([*ended, *left])

    def refuses(self, name: str, act: str, *arguments: Decimal, is_legal: bool) -> bool:
        step = getattr(self.book, act)
        if is_legal:
            step(name, *arguments)
            return False
        known = name in self.live or name in self.ends
        with pytest.raises(ReservationStateError if known else UnknownReservationError):
            step(name, *arguments)
        return True

    @invariant()
    def the_book_is_what_was_done(self) -> None:
        self.book.check()
        assert self.book.live() == list(self.live.values())
        for asset in ("USD", "BTC"):
            assert self.book.reserved(asset) == self.reserved(asset)
            assert self.told.get(asset, Decimal(0)) == self.reserved(asset)
        for name in self.ends:
            assert self.book.end_of(name) is self.ends[name]
            assert self.book.get(name) is None


Claims.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestClaims = Claims.TestCase
