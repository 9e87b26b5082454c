"""python-okx's private stream, which speaks wss and nothing else: login, balances, orders, orders placed over it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from okx.websocket.WsPrivateAsync import WsPrivateAsync

from tests.clients.scripts.okx_sdk import figures
from tests.clients.scripts.told import PAIR_AMOUNT, Told

BTC_USDT = 10_000  # What the instrument list calls BTC-USDT on this stream.


class Heard:
    """Every message so far, and those that somebody waits for."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def __call__(self, text: str) -> None:
        self.messages.append(json.loads(text))

    async def first(self, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(200):
            for message in self.messages:
                if is_right(message):
                    return message
            await asyncio.sleep(0.05)
        raise AssertionError(f"not heard among {self.messages}")

    async def order(self, client_id: str, state: str) -> dict[str, Any]:
        def is_right(message: dict[str, Any]) -> bool:
            return any(row.get("clOrdId") == client_id and row.get("state") == state for row in rows_of(message))

        return next(row for row in rows_of(await self.first(is_right)) if row["state"] == state)


def rows_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    is_order = message.get("arg", {}).get("channel") == "orders" and "data" in message
    return message["data"] if is_order else []


def is_update(message: dict[str, Any], currency: str) -> bool:
    return message.get("eventType") == "event_update" and currency in [
        row["ccy"] for row in message["data"][0]["details"]
    ]


async def main() -> None:
    told = Told()
    report = told.report
    report["version"] = version("python-okx")
    assert told.passphrase is not None
    stream = WsPrivateAsync(
        apiKey=told.key,
        passphrase=told.passphrase,
        secretKey=told.secret,
        url=f"{told.ws}/private",
        useServerTime=False,
    )
    heard = Heard()
    await stream.start()
    await stream.subscribe([{"channel": "account"}, {"channel": "orders", "instType": "SPOT"}], callback=heard)
    snapshot = await heard.first(lambda message: message.get("eventType") == "snapshot")
    await heard.first(lambda message: message.get("arg") == {"channel": "orders", "instType": "SPOT"})
    told.compare("at the start", figures(snapshot["data"][0]["details"]))
    order = {"instIdCode": BTC_USDT, "tdMode": "cash", "side": "buy", "sz": PAIR_AMOUNT}

    await stream.place_order([{**order, "ordType": "limit", "px": "20000", "clOrdId": "holdfast1"}], heard, "a1")
    await heard.order("holdfast1", "live")
    await stream.cancel_order([{"instIdCode": BTC_USDT, "clOrdId": "holdfast1"}], heard, "a2")
    await heard.order("holdfast1", "canceled")
    bought = {**order, "ordType": "market", "tgtCcy": "base_ccy", "clOrdId": "holdfast2"}
    await stream.place_order([bought], heard, "a3")
    report["trade"] = (await heard.order("holdfast2", "filled"))["fillSz"]
    await heard.first(lambda message: is_update(message, "BTC"))
    shown = {
        **{row["ccy"]: row for row in snapshot["data"][0]["details"]},
        **{row["ccy"]: row for m in heard.messages if is_update(m, "BTC") for row in m["data"][0]["details"]},
    }
    told.compare("after a fill", figures(list(shown.values())))
    too_much = {**order, "ordType": "limit", "px": "20000", "sz": "1000"}
    await stream.place_order([too_much], heard, "a4")
    refused = await heard.first(lambda message: message.get("id") == "a4")
    report["errors"]["funds"] = ["RuntimeError", refused["data"][0]["sCode"]]
    report["answers"] = [message["code"] for message in heard.messages if message.get("id") in ("a1", "a2", "a3")]
    await stream.stop()
    told.end()


if __name__ == "__main__":
    asyncio.run(main())
