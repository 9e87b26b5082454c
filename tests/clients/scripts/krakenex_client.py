"""krakenex: the thinnest client, which shows the venue's own envelopes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import krakenex

from tests.clients.scripts.told import MORE_THAN_THERE_IS, NAMES, PAIR_AMOUNT, WRONG_KEY, WRONG_SECRET, Told


def made(told: Told, *, key: str | None = None, secret: str | None = None) -> Any:
    api = krakenex.API(key or told.key, secret or told.secret)
    api.uri = told.rest
    return api


def figures(rows: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    return {
        NAMES.get(asset, asset): {
            "total": row["balance"],
            "held": row["hold_trade"],
            "available": Decimal(row["balance"]) - Decimal(row["hold_trade"]),
        }
        for asset, row in rows.items()
    }


def asked(api: Any, method: str, **data: Any) -> Any:
    answer = api.query_private(method, data)
    if answer["error"]:
        raise RuntimeError(answer["error"][0])
    return answer["result"]


def main() -> None:
    told = Told()
    report = told.report
    api = made(told)
    report["version"] = krakenex.version.__version__
    pairs = api.query_public("AssetPairs")["result"]
    report["markets"] = sorted(pair["wsname"] for pair in pairs.values())
    (ticker,) = api.query_public("Ticker", {"pair": "XBTUSD"})["result"].values()
    low = str(Decimal(ticker["b"][0]) // 2)
    told.compare("at the start", figures(asked(api, "BalanceEx")))

    order = {"pair": "XBTUSD", "type": "buy", "volume": PAIR_AMOUNT}
    placed = asked(api, "AddOrder", **order, ordertype="limit", price=low)
    (txid,) = placed["txid"]
    report["description"] = placed["descr"]["order"]
    told.compare("with an order resting", figures(asked(api, "BalanceEx")))
    report["resting"] = {
        "is_listed": txid in asked(api, "OpenOrders")["open"],
        "status": asked(api, "QueryOrders", txid=txid)[txid]["status"],
    }
    report["count"] = asked(api, "CancelOrder", txid=txid)["count"]
    report["cancelled"] = asked(api, "QueryOrders", txid=txid)[txid]["status"]
    report["validated"] = asked(api, "AddOrder", **order, ordertype="limit", price=low, validate="true").get("txid")
    report["open"] = len(asked(api, "OpenOrders")["open"])
    (txid,) = asked(api, "AddOrder", **order, ordertype="market")["txid"]
    report["filled"] = {"status": asked(api, "QueryOrders", txid=txid)[txid]["status"]}
    told.compare("at the end", figures(asked(api, "BalanceEx")))

    too_much = {**order, "volume": MORE_THAN_THERE_IS, "ordertype": "limit", "price": low}
    told.expect_error("funds", lambda: asked(api, "AddOrder", **too_much))
    told.expect_error("signature", lambda: asked(made(told, secret=WRONG_SECRET), "Balance"))
    told.expect_error("key", lambda: asked(made(told, key=WRONG_KEY), "Balance"))
    stale = made(told)
    stale._nonce = lambda: 1
    told.expect_error("nonce", lambda: asked(stale, "Balance"))
    told.end()


if __name__ == "__main__":
    main()
