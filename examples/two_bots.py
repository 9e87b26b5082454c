"""Two bots in two processes share one account: the first owns it, the second attaches, and each has its own budget."""

import asyncio
import json
import sys
from typing import Any

import holdfast
from holdfast.testing import LocalVenue, local_venue

BUDGETS = {"grid": {"USD": "1000"}, "momentum": {"USD": "25 %"}}


async def run(bot: str, config: dict[str, Any], *, amount: str) -> None:
    """One bot: buys until its budget says no. The same code owns the account, or reaches whoever does."""
    async with holdfast.open(config) as desk:
        broker = desk["kraken-master"]
        await broker.ready()
        await buy_until_denied(broker, bot, amount)
        if bot == "grid":
            # The other bot runs in a process of its own and finds that the account has an owner.
            other = await asyncio.create_subprocess_exec(sys.executable, __file__, "momentum", json.dumps(config))
            await other.wait()
            for order in sorted(await broker.orders(), key=lambda order: order.created_us or 0):
                print(f"{order.bot} paid {order.cost} USD for {order.filled} BTC")


async def buy_until_denied(broker: holdfast.Broker, bot: str, amount: str) -> None:
    for number in range(1, 10):
        intent_id = f"{bot}-{number}"
        try:
            await broker.place_market_order("BTC-USD", "buy", quote_quantity=amount, bot=bot, intent_id=intent_id)
        except holdfast.DeniedError as denied:
            code = "?" if denied.verdict is None else denied.verdict.code
            print(f"{intent_id} of {amount} USD was denied: {code}", flush=True)
            return
        print(f"{intent_id} of {amount} USD was placed", flush=True)


def main(kraken: LocalVenue) -> None:
    kraken.config["brokers"]["kraken-master"]["budgets"] = BUDGETS
    asyncio.run(run("grid", kraken.config, amount="400"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(run(sys.argv[1], json.loads(sys.argv[2]), amount="1500"))
    else:
        with local_venue("kraken") as kraken:
            main(kraken)
