"""
What a funds check needs to know from the venue beside the balance: a price now and then, and the account's own fees.

Both are asked for when an order needs them and kept for as long as they may be used. A failure is no price: the rule
denies what it cannot work out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from holdfast.core.assets import Symbol
from holdfast.core.instruments import InstrumentStatus, Ticker
from holdfast.core.seams import Clock
from holdfast.core.venue import VenueClient
from holdfast.errors import HoldfastError, PayloadError, RateLimitedError, UnknownNameError

__all__ = ["Quotes"]

_WAIT_S: Final = 2.0
_TICKER_PAUSES_S: Final = (0.1, 0.4)
_TOGETHER: Final = 20
_RULES_KEPT_S: Final = 60.0
_RULES_AGAIN_S: Final = 5.0
_CLOSED_KEPT_S: Final = 2.0
_FEE_KEPT_S: Final = 3600.0
_FEE_AGAIN_S: Final = 60.0
_FEE_UNKNOWN_AGAIN_S: Final = 2.0


class Quotes:
    """Prices and fees of one account, as young as they have to be."""

    def __init__(self, client: VenueClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tickers: dict[Symbol, Ticker] = {}
        self._fees: dict[Symbol, tuple[Decimal, float]] = {}
        self._tried_s: dict[Symbol, float] = {}
        self._rules_s: dict[Symbol, float] = {}
        self._asking: dict[tuple[str, Symbol], asyncio.Task[None]] = {}

    @property
    def tickers(self) -> Mapping[Symbol, Ticker]:
        """The newest price of every instrument that was asked for, however old."""
        return self._tickers

    def ticker(self, symbol: Symbol) -> Ticker | None:
        """The newest price, however old."""
        return self._tickers.get(symbol)

    def taker_fee(self, symbol: Symbol) -> tuple[Decimal | None, str]:
        """
        The worst fee to expect, as a fraction of cost, and where it is from: ``account`` or ``lowest_tier``.

        An account's rate is believed for an hour; beyond it, should it not be told anew, the lowest tier's counts.
        """
        known = self._fees.get(symbol)
        if known is not None and self._clock.now_s() - known[1] <= 2 * _FEE_KEPT_S:
            return known[0], "account"
        instrument = self._client.instruments.get(symbol)
        lowest = None if instrument is None else instrument.taker_fee
        if known is not None and (lowest is None or known[0] > lowest):
            return known[0], "account"
        return lowest, "lowest_tier"

    async def want_ticker(self, symbol: Symbol, *, max_age_s: float) -> None:
        """Have a price younger than half of *max_age_s*, where the venue gives one in time. Suspends 2 s at most."""
        known = self._tickers.get(symbol)
        if known is None or self._clock.now_s() - known.as_of_s > max_age_s / 2:
            await self._ask(("ticker", symbol), lambda: self._ask_ticker(symbol))

    async def want_tickers(self, symbols: Sequence[Symbol], *, max_age_s: float) -> None:
        """
        Have a price of each younger than half of *max_age_s*, where the venue gives one. Suspends.

        Asked for together, twenty at a time, so that what was told is kept should the rest take too long; one by one
        where an answer cannot be believed, so that one market's nonsense hides no other's price. A venue that does not
        answer is not asked again for each of them.
        """
        oldest_s = self._clock.now_s() - max_age_s / 2
        due = [symbol for symbol in symbols if (known := self._tickers.get(symbol)) is None or known.as_of_s < oldest_s]
        for start in range(0, len(due), _TOGETHER):
            if not await self._ask_tickers(due[start : start + _TOGETHER]):
                return

    async def _ask_tickers(self, due: list[Symbol]) -> bool:
        """Whether the venue answered, with whatever."""
        for pause_s in (_TICKER_PAUSES_S[0], None):
            try:
                self._tickers.update(await self._client.tickers(due))
            except RateLimitedError:
                return False
            except (PayloadError, UnknownNameError):
                break
            except HoldfastError:
                if pause_s is None:
                    return False
                await asyncio.sleep(pause_s)
            else:
                return True
        for symbol in due:
            try:
                self._tickers.update(await self._client.tickers([symbol]))
            except (PayloadError, UnknownNameError):
                continue
            except HoldfastError:
                return False
        return True

    async def want_rules(self, symbol: Symbol, *, waits: bool) -> None:
        """
        Have the instrument's rules and status as of the last minute, where the venue tells them in time.

        One that took not every order is asked for again much sooner, and waited for: it may take them now, and what it
        was known to refuse would only be denied.
        """
        now_s = self._clock.now_s()
        known = self._client.instruments.get(symbol)
        is_online = known is None or known.status is InstrumentStatus.ONLINE
        kept_s = _RULES_KEPT_S if is_online else _CLOSED_KEPT_S
        if now_s - self._rules_s.get(symbol, float("-inf")) < kept_s:
            return
        self._rules_s[symbol] = now_s
        await self._ask(("rules", symbol), lambda: self._ask_rules(symbol), waits=waits or not is_online)

    def doubt_rules(self, symbol: Symbol) -> None:
        """The venue refused an order for the instrument's status: what is known of it is old."""
        self._rules_s.pop(symbol, None)

    async def want_fee(self, symbol: Symbol, *, waits: bool = True) -> None:
        """Have the account's own rate, where the venue tells it in time. Suspends 2 s at most; not with *waits* off."""
        now_s = self._clock.now_s()
        known = self._fees.get(symbol)
        if known is not None and now_s - known[1] <= _FEE_KEPT_S:
            return
        # Where no rate at all is known (OKX states none with its instruments) nothing can be bought until it is told.
        again_s = _FEE_UNKNOWN_AGAIN_S if self.taker_fee(symbol)[0] is None else _FEE_AGAIN_S
        if ("fee", symbol) in self._asking or now_s - self._tried_s.get(symbol, float("-inf")) >= again_s:
            self._tried_s[symbol] = now_s
            await self._ask(("fee", symbol), lambda: self._ask_fee(symbol), waits=waits)

    def close(self) -> None:
        """Ask nothing more."""
        for task in self._asking.values():
            task.cancel()

    async def _ask_rules(self, symbol: Symbol) -> None:
        try:
            await self._client.refresh_instrument(symbol)
        except HoldfastError:
            self._rules_s[symbol] = self._clock.now_s() - _RULES_KEPT_S + _RULES_AGAIN_S

    async def _ask(
        self, what: tuple[str, Symbol], ask: Callable[[], Coroutine[Any, Any, None]], *, waits: bool = True
    ) -> None:
        """One question at a time for one thing; whoever waits leaves after a while, the question goes on."""
        task = self._asking.get(what)
        if task is None:
            task = self._asking[what] = asyncio.get_running_loop().create_task(ask(), name=f"{what[0]} {what[1]}")
            task.add_done_callback(lambda _: self._asking.pop(what, None))
        if waits:
            await asyncio.wait({task}, timeout=_WAIT_S)

    async def _ask_ticker(self, symbol: Symbol) -> None:
        # A public read costs nothing of the key's counter: one bad answer shall not deny an order.
        for pause_s in (*_TICKER_PAUSES_S, None):
            try:
                found = (await self._client.tickers([symbol])).get(symbol)
            except RateLimitedError:
                return
            except HoldfastError:
                if pause_s is None:
                    return
                await asyncio.sleep(pause_s)
                continue
            if found is not None:
                self._tickers[symbol] = found
            return

    async def _ask_fee(self, symbol: Symbol) -> None:
        asked_s = self._clock.now_s()
        with contextlib.suppress(HoldfastError):
            rates = (await self._client.fee_rates([symbol])).get(symbol)
            if rates is not None:
                self._fees[symbol] = (rates.taker, asked_s)
