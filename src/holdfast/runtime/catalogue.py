"""
What a broker's venue lists and tells of its markets: products, names, candles. Unsigned reads, asked for when wanted.

The listing is kept for as long as it may be used; while it is read anew the old one answers whoever does not want to
wait. A failure changes nothing that is known, and what is older than was asked for says so.
"""

from __future__ import annotations

import asyncio
from typing import Final

from holdfast.core.assets import Symbol
from holdfast.core.candles import CANDLES_MAX, CandleSeries, check_limit, interval_text, series_of
from holdfast.core.instruments import Candle, Instrument
from holdfast.core.products import ProductList, product_list
from holdfast.core.symbols import SymbolName, normalize_symbol
from holdfast.core.venue import VenueClient
from holdfast.core.venue_time import VenueTime
from holdfast.errors import (
    HoldfastError,
    NotReadyError,
    OrderInputError,
    RateLimitedError,
    VenueError,
    VenueRejectedError,
)
from holdfast.runtime.account import Account
from holdfast.runtime.judging import Judging

__all__ = ["Catalogue"]

_LISTING_MAX_AGE_S: Final = 3600.0
_CANDLES_DEFAULT: Final = 100
_PAUSE_S: Final = 0.5


class Catalogue:
    """
    Products, names and candles of one broker.

    Args:
        account: Whose they are; its clock measures ages.
        client: The venue's unsigned reads.
        judging: Knows how to wait for a listing that is being read.
        time: The venue's clock, on which candles begin.
        listed_s: Our clock, when the listing that is at hand can have been asked for at the earliest.
    """

    def __init__(
        self, account: Account, client: VenueClient, judging: Judging, time: VenueTime, listed_s: float
    ) -> None:
        self._account = account
        self._client = client
        self._judging = judging
        self._time = time
        self._clock = account.clock
        self._listed_s = listed_s
        self._listing: asyncio.Task[None] | None = None

    async def instrument(self, symbol: Symbol) -> Instrument:
        """One that is for us, by any spelling of it. Suspends until the listing was read, 2 s at most."""
        return self._client.instruments[(await self.symbol_name(symbol)).symbol]

    async def symbol_name(self, text: str) -> SymbolName:
        """See ``Broker.normalize_symbol_for_broker``."""
        await self.have_listing()
        return normalize_symbol(
            text, venue=self._client.venue, instruments=self._client.instruments, assets=self._client.assets
        )

    async def products(self, *, include_unsupported: bool) -> ProductList:
        """See ``Broker.get_all_products``."""
        now_s, note = self._clock.now_s(), None
        await self._judging.listed()
        if not self._client.instruments or now_s - self._listed_s > _LISTING_MAX_AGE_S:
            try:
                await self._read_listing()
            except HoldfastError as error:
                if not self._client.instruments:
                    raise
                note = f"the listing could not be read again: {error}"
        return product_list(
            self._client.instruments.values(),
            self._client.left_out,
            broker=self._account.name,
            venue=self._client.venue,
            age_s=self._clock.now_s() - self._listed_s,
            include_unsupported=include_unsupported,
            note=note,
        )

    async def candles(self, symbol: Symbol, *, interval_s: int, limit: int | None, since_s: int | None) -> CandleSeries:
        """See ``Broker.get_candles``."""
        check_limit(limit)
        instrument = await self.instrument(symbol)
        offered = self._client.candle_rules.intervals
        if interval_s not in offered:
            words = ", ".join(interval_text(each) for each in offered)
            raise OrderInputError(
                f"{self._client.venue} has no candles of {interval_text(interval_s)}; it has {words}", field="interval"
            )
        if limit is None:
            limit = _CANDLES_DEFAULT if since_s is None else CANDLES_MAX
        asked_s = self._clock.now_s()
        found = await self._ask_candles(instrument.symbol, interval_s=interval_s, limit=limit, since_s=since_s)
        return series_of(
            found,
            broker=self._account.name,
            symbol=instrument.symbol,
            interval_s=interval_s,
            limit=limit,
            since_s=since_s,
            venue_now_s=self._time.now_us() / 1e6,
            age_s=self._clock.now_s() - asked_s,
            kept=self._client.candle_rules.kept,
        )

    async def _ask_candles(
        self, symbol: Symbol, *, interval_s: int, limit: int | None, since_s: int | None
    ) -> list[Candle]:
        try:
            return await self._client.candles(symbol, interval_s=interval_s, since_s=since_s, limit=limit)
        except (RateLimitedError, VenueRejectedError):
            raise
        except VenueError:
            # An unsigned read costs nothing of the key's counter: one lost answer is asked for once more.
            await asyncio.sleep(_PAUSE_S)
            return await self._client.candles(symbol, interval_s=interval_s, since_s=since_s, limit=limit)

    async def have_listing(self) -> None:
        """Wait for a listing that is being read. Suspends 2 s at most; raises ``NotReadyError``."""
        await self._judging.listed()
        if not self._client.instruments:
            raise NotReadyError(
                f"{self._account.name}: what the venue lists was not read yet: ask again", checks=("rules",)
            )

    async def _read_listing(self) -> None:
        """Read the listing, once for everybody who waits for it; it goes on when who asked leaves."""
        if self._listing is None:
            self._listing = asyncio.get_running_loop().create_task(self._load(), name="holdfast listing")
            self._listing.add_done_callback(self._listing_ended)
        await asyncio.shield(self._listing)

    def _listing_ended(self, task: asyncio.Task[None]) -> None:
        self._listing = None
        if not task.cancelled():
            task.exception()  # Whoever waited was told; nobody may be there any more.

    async def _load(self) -> None:
        asked_s = self._clock.now_s()
        await self._client.load()
        self._listed_s = asked_s

    def close(self) -> None:
        """Ask nothing more."""
        if self._listing is not None:
            self._listing.cancel()
