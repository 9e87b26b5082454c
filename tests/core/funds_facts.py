"""One account, one instrument and one moment, in few words, for tests of the funds rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.balances import Balance, BalanceState, Source
from holdfast.core.funds import FundsSettings, Gate, Terms, judge, parse_ask, terms_of
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.orders import OrderAsk
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import Verdict

NOW_S = 1000.0

BTC_USD = Instrument(
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
OPEN = Gate(venue_mode=VenueMode.ONLINE)
TICKER = Ticker(
    symbol="BTC-USD", bid=Decimal("39999.9"), ask=Decimal("40000.0"), last=Decimal("40000.0"), as_of_s=NOW_S - 1.0
)
NO_TICKER: Ticker | None = None


def instrument(**rules: Any) -> Instrument:
    """BTC-USD by other rules."""
    return msgspec.structs.replace(BTC_USD, **rules)


def terms(of: Instrument = BTC_USD, **more: Any) -> Terms:
    """At 0.26 %, the account's own rate, unless told otherwise."""
    return terms_of(of, **{"taker_fee": Decimal("0.0026"), **more})


def balance(
    asset: str, spendable: str | None, state: str = "live", *, reason: str | None = None, **more: Any
) -> Balance:
    """All of it available, unless told otherwise; unknown where *spendable* is None and no total is given."""
    amount = None if spendable is None else Decimal(spendable)
    facts: dict[str, Any] = {
        "asset": asset,
        "total": amount,
        "held": None if amount is None else Decimal(0),
        "available": amount,
        "reserved": Decimal(0),
        "spendable": amount,
        "state": BalanceState(state),
        "age_s": None if amount is None else 0.4,
        "source": Source.STREAM,
        "reason": reason,
    }
    return Balance(**{**facts, **more})


def ask_for(side: str, quantity: str | None = None, price: str | None = None, **more: Any) -> OrderAsk:
    """A limit order where a price is given, else a market order."""
    return parse_ask(
        "BTC-USD",
        side,
        quantity=quantity,
        price=price,
        order_type="market" if price is None else "limit",
        **more,
    )


def settings(**changed: Any) -> FundsSettings:
    return FundsSettings(**changed)


def judged(
    ask: OrderAsk,
    held: Balance | str,
    *,
    on: Terms | None = None,
    gate: Gate = OPEN,
    by: FundsSettings | None = None,
    ticker: Ticker | None = TICKER,
    now_s: float = NOW_S,
    **more: Any,
) -> Verdict:
    """The verdict; *held* as text is a live balance of what pays."""
    if isinstance(held, str):
        held = balance("USD" if ask.side == "buy" else "BTC", held)
    return judge(ask, held, on or terms(), gate, by or FundsSettings(), now_s, ticker=ticker, **more)
