"""
What an account is worth, and what it holds in markets: figures of now, with prices asked for where they are needed.

Prices are read for what is held and nothing else, along the best way first and the next one where that tells none. A
price that cannot be had leaves its asset out of the sum, by name; it never becomes zero.
"""

from __future__ import annotations

import asyncio
from typing import Final

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance
from holdfast.core.instruments import Ticker
from holdfast.core.positions import PositionList, StatedPositions, markets_of, position_list
from holdfast.core.valuation import CASH, AccountBalanceDetailed, account_balance, paths_between, price_by
from holdfast.core.venue import VenueClient
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.runtime.catalogue import Catalogue
from holdfast.runtime.quotes import Quotes
from holdfast.runtime.supervisor import Supervisor

__all__ = ["Worth"]

_PRICE_MAX_AGE_S: Final = 30.0
_WAYS: Final = 3
_PRICES_WAIT_S: Final = 10.0


class Worth:
    """
    Values one broker's account.

    Args:
        supervisor: Whose figures.
        client: The venue's reads.
        quotes: Its prices.
        catalogue: Its listing.
    """

    def __init__(self, supervisor: Supervisor, client: VenueClient, quotes: Quotes, catalogue: Catalogue) -> None:
        self._supervisor = supervisor
        self._client = client
        self._quotes = quotes
        self._catalogue = catalogue
        self._clock = supervisor.account.clock

    async def account_balance(self, quote: AssetCode) -> AccountBalanceDetailed:
        """See ``Broker.get_account_balance_detailed``."""
        held = await self._held(quote)
        await self._have_prices(held, quote)
        balances = self._supervisor.balances()
        return account_balance(
            balances,
            self._tickers(set(balances), quote),
            self._client.instruments,
            broker=self._supervisor.name,
            quote=quote,
            now_s=self._clock.now_s(),
            price_max_age_s=_PRICE_MAX_AGE_S,
        )

    async def positions(self, quote: AssetCode) -> PositionList:
        """See ``Broker.get_positions``."""
        held = await self._held(quote)
        notes: list[str] = []
        halted = self._supervisor.account.halted_detail
        if halted is not None:
            notes.append(halted)  # Such as an account that is set up in a way that the adapter does not read.
        stated: StatedPositions | None = None
        is_complete = halted is None
        try:
            stated = await self._client.positions()
        except UnsupportedError as error:
            notes.append(str(error))
        except HoldfastError as error:
            is_complete = False
            notes.append(f"margin positions could not be read: {error}")
        traded = {code for code in held if code not in CASH}
        if stated is not None:
            listed = self._client.instruments
            traded |= {listed[each.symbol].base for each in stated.positions if each.symbol and each.symbol in listed}
        # What is dust is judged at the market's own price, which need not be on the way to the quote.
        own = [
            market.symbol for code in traded for market in markets_of(code, self._client.instruments, quote=quote)[:1]
        ]
        await self._have_prices(traded, quote, beside=own)
        balances = self._supervisor.balances()
        return position_list(
            balances,
            stated,
            self._tickers(traded, quote, beside=own),
            self._client.instruments,
            broker=self._supervisor.name,
            quote=quote,
            now_s=self._clock.now_s(),
            price_max_age_s=_PRICE_MAX_AGE_S,
            notes=notes,
            is_complete=is_complete,
        )

    async def _held(self, quote: AssetCode) -> set[AssetCode]:
        """Whatever there is some of. Raises ``UnknownNameError`` for a quote that the venue does not list."""
        await self._catalogue.have_listing()
        self._supervisor.balance(quote)
        return {code for code, balance in self._supervisor.balances().items() if _is_some(balance)}

    async def _have_prices(
        self, assets: set[AssetCode], quote: AssetCode, *, beside: list[Symbol] | None = None
    ) -> None:
        """Have a price of each asset, along the first way that tells one. Suspends 10 s at most."""
        ways = {code: paths_between(code, quote, self._client.instruments)[:_WAYS] for code in assets}
        try:
            async with asyncio.timeout(_PRICES_WAIT_S):
                for way in range(_WAYS):
                    now_s = self._clock.now_s()
                    wanted: dict[Symbol, None] = dict.fromkeys(beside or () if way == 0 else ())
                    for code, paths in ways.items():
                        known = (price_by(code, quote, path, self._quotes.tickers, now_s=now_s) for path in paths[:way])
                        if len(paths) > way and not any(
                            price is not None and price.age_s <= _PRICE_MAX_AGE_S for price in known
                        ):
                            wanted.update(dict.fromkeys(leg.symbol for leg in paths[way]))
                    if not wanted:
                        break
                    await self._quotes.want_tickers(list(wanted), max_age_s=_PRICE_MAX_AGE_S)
        except TimeoutError:
            return  # What has no price by now has none.

    def _tickers(
        self, assets: set[AssetCode], quote: AssetCode, *, beside: list[Symbol] | None = None
    ) -> dict[Symbol, Ticker]:
        """The newest price of each market on a way, however old."""
        symbols = set(beside or ())
        for code in assets:
            for path in paths_between(code, quote, self._client.instruments):
                symbols.update(leg.symbol for leg in path)
        known = self._quotes.tickers
        return {symbol: known[symbol] for symbol in symbols if symbol in known}


def _is_some(balance: Balance) -> bool:
    return balance.total is not None and balance.total != ZERO
