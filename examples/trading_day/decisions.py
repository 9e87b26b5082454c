"""
One trading day as decisions alone: what to ask the broker next, given what it has answered so far.

It awaits nothing and opens nothing, so a synchronous bot and an asynchronous one can play the same day.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

import holdfast

WANTED = "btc/usd"
MONEY = Decimal(200)


class Ask(NamedTuple):
    """One call of the broker's."""

    call: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012  # Nobody changes it.


class Pause(NamedTuple):
    """Let some time pass: how, is what the two kinds of bot do not share."""

    seconds: float


@dataclass
class Diary:
    """What the day came to."""

    symbol: str = ""
    worth: list[Decimal | None] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    orders: list[tuple[str, str, str, Decimal | None, Decimal, Decimal]] = field(default_factory=list)
    balances: dict[str, Decimal | None] = field(default_factory=dict)
    left: str = ""


Day = Generator[Ask | Pause, Any, Diary]


def trading_day(of: str) -> Day:
    """
    Bid low, buy at the market, be denied, take half of it back, and be out by the evening.

    *of* begins the ids of its orders: they are unique on a desk, and say again which order is meant after a restart.
    """
    diary = Diary()
    name = yield Ask("normalize_symbol_for_broker", (WANTED,))
    diary.symbol = symbol = name.symbol
    if not (yield Ask("is_available")):
        return diary
    worth = yield Ask("get_account_balance", (name.quote,))
    diary.worth.append(worth.total)

    # A bid far below the market, on the venue's own grid: it rests.
    products = yield Ask("get_all_products")
    rules = next(product for product in products if product.symbol == symbol)
    candles = yield Ask("get_candles", (symbol, "1h"), {"limit": 24})
    low = min(candle.low for candle in candles.closed)
    price = on_grid(low / 2, rules.price_step)
    quantity = on_grid(MONEY / price, rules.quantity_step)
    yield Ask("place_limit_order", (symbol, "buy", quantity, price), {"intent_id": f"{of} bid"})

    # Ask first, then buy for so much money.
    verdict = yield Ask("verify_balance_before_order", (symbol, "buy"), {"quote_quantity": MONEY})
    if not verdict.is_approved:
        diary.denied.append(verdict.code)
        return diary
    yield Ask("place_market_order", (symbol, "buy"), {"quote_quantity": MONEY, "intent_id": f"{of} buy"})
    bought = yield Ask("ended", (f"{of} buy",), {"timeout_s": 30})

    # What cannot be funded is denied, and nothing is sent.
    try:
        yield Ask("place_limit_order", (symbol, "buy", quantity * 10_000, price), {"intent_id": f"{of} dream"})
    except holdfast.FundsShortError as denied:
        diary.denied.append(denied.verdict.code)

    # Half of it back, the bid away, then out.
    half = on_grid(bought.filled / 2, rules.quantity_step)
    yield Ask("place_market_order", (symbol, "sell", half), {"intent_id": f"{of} half"})
    sold = yield Ask("ended", (f"{of} half",), {"timeout_s": 30})
    yield Ask("cancel_order", (f"{of} bid",))
    yield Ask("ended", (f"{of} bid",), {"timeout_s": 30})
    rest = on_grid(bought.filled - sold.filled, rules.quantity_step)
    closing = yield Ask("close_position", (symbol,), {"quantity": rest, "intent_id": f"{of} out"})
    if closing.order is not None:
        yield Ask("ended", (f"{of} out",), {"timeout_s": 30})
    diary.left = closing.explanation

    # The evening: once every figure shows what the orders did, write down what is there.
    for _ in range(400):
        if not (yield Ask("reservations")):
            break
        yield Pause(0.25)
    for asset in (name.base, name.quote):
        balance = yield Ask("balance", (asset,))
        diary.balances[asset] = balance.total
    for order in (yield Ask("orders", (), {"limit": 10})):
        facts = (order.intent_id, order.side, order.state, order.quantity, order.filled, order.cost)
        diary.orders.append(facts)
    diary.orders.sort()
    worth = yield Ask("get_account_balance", (name.quote,))
    diary.worth.append(worth.total)
    return diary


def on_grid(amount: Decimal, step: Decimal) -> Decimal:
    """*amount*, rounded down to a multiple of *step*."""
    return (amount / step).quantize(Decimal(1), rounding=ROUND_DOWN) * step
