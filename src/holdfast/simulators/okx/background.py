"""
What moves by itself at a busy venue: prices that walk, and another bot that trades on the same account.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Final

from holdfast.core.amounts import exact, round_down
from holdfast.simulators.core.claims import ShortOfFundsError
from holdfast.simulators.core.dice import Dice
from holdfast.simulators.core.orders import OrderRequest
from holdfast.simulators.okx.exchange import OkxExchange

__all__ = ["Background"]

_WALKING: Final = ("BTC-USDT", "ETH-USDT", "SOL-USDT")
_LARGEST_STEP: Final = 8  # Ten-thousandths of the price.


class Background:
    """
    Walks prices and trades, where the profile or the settings ask for it.

    A walk is pulled back toward the price at which the market opened, so that a week of it stays plausible.
    """

    def __init__(self, exchange: OkxExchange) -> None:
        self._exchange = exchange
        self._dice = Dice(exchange.seed, "background")
        self._step_s = exchange.settings.market_step_s or exchange.profile.market_step_s
        self._trade_s = exchange.settings.background_trade_s or exchange.profile.background_trade_s
        if self._step_s:
            exchange.timers.call_later(self._step_s, self._step)
        if self._trade_s:
            exchange.timers.call_later(self._next_trade_s(), self._trade)

    def _step(self) -> None:
        instrument = self._exchange.listing.instruments[_WALKING[self._dice.below(len(_WALKING))]]
        market = self._exchange.engine.markets[instrument.line]
        drift = self._dice.below(2 * _LARGEST_STEP + 1) - _LARGEST_STEP
        drift += -1 if market.mid > market.rules.start_price else 1
        with exact():
            price = market.mid + market.mid * drift / 10_000
        if self._exchange.state_of(instrument) == "live":
            self._exchange.move_price(instrument, price)
        self._exchange.timers.call_later(self._step_s, self._step)

    def _trade(self) -> None:
        instrument = self._exchange.listing.instruments[_WALKING[self._dice.below(len(_WALKING))]]
        side = ("buy", "sell")[self._dice.below(2)]
        rules = self._exchange.engine.markets[instrument.line].rules
        with exact():
            share = Decimal(1 + self._dice.below(40)) / 100
            more = round_down(rules.level_value * share / 100_000, places=min(6, instrument.quantity_decimals))
            quantity = instrument.min_size + more
        request = OrderRequest(
            symbol=instrument.line,
            side=side,
            quantity=quantity,
            is_fee_in_base=side == "buy" and self._exchange.fee_type == "0",
            details={
                "ordType": "market",
                "stpMode": "cancel_maker",
                "tag": "",
                "tdMode": "cash",
                "tgtCcy": "base_ccy",
                "sz": quantity,
            },
        )
        if self._exchange.state_of(instrument) == "live":
            # The other bot may have run out; it tries the other side some other time.
            with contextlib.suppress(ShortOfFundsError):
                self._exchange.engine.place(self._exchange.account("master"), request)
        self._exchange.timers.call_later(self._next_trade_s(), self._trade)

    def _next_trade_s(self) -> float:
        return self._dice.between(0.5, 1.5) * self._trade_s
