"""
What moves by itself at a busy venue: prices that walk, and another bot that trades in the same portfolio.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Final

from holdfast.core.amounts import exact, round_down
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.tickets import outside_request
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.dice import Dice

__all__ = ["Background"]

_WALKING: Final = ("BTC-USD", "ETH-USD", "SOL-USD")
_LARGEST_STEP: Final = 8  # Ten-thousandths of the price.


class Background:
    """
    Walks prices and trades, where the profile or the settings ask for it.

    A walk is pulled back toward the price at which the market opened, so that a week of it stays plausible.
    """

    def __init__(self, exchange: CoinbaseExchange) -> None:
        self._exchange = exchange
        self._dice = Dice(exchange.seed, "background")
        self._step_s = exchange.settings.market_step_s or exchange.profile.market_step_s
        self._trade_s = exchange.settings.background_trade_s or exchange.profile.background_trade_s
        if self._step_s:
            exchange.timers.call_later(self._step_s, self._step)
        if self._trade_s:
            exchange.timers.call_later(self._next_trade_s(), self._trade)

    def _step(self) -> None:
        product = self._exchange.listing.products[_WALKING[self._dice.below(len(_WALKING))]]
        market = self._exchange.engine.markets[product.code]
        drift = self._dice.below(2 * _LARGEST_STEP + 1) - _LARGEST_STEP
        drift += -1 if market.mid > market.rules.start_price else 1
        with exact():
            price = market.mid + market.mid * drift / 10_000
        if self._exchange.mode == "online":
            self._exchange.move_price(product, price)
        self._exchange.timers.call_later(self._step_s, self._step)

    def _trade(self) -> None:
        exchange = self._exchange
        product = exchange.listing.products[_WALKING[self._dice.below(len(_WALKING))]]
        side = ("buy", "sell")[self._dice.below(2)]
        market = exchange.engine.markets[product.code]
        with exact():
            share = Decimal(1 + self._dice.below(40)) / 100
            value = market.rules.level_value * share / 100_000
            quantity = round_down(value, places=6) + Decimal("0.0001")
        request = outside_request(exchange, product, side=side, quantity=quantity, limit=None, source="RETAIL_ADVANCED")
        if exchange.mode == "online":
            # The other bot may have run out; it tries the other side some other time.
            with contextlib.suppress(ShortOfFundsError):
                exchange.engine.place(exchange.account("master"), request)
        exchange.timers.call_later(self._next_trade_s(), self._trade)

    def _next_trade_s(self) -> float:
        return self._dice.between(0.5, 1.5) * self._trade_s
