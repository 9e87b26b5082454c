"""
Orders of a venue in memory: what the fakes' client and stream place, cancel and read, and what tests do to them.

A market order fills at once at the standing price, a limit order rests until the test fills or ends it. Funds are not
checked and nothing is matched: a test that wants the venue to refuse says so (``Outcomes``).
"""

from __future__ import annotations

import decimal
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, exact, format_amount, parse_amount, round_down
from holdfast.core.assets import Symbol
from holdfast.core.balances import OpenOrder, OrderChange, OrderFill, Side
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.orders import OrderTicket, OrderType, TimeInForce
from holdfast.core.seams import Clock
from holdfast.core.venue import ClosedOrder, FeeRates, Fill
from holdfast.errors import (
    HoldfastError,
    InsufficientFundsError,
    OutcomeUnknownError,
    UnknownOrderError,
    VenueRejectedError,
    VenueUnreachableError,
)

__all__ = ["FakeOrders", "Outcomes", "error_of", "fake_instrument"]

_DIVIDING: Final = decimal.Context(prec=60)  # Whatever context the test's caller has.

WORDS: Final = ("ack", "reject", "funds", "lost", "lost_before", "never_sent", "pending", "unknown_order")


def fake_instrument(symbol: Symbol, *, price_step: str = "0.1") -> Instrument:
    """An instrument of the fakes: 0.0001 base and 0.5 quote at least, 0.40 % for takers, 0.25 % for makers."""
    base, _, quote = symbol.partition("-")
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        venue_symbol=f"{base}{quote}",
        stream_symbol=f"{base}/{quote}",
        status=InstrumentStatus.ONLINE,
        quantity_step=Decimal("0.00000001"),
        price_step=Decimal(price_step),
        quantity_min=Decimal("0.0001"),
        cost_min=Decimal("0.5"),
        cost_step=Decimal("0.00001"),
        taker_fee=Decimal("0.0040"),
        maker_fee=Decimal("0.0025"),
    )


class Outcomes:
    """
    What becomes of the next orders or cancels, first one first; without any it is ``ack``.

    - ``ack``: done and answered;
    - ``reject``, ``funds``: refused by the venue, for a rule or for lack of funds;
    - ``lost``: done, and the answer is lost: it is told as unknown when the deadline has passed;
    - ``lost_before``: not done, and the answer is lost just so;
    - ``never_sent``: nothing left;
    - ``pending`` (cancels): answered as under way; the order stays open;
    - ``unknown_order`` (cancels): the venue knows no such open order, whatever is true;
    - an error: raised as it is, after the latency; nothing is done.
    """

    def __init__(self) -> None:
        self._next: deque[str | HoldfastError] = deque()

    def add(self, *outcomes: str | HoldfastError) -> None:
        """Say what becomes of the next ones."""
        for outcome in outcomes:
            if isinstance(outcome, str) and outcome not in WORDS:
                raise ValueError(f"no such outcome: {outcome}; there are {', '.join(WORDS)}")
            self._next.append(outcome)

    def take(self) -> str | HoldfastError:
        """What becomes of this one."""
        return self._next.popleft() if self._next else "ack"


class FakeOrders:
    """
    The orders of one account.

    Attributes:
        instruments: What is traded; ``prices`` symbol to (bid, ask), as text; ``rates`` taker and maker, as text.
        placed: Every ticket that arrived and was taken, in order.
        open: Orders that rest, by the venue's id; ``closed`` those that ended; ``fills`` all executions.
        fills_market: Whether market orders fill at once; otherwise they rest until the test fills or ends them.
        moves_money: Whether orders hold and fills move what the account owns.
        listeners: Told of every change; ``money_listeners`` of every leg of a fill: asset, change, the fill's id.
    """

    def __init__(self, truth: dict[str, tuple[str, str]]) -> None:
        self.truth = truth
        self.clock: Clock | None = None  # The clock of whoever asks: set with the first client.
        symbols = ("BTC-EUR", "BTC-USD", "ETH-BTC", "ETH-USD", "SOL-USD", "USDT-USD")
        self.instruments: dict[Symbol, Instrument] = {
            each: fake_instrument(each, price_step="0.1" if each.startswith("BTC") else "0.00001") for each in symbols
        }
        self.prices: dict[Symbol, tuple[str, str]] = {
            "BTC-EUR": ("35999.9", "36000.0"),
            "BTC-USD": ("39999.9", "40000.0"),
            "ETH-BTC": ("0.06249", "0.06250"),
            "ETH-USD": ("2499.90", "2500.00"),
            "SOL-USD": ("99.90", "100.00"),
            "USDT-USD": ("0.99990", "1.00000"),
        }
        self.rates: dict[Symbol, tuple[str, str]] = {}
        self.placed: list[OrderTicket] = []
        self.open: dict[str, OpenOrder] = {}
        self.closed: list[ClosedOrder] = []
        self.fills: list[Fill] = []
        self.fills_market = True
        self.moves_money = True
        self.listeners: list[Callable[[OrderChange], None]] = []
        self.money_listeners: list[Callable[[str, Decimal, str], None]] = []
        self._serial = 0

    # What reads tell

    def ticker(self, symbol: Symbol, *, as_of_s: float) -> Ticker:
        """The standing prices of one instrument."""
        bid, ask = self.prices[symbol]
        return Ticker(
            symbol=symbol, bid=parse_amount(bid), ask=parse_amount(ask), last=parse_amount(ask), as_of_s=as_of_s
        )

    def fee_rates(self, symbol: Symbol) -> FeeRates:
        """The account's rates on one instrument."""
        taker, maker = self.rates.get(symbol, ("0.0040", "0.0025"))
        return FeeRates(symbol=symbol, taker=parse_amount(taker), maker=parse_amount(maker))

    def id_of(self, client_order_id: str) -> str | None:
        """The venue's id of an open order of ours."""
        found = (order.order_id for order in self.open.values() if order.client_order_id == client_order_id)
        return next(found, None)

    # What orders do

    def place(self, ticket: OrderTicket) -> str:
        """Take an order; returns the venue's id of it."""
        self.placed.append(ticket)
        self._serial += 1
        order_id = f"O{self._serial}"
        instrument = self.instruments[ticket.symbol]
        asset = instrument.base if ticket.side is Side.SELL else instrument.quote
        order = OpenOrder(
            order_id=order_id,
            client_order_id=ticket.client_order_id,
            symbol=ticket.symbol,
            side=ticket.side,
            order_type=ticket.order_type.value,
            quantity=ticket.quantity,
            filled=ZERO,
            limit_price=ticket.limit_price,
            hold_asset=asset,
            hold=_hold(ticket.side, ticket.quantity, ticket.quote_quantity, ticket.limit_price),
            cost=ZERO,
            fee=ZERO,
        )
        self._put(order)
        self._tell(order, reason="new")
        if ticket.order_type is OrderType.MARKET and self.fills_market:
            self.fill(order_id, quote_quantity=ticket.quote_quantity)
        elif ticket.time_in_force is not TimeInForce.GTC:
            self.end(order_id, reason="canceled", detail="nothing to fill it with")
        return order_id

    def add_external(self, order: OpenOrder) -> None:
        """An order that somebody else placed on this account."""
        self._put(order)
        self._tell(order, reason="new")

    def fill(
        self,
        order_id: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        fee: Decimal | None = None,
    ) -> None:
        """
        Execute what remains of an order, or part of it, at its limit or the standing price; the fee is in quote.

        An order of which nothing remains ends with a change of its own, as at Kraken.
        """
        order = self.open[order_id]
        assert order.symbol is not None
        instrument, rates = self.instruments[order.symbol], self.fee_rates(order.symbol)
        bid, ask = self.prices[order.symbol]
        if price is None:
            price = order.limit_price or parse_amount(ask if order.side is Side.BUY else bid)
        with exact():
            if quantity is None and order.quantity is not None:
                quantity = order.quantity - order.filled
        if quantity is None:
            assert quote_quantity is not None
            quantity = round_down(_DIVIDING.divide(quote_quantity, price), places=8)
        with exact():
            cost = quantity * price
            if fee is None:
                fee = cost * (rates.taker if order.limit_price is None else rates.maker)
            filled = order.filled + quantity
            order = msgspec.structs.replace(
                order, filled=filled, cost=(order.cost or ZERO) + cost, fee=(order.fee or ZERO) + fee
            )
            remaining = ZERO if order.quantity is None else order.quantity - filled
        order = msgspec.structs.replace(order, hold=_hold(order.side, remaining, None, order.limit_price))
        self._put(order)
        self._serial += 1
        fill_id = f"T{self._serial}"
        self.fills.append(
            Fill(
                fill_id=fill_id,
                order_id=order_id,
                symbol=order.symbol,
                side=order.side,
                quantity=quantity,
                price=price,
                cost=cost,
                fee=fee,
                at_s=self._venue_time_s(),
            )
        )
        bought = order.side is Side.BUY
        with exact():
            legs = (
                (instrument.base, quantity if bought else -quantity),
                (instrument.quote, -cost - fee if bought else cost - fee),
            )
        if self.moves_money:
            for asset, change in legs:
                self._own(asset, change)
        self._tell(
            order,
            reason="trade",
            fill=OrderFill(fill_id=fill_id, quantity=quantity, price=price, cost=cost, fees=((instrument.quote, fee),)),
        )
        if self.moves_money:
            for asset, change in legs:
                for told in self.money_listeners:
                    told(asset, change, fill_id)
        if not remaining:
            self.end(order_id, reason="filled")

    def end(self, order_id: str, *, reason: str = "canceled", detail: str | None = None) -> None:
        """End an order: ``filled``, ``canceled`` or ``expired``."""
        order = self.open[order_id]
        self._hold(order, release=True)
        del self.open[order_id]
        self.closed.append(
            ClosedOrder(
                order_id=order_id,
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                side=order.side,
                status="closed" if reason == "filled" else reason,
                quantity=order.quantity or order.filled,
                filled=order.filled,
                cost=order.cost or ZERO,
                fee=order.fee or ZERO,
                closed_at_s=self._venue_time_s(),
                reason=detail,
            )
        )
        self._tell(order, reason=reason, is_over=True, detail=detail)

    def _venue_time_s(self) -> float:
        return 0.0 if self.clock is None else self.clock.wall_us() / 1_000_000

    def _put(self, order: OpenOrder) -> None:
        before = self.open.get(order.order_id)
        if before is not None:
            self._hold(before, release=True)
        self.open[order.order_id] = order
        self._hold(order, release=False)

    def _hold(self, order: OpenOrder, *, release: bool) -> None:
        if not self.moves_money or order.hold_asset is None or not order.hold:
            return
        total, held = self.truth.get(order.hold_asset, ("0", "0"))
        with exact():
            after = parse_amount(held) + (-order.hold if release else order.hold)
        self.truth[order.hold_asset] = (total, format_amount(after))

    def _own(self, asset: str, change: Decimal) -> None:
        total, held = self.truth.get(asset, ("0", "0"))
        with exact():
            after = parse_amount(total) + change
        self.truth[asset] = (format_amount(after), held)

    def _tell(
        self,
        order: OpenOrder,
        *,
        reason: str,
        is_over: bool = False,
        fill: OrderFill | None = None,
        detail: str | None = None,
    ) -> None:
        change = OrderChange(
            order_id=order.order_id,
            order=None if is_over else order,
            as_of_s=0.0 if self.clock is None else self.clock.now_s(),
            ref=None if fill is None else fill.fill_id,
            reason=reason,
            client_order_id=order.client_order_id,
            filled=order.filled,
            cost=order.cost,
            fill=fill,
            detail=detail,
        )
        for listener in self.listeners:
            listener(change)


def _hold(side: Side, quantity: Decimal | None, cost: Decimal | None, price: Decimal | None) -> Decimal | None:
    """What is held for so much, without fees; None where it cannot be told (a market buy by quantity)."""
    if side is Side.SELL:
        return quantity
    if cost is not None:
        return cost
    if quantity is None or price is None:
        return ZERO if not quantity and quantity is not None else None
    with exact():
        return quantity * price


# What a refused or lost order is told as


def error_of(outcome: str | HoldfastError, *, request: str, account: str) -> HoldfastError | None:
    """The error that an outcome is told as; None where it is none."""
    if isinstance(outcome, HoldfastError):
        return outcome
    told = f"{request}: {outcome}"
    if outcome == "reject":
        return VenueRejectedError(told, venue="acme", request=request, account=account, code="EOrder:Invalid order")
    if outcome == "funds":
        return InsufficientFundsError(
            told, venue="acme", request=request, account=account, code="EOrder:Insufficient funds"
        )
    if outcome in ("lost", "lost_before"):
        return OutcomeUnknownError(told, venue="acme", request=request, account=account)
    if outcome == "never_sent":
        return VenueUnreachableError(told, venue="acme", request=request, account=account)
    if outcome == "unknown_order":
        return UnknownOrderError(told, venue="acme", request=request, account=account, code="EOrder:Unknown order")
    return None
