"""
One simulated market: its rules, its price, and the liquidity that a market maker offers around it.

The maker is not an account: it has no balance and never runs out of money, only of what it offers. What is taken from
it stays taken until it offers again, so a large order walks the book and a resting one can be filled in parts. The
price moves when something moves it (an event, a background walk, a large order does not), and the past before the
venue opened is made up from the seed, so that candles exist from the first second.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import subtract, total_of
from holdfast.core.assets import AssetCode
from holdfast.simulators.core.arithmetic import divide, multiply, to_step
from holdfast.simulators.core.dice import Dice, number_for

__all__ = ["Candle", "Level", "Market", "MarketRules", "PublicTrade", "with_quiet"]

_KEEP_TRADES: Final = 2000
_KEEP_MOVES: Final = 20_000
_NOISE: Final = 2000  # Hundred-thousandths: the made-up past stays within about 4 % of the opening price.


class MarketRules(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a market trades and how finely.

    ``level_value`` is about what one level of the maker's book is worth, in quote units.
    """

    symbol: str
    base: AssetCode
    quote: AssetCode
    price_step: Decimal
    price_decimals: int
    quantity_decimals: int
    base_decimals: int  # Of the ledger.
    quote_decimals: int
    start_price: Decimal
    level_value: Decimal


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What the maker offers at one price."""

    price: Decimal
    quantity: Decimal


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One public trade; ``side`` is the taker's, ``at_us`` the venue's clock."""

    number: int
    at_us: int
    price: Decimal
    quantity: Decimal
    side: str
    kind: str


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One candle from ``start_s`` on, Unix seconds of the venue's clock."""

    start_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    vwap: Decimal
    volume: Decimal
    count: int


def with_quiet(candles: list[Candle], *, interval_s: int, every: int) -> list[Candle]:
    """
    The same with every so-manieth bucket quiet: nothing was traded, and all four prices are the one before.

    Which ones they are depends on their start alone. None for 0.
    """
    if not every:
        return candles
    return [
        msgspec.structs.replace(
            each, high=each.open, low=each.open, close=each.open, vwap=Decimal(0), volume=Decimal(0), count=0
        )
        if each.start_s // interval_s % every == 0
        else each
        for each in candles
    ]


class Market:
    """
    One market's price and liquidity.

    Args:
        rules: What it trades.
        seed: Decides sizes, spreads and the past.
        opened_us: When the venue opened; the past before it is made up.
        levels: Levels the maker offers on each side.
    """

    def __init__(self, rules: MarketRules, *, seed: int, opened_us: int, levels: int) -> None:
        self.rules = rules
        self.mid = rules.start_price
        self.trades: list[PublicTrade] = []
        self._traded_us: list[int] = []
        self.trade_number = 0
        self._seed = seed
        self._opened_us = opened_us
        dice = Dice(seed, f"market/{rules.symbol}")
        self._sizes = [20 + dice.below(180) for _ in range(2 * levels)]
        self._depth = levels
        self._made: dict[str, list[Level]] = {}
        self._moved_us = [opened_us]
        self._start_tick = to_step(rules.start_price, rules.price_step)
        self._moved_to = [self._start_tick]
        self._points: dict[tuple[int, int], int] = {}
        self._opened_noise = self._noise(opened_us)
        self._make_up_trades(dice)
        self.refill()

    @property
    def last(self) -> Decimal:
        """Price of the last public trade."""
        return self.trades[-1].price

    def offers(self, side: str) -> Iterator[Level]:
        """The maker's levels, best first: ``buy`` gives its bids, ``sell`` its asks."""
        made = self._made[side]
        for index in range(self._depth):
            if index == len(made):
                level = self._level(side, index)
                if level is None:
                    return
                made.append(level)
            if made[index].quantity:
                yield made[index]

    def take(self, side: str, price: Decimal, quantity: Decimal) -> None:
        """Take *quantity* of the level of that price; there has to be one."""
        made = self._made[side]
        index = next(index for index, level in enumerate(made) if level.price == price)
        made[index] = Level(price=price, quantity=subtract(made[index].quantity, quantity))

    def refill(self) -> None:
        """Offer everything again around the current price."""
        # Levels are made when somebody looks: a walking price would otherwise cost a whole book per step.
        self._made = {"buy": [], "sell": []}

    def _level(self, side: str, index: int) -> Level | None:
        rules = self.rules
        middle = to_step(self.mid, rules.price_step)
        away = max(1, middle // 10_000) + max(1, middle // 20_000) * index
        tick = middle - away if side == "buy" else middle + away
        if tick <= 0:
            return None
        price = self._price(tick)
        size = self._sizes[index if side == "buy" else self._depth + index]
        worth = multiply(rules.level_value, Decimal(size))
        quantity = divide(worth, multiply(Decimal(100), price), places=rules.quantity_decimals)
        return Level(price=price, quantity=quantity)

    def move(self, price: Decimal, *, at_us: int) -> Decimal:
        """Move the price, rounded to the market's step; returns what it became."""
        tick = max(1, to_step(price, self.rules.price_step))
        self.mid = self._price(tick)
        self._moved_us.append(max(at_us, self._moved_us[-1]))
        self._moved_to.append(tick)
        if len(self._moved_us) > _KEEP_MOVES:
            del self._moved_us[: _KEEP_MOVES // 2], self._moved_to[: _KEEP_MOVES // 2]
        self.refill()
        return self.mid

    def print_trade(self, *, price: Decimal, quantity: Decimal, side: str, kind: str, at_us: int) -> PublicTrade:
        """Add one trade to the public tape."""
        self.trade_number += 1
        trade = PublicTrade(number=self.trade_number, at_us=at_us, price=price, quantity=quantity, side=side, kind=kind)
        self.trades.append(trade)
        self._traded_us.append(max(at_us, self._traded_us[-1]) if self._traded_us else at_us)
        if len(self.trades) > 2 * _KEEP_TRADES:
            del self.trades[:_KEEP_TRADES], self._traded_us[:_KEEP_TRADES]
        return trade

    def price_at(self, at_us: int) -> Decimal:
        """The price at a moment, past ones before the opening included."""
        return self._price(self._tick_at(at_us))

    def candles(self, *, interval_s: int, since_s: int, until_s: int, offset_s: int = 0) -> list[Candle]:
        """
        Candles that start in ``since_s .. until_s``, oldest first; the last one is still forming.

        They start at *offset_s* and every *interval_s* from there: not every venue's day begins at midnight UTC.
        """
        first = -((offset_s - since_s) // interval_s) * interval_s + offset_s
        return [self._candle(start_s, interval_s, until_s) for start_s in range(first, until_s + 1, interval_s)]

    def _candle(self, start_s: int, interval_s: int, until_s: int) -> Candle:
        start_us, end_us = start_s * 1_000_000, min(start_s + interval_s, until_s) * 1_000_000
        ticks = [self._tick_at(start_us + (end_us - start_us) * part // 4) for part in range(5)]
        count = 20 + number_for(self._seed, "count", self.rules.symbol, start_s, below=200)
        traded: list[PublicTrade] = []
        if end_us >= self._opened_us:
            first, after = (bisect.bisect_left(self._moved_us, bound) for bound in (start_us, end_us))
            ticks[4:4] = self._moved_to[first:after]
            first, after = (bisect.bisect_left(self._traded_us, bound) for bound in (start_us, end_us))
            traded = self.trades[first:after]
        mean = self._price(max(1, sum(ticks) // len(ticks)))
        made_up = divide(
            multiply(self.rules.level_value, Decimal(count)),
            multiply(Decimal(100), mean),
            places=self.rules.quantity_decimals,
        )
        return Candle(
            start_s=start_s,
            open=self._price(ticks[0]),
            high=self._price(max(ticks)),
            low=self._price(min(ticks)),
            close=self._price(ticks[-1]),
            vwap=mean,
            volume=total_of((made_up, *(trade.quantity for trade in traded))),
            count=count + len(traded),
        )

    def _price(self, tick: int) -> Decimal:
        return multiply(Decimal(tick), self.rules.price_step)

    def _tick_at(self, at_us: int) -> int:
        if at_us >= self._opened_us:
            return self._moved_to[max(0, bisect.bisect_right(self._moved_us, at_us) - 1)]
        offset = self._noise(at_us) - self._opened_noise
        return max(1, self._start_tick * (100_000 + offset) // 100_000)

    def _noise(self, at_us: int) -> int:
        # Three octaves of noise between fixed points, in hundred-thousandths of the price; whole numbers only, so
        # that every platform agrees.
        total = 0
        for octave, period_s in enumerate((86_400, 7_200, 900)):
            period_us = period_s * 1_000_000
            bucket, within = divmod(at_us, period_us)
            size = _NOISE >> octave
            left, right = self._point(octave, bucket, size), self._point(octave, bucket + 1, size)
            total += left + (right - left) * within // period_us
        return total

    def _point(self, octave: int, bucket: int, size: int) -> int:
        point = self._points.get((octave, bucket))
        if point is None:
            point = number_for(self._seed, self.rules.symbol, octave, bucket, below=2 * size + 1) - size
            if len(self._points) > 10_000:
                self._points.clear()
            self._points[octave, bucket] = point
        return point

    def _make_up_trades(self, dice: Dice) -> None:
        for index in range(60):
            at_us = self._opened_us - (60 - index) * 7_000_000 + dice.below(5_000_000)
            price = self.price_at(at_us)
            worth = multiply(self.rules.level_value, Decimal(1 + dice.below(60)))
            quantity = divide(worth, multiply(Decimal(100), price), places=self.rules.quantity_decimals)
            self.print_trade(
                price=price if index < 59 else self.rules.start_price,
                quantity=quantity,
                side="buy" if dice.below(2) else "sell",
                kind="limit" if dice.below(2) else "market",
                at_us=at_us,
            )
