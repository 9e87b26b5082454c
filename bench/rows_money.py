"""What it costs to say whether an order is funded, and to claim its money."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from bench.clients import ask as ask_peer
from bench.figures import Figure, Scale, beside, cost_figure, figure, median
from holdfast.core.balances import Balance, BalanceState, Source
from holdfast.core.funds import FundsSettings, Gate, judge, parse_ask, terms_of
from holdfast.core.instruments import Instrument, InstrumentStatus
from holdfast.core.ledger import Ledger, LedgerSettings
from holdfast.core.reservations import Reservations
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import VerdictCode

__all__ = ["claims", "funds"]

_AT_MOST_US = 2.0
_QUANTITIES = ("0.01", "0.00012345", "0.1", "0.02444748", "0.5", "1.00000001", "0.00005", "0.3")
_PRICE = "40000.1"
_SPENDABLE = Decimal("25000.25")
_AMOUNT = Decimal("409.04000")

_BTC_USD = Instrument(
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    venue_symbol="XXBTZUSD",
    stream_symbol="BTC/USD",
    status=InstrumentStatus.ONLINE,
    quantity_step=Decimal("0.00000001"),
    price_step=Decimal("0.1"),
    quantity_min=Decimal("0.00005"),
    cost_min=Decimal("0.5"),
    cost_step=Decimal("0.00001"),
    taker_fee=Decimal("0.004"),
    maker_fee=Decimal("0.0025"),
)


def funds(scale: Scale) -> list[Figure]:
    """
    From the facts of a limit buy to its verdict: rules of venue and instrument, our limits, fee, buffer, the figure.

    The floor multiplies and compares, and knows none of them. ccxt's user does by hand what a careful one would: price
    and quantity to the market's precision, its limits, its fee, and the free balance, all of it as floats.
    """
    price = Decimal(_PRICE)
    quantities = [Decimal(each) for each in _QUANTITIES]
    asks = [parse_ask("BTC-USD", "buy", quantity=each, order_type="limit", price=price) for each in quantities]
    terms = terms_of(_BTC_USD, taker_fee=Decimal("0.0026"), quote_decimals=4)
    by = FundsSettings(largest_order={"USD": Decimal(100_000)})
    gate = Gate(venue_mode=VenueMode.ONLINE)
    held = Balance(
        asset="USD",
        total=_SPENDABLE,
        held=Decimal(0),
        available=_SPENDABLE,
        reserved=Decimal(0),
        spendable=_SPENDABLE,
        state=BalanceState.LIVE,
        age_s=0.4,
        source=Source.STREAM,
        reason=None,
    )
    whole = Decimal(1) + Decimal("0.0026") + Decimal("0.02")
    approved = VerdictCode.APPROVED

    def floor() -> list[bool]:
        return [quantity * price * whole <= _SPENDABLE for quantity in quantities]

    def ours() -> list[bool]:
        return [judge(ask, held, terms, gate, by, 1.0).code is approved for ask in asks]

    if floor() != ours() or set(ours()) != {True, False}:
        raise RuntimeError("the answers differ, or are all the same: the two do not do the same work")
    took_us = beside({"floor": floor, "ours": ours}, calls=scale.of(2_000, 10), repeats=scale.repeats)
    order = {
        "what": "funds",
        "secret": "",
        "calls": scale.of(500, 5),
        "repeats": scale.repeats,
        "price": float(_PRICE),
        "quantities": [float(each) for each in quantities],
        "free": float(_SPENDABLE),
    }
    peers = {"ccxt": ask_peer("ccxt", "ccxt_calls", order, "funds")["funds"]}
    ours_us = took_us["ours"] / len(asks)
    return [
        figure(
            "funds",
            "limit buy to verdict",
            unit="µs",
            floor=took_us["floor"] / len(asks),
            ours=ours_us,
            goal=f"≤ {_AT_MOST_US:g} µs",
            is_met=ours_us <= _AT_MOST_US,
            peers=peers,
        )
    ]


class _Claim(msgspec.Struct, frozen=True, gc=False):
    intent_id: str
    asset: str
    amount: Decimal


_Reserve = Callable[[str, str, Decimal, Decimal], object]
_Release = Callable[[str], object]


def _claims_floor() -> tuple[_Reserve, _Release]:
    """A dictionary of claims, one of ids that ended, a sum: no exactness, no states, nobody told."""
    live: dict[str, _Claim] = {}
    ended: dict[str, str] = {}
    sums = {"USD": Decimal(100)}

    def reserve(name: str, asset: str, amount: Decimal, spendable: Decimal) -> None:
        if name in live or name in ended:
            raise ValueError(name)
        if amount > spendable:
            raise ValueError(name)
        live[name] = _Claim(name, asset, amount)
        sums[asset] += amount

    def release(name: str) -> None:
        claim = live.pop(name)
        ended[name] = "released"
        sums[claim.asset] -= claim.amount

    return reserve, release


def _claims_ours() -> tuple[_Reserve, _Release]:
    """The real book, which tells a real ledger of every sum."""
    ledger = Ledger(settings=LedgerSettings(), reads=("BalanceEx", "Balance"), pushes_balances=True)
    book = Reservations(ledger.set_reserved)
    book.reserve("another", "USD", Decimal(100), _SPENDABLE)
    return book.reserve, book.release


def claims(scale: Scale) -> list[Figure]:
    """One claim checked, counted and told to the ledger, and released again; every id is a new one."""
    pairs = scale.of(20_000, 100)
    took_us: dict[str, list[float]] = {"floor": [], "ours": []}
    for turn in range(scale.repeats + 1):
        names = [f"{turn}-{number}" for number in range(pairs)]
        for who, (reserve, release) in (("floor", _claims_floor()), ("ours", _claims_ours())):
            each_us = _took_us(reserve, release, names)
            if turn:  # The first warms both up.
                took_us[who].append(each_us)
    return [
        cost_figure(
            "claims",
            "reserve + release in memory",
            unit="µs",
            floor=median(took_us["floor"]),
            ours=median(took_us["ours"]),
            at_most=2.0,
        )
    ]


def _took_us(reserve: _Reserve, release: _Release, names: Sequence[str]) -> float:
    amount, spendable = _AMOUNT, _SPENDABLE
    gc.collect()
    gc.disable()
    try:
        began_ns = time.thread_time_ns()
        for name in names:
            reserve(name, "USD", amount, spendable)
            release(name)
        return (time.thread_time_ns() - began_ns) / len(names) / 1000
    finally:
        gc.enable()
