"""python-kraken-sdk over the stream: balances, executions, and orders placed and cancelled on it."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Callable
from typing import Any

from kraken.spot import SpotWSClient

from tests.clients.scripts.told import PAIR_AMOUNT, Told


class Heard:
    """Every message, and a way to wait for one."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    async def take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._news.set()

    async def first(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if is_it(message):
                    return message
            seen = len(self.messages)
            self._news.clear()
            await self._news.wait()

    async def row(self, channel: str, **fields: Any) -> dict[str, Any]:
        """The first row of *channel* with these fields."""

        def rows(message: dict[str, Any]) -> list[dict[str, Any]]:
            if message.get("channel") != channel:
                return []
            found: list[dict[str, Any]] = message["data"]
            return [row for row in found if all(row.get(name) == value for name, value in fields.items())]

        return rows(await self.first(lambda message: bool(rows(message))))[0]


def totals(messages: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each asset's latest stated balance."""
    found: dict[str, dict[str, Any]] = {}
    for message in messages:
        if message.get("channel") == "balances":
            for row in message["data"]:
                found[row["asset"]] = {"total": row["balance"]}
    return found


async def main() -> None:
    told = Told()
    report = told.report
    report["version"] = importlib.metadata.version("python-kraken-sdk")
    heard = Heard()
    base = told.ws.removesuffix("/v2")
    client = SpotWSClient(
        key=told.key,
        secret=told.secret,
        callback=heard.take,
        rest_url=told.rest,
        ws_url=base,
        auth_ws_url=base,
    )
    async with asyncio.timeout(40):
        await client.start()
        await client.subscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]})
        bid = (await heard.row("ticker", symbol="BTC/USD"))["bid"]
        await client.subscribe(params={"channel": "balances", "snapshot": True})
        await client.subscribe(params={"channel": "executions", "snap_orders": True, "snap_trades": False})
        await heard.first(lambda message: message.get("channel") == "balances")
        await heard.first(lambda message: message.get("channel") == "executions")
        told.compare("at the start", totals(heard.messages))

        order = {"order_type": "limit", "side": "buy", "symbol": "BTC/USD", "order_qty": float(PAIR_AMOUNT)}
        await client.send_message(
            {"method": "add_order", "req_id": 11, "params": {**order, "limit_price": float(int(bid / 2))}}
        )
        placed = await heard.first(lambda message: message.get("req_id") == 11)
        order_id = placed["result"]["order_id"]
        await heard.row("executions", order_id=order_id, exec_type="new")
        await client.send_message({"method": "cancel_order", "req_id": 12, "params": {"order_id": [order_id]}})
        await heard.row("executions", order_id=order_id, exec_type="canceled")

        await client.send_message({"method": "add_order", "req_id": 13, "params": {**order, "order_type": "market"}})
        bought = (await heard.first(lambda message: message.get("req_id") == 13))["result"]["order_id"]
        report["trade"] = (await heard.row("executions", order_id=bought, exec_type="trade"))["last_qty"]
        await heard.row("executions", order_id=bought, exec_type="filled")
        await heard.row("balances", type="trade", asset="BTC")
        await heard.row("balances", type="trade", asset="USD")
        told.compare("after a fill", totals(heard.messages))

        await client.send_message(
            {
                "method": "add_order",
                "req_id": 14,
                "params": {**order, "order_qty": 1000.0, "limit_price": float(int(bid / 2))},
            }
        )
        refused = await heard.first(lambda message: message.get("req_id") == 14)
        report["errors"]["funds"] = [str(refused["success"]), refused["error"]]
        report["sequences"] = [
            message["sequence"] for message in heard.messages if message.get("channel") == "balances"
        ]
        await client.close()
    told.end()


if __name__ == "__main__":
    asyncio.run(main())
