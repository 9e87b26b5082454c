"""coinbase-advanced-py's stream client: heartbeats, orders from the ``user`` channel, a market channel."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from coinbase.rest import RESTClient
from coinbase.websocket import WSClient, WSUserClient

from tests.clients.scripts.told import Told, eventually, other_secret


def main() -> None:
    told = Told()
    report = told.report
    report["version"] = version("coinbase-advanced-py")
    frames: list[dict[str, Any]] = []
    client = WSUserClient(
        api_key=told.key,
        api_secret=told.secret,
        base_url=told.ws,
        on_message=lambda text: frames.append(json.loads(text)),
        retry=False,
    )
    client.open()
    client.subscribe(product_ids=[], channels=["user", "heartbeats"])

    def rows(status: str) -> list[dict[str, Any]]:
        events = [event for frame in list(frames) if frame.get("channel") == "user" for event in frame["events"]]
        return [row for event in events for row in event["orders"] if row["status"] == status]

    eventually(lambda: [f for f in list(frames) if f.get("channel") == "heartbeats"], bool)
    rest = RESTClient(api_key=told.key, api_secret=told.secret, base_url=told.rest.partition("://")[2], timeout=20)
    placed = rest.limit_order_gtc_buy("stream-1", "BTC-USD", "0.002", "20000").to_dict()["success_response"]
    report["opened"] = [row["client_order_id"] for row in eventually(lambda: rows("OPEN"), bool)]
    rest.cancel_orders([placed["order_id"]])
    report["cancelled"] = [row["order_id"] == placed["order_id"] for row in eventually(lambda: rows("CANCELLED"), bool)]
    rest.market_order_buy("stream-2", "BTC-USD", base_size="0.002")
    report["filled"] = [row["cumulative_quantity"] for row in eventually(lambda: rows("FILLED"), bool)]
    report["sequences"] = [frame["sequence_num"] for frame in list(frames) if "sequence_num" in frame]
    report["channels"] = sorted({frame["channel"] for frame in list(frames) if "channel" in frame})
    client.unsubscribe(product_ids=[], channels=["user", "heartbeats"])
    left = eventually(lambda: list(frames)[-1], lambda frame: frame.get("events") == [{"subscriptions": {}}])
    report["left"] = left["events"]
    client.close()

    quotes: list[dict[str, Any]] = []
    market = WSClient(base_url=told.ws, on_message=lambda text: quotes.append(json.loads(text)), retry=False)
    market.open()
    market.subscribe(product_ids=["BTC-USDC"], channels=["ticker"])
    tickers = eventually(lambda: [f for f in list(quotes) if f.get("channel") == "ticker"], bool)
    report["ticker"] = tickers[0]["events"][0]["tickers"][0]["product_id"]
    market.close()

    refused: list[dict[str, Any]] = []
    wrong = WSUserClient(
        api_key=told.key,
        api_secret=other_secret(),
        base_url=told.ws,
        on_message=lambda text: refused.append(json.loads(text)),
        retry=False,
    )
    wrong.open()
    wrong.subscribe(product_ids=[], channels=["user"])
    report["errors"]["secret"] = [eventually(lambda: list(refused), bool)[0]["type"], refused[0]["message"]]
    wrong.close()
    told.end()


if __name__ == "__main__":
    main()
