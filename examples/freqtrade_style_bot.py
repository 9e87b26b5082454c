"""
A bot in freqtrade's style: two ccxt objects on one key, one synchronous and one not, made safe in two lines.

The two lines are those with ``holdfast.wrap``; everything else is what such bots do anyway.
"""

import asyncio
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async

import holdfast
from holdfast.testing import LocalVenue, local_venue


class Bot:
    """Reads its wallet, sizes a stake from it, and trades: nothing in here knows holdfast."""

    def __init__(self, api: Any, api_async: Any) -> None:
        self.api = api
        self.api_async = api_async

    def stake(self) -> float:
        """Two per cent of what is free: the figure that must never be a false zero."""
        wallet = self.api.fetch_balance()
        free: float = wallet["free"]["USD"]
        print(f"free {free} USD, {wallet['info']['holdfast']['assets']['USD']['state']}")
        return round(free * 0.02, 2)

    def enter(self, pair: str, price: float) -> dict[str, Any]:
        """Rest a bid; what ccxt raises for want of money is caught as ever."""
        try:
            order: dict[str, Any] = self.api.create_order(pair, "limit", "buy", self.stake() / price, price)
        except ccxt.InsufficientFunds as error:
            raise SystemExit(f"no money: {error}") from error
        print(f"bid for {order['amount']} {pair} is {order['status']}")
        return order

    async def refresh(self, pairs: list[str]) -> None:
        """What such a bot does in parallel, on the same key: with plain ccxt a third of it is refused."""
        orders = await asyncio.gather(*(self.api_async.fetch_open_orders(pair) for pair in pairs))
        print(f"{sum(len(each) for each in orders)} open order in {len(pairs)} pairs, no nonce lost")


def main(kraken: LocalVenue) -> None:
    credential, rest = kraken.ready["credentials"][0], kraken.ready["rest"]
    options = {"apiKey": credential["key"], "secret": credential["secret"], "enableRateLimit": False}
    options["urls"] = {"api": {"public": rest, "private": rest}}  # A local venue; leave it out for the real one.

    api = holdfast.wrap(ccxt.kraken(options), state_dir=kraken.config["state_dir"])
    api_async = holdfast.wrap(ccxt_async.kraken(options), state_dir=kraken.config["state_dir"])

    bot = Bot(api, api_async)

    async def round_of_the_bot() -> None:
        order = await asyncio.to_thread(bot.enter, "BTC/USD", 20_000)
        await bot.refresh(["BTC/USD", "ETH/USD", "SOL/USD"])
        print(f"and {(await api_async.cancel_order(order['id'], 'BTC/USD'))['symbol']} is cancelled")
        await api_async.close()

    asyncio.run(round_of_the_bot())
    try:
        api.create_order("BTC/USD", "limit", "buy", 100, 20_000)
    except ccxt.InsufficientFunds as error:
        print(f"refused before anything left: {error}")
    api.close()


if __name__ == "__main__":
    with local_venue("kraken") as venue:
        main(venue)
