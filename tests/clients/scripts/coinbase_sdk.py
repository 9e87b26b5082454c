"""coinbase-advanced-py's REST client: permissions, products, balances over pages, orders, fills, errors."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

from coinbase.rest import RESTClient

from tests.clients.scripts.told import COINBASE_WRONG_KEY, Told, other_secret


def made(told: Told, *, key: str | None = None, secret: str | None = None) -> Any:
    # This client speaks https only and takes host and port.
    return RESTClient(
        api_key=key or told.key, api_secret=secret or told.secret, base_url=told.rest.partition("://")[2], timeout=20
    )


def figures(client: Any, *, page: int = 3) -> dict[str, dict[str, Any]]:
    """Every account of every page, by currency."""
    shown: dict[str, dict[str, Any]] = {}
    cursor = None
    while True:
        answer = client.get_accounts(limit=page, cursor=cursor).to_dict()
        for row in answer["accounts"]:
            shown[row["currency"]] = {"available": row["available_balance"]["value"], "held": row["hold"]["value"]}
        if not answer["has_next"]:
            return shown
        cursor = answer["cursor"]


def refused(answer: Any) -> tuple[str, str]:
    """An order's refusal as this client hands it over."""
    response = answer.to_dict()["error_response"]
    return response["new_order_failure_reason"], response["preview_failure_reason"]


def main() -> None:
    told = Told()
    report = told.report
    client = made(told)
    report["version"] = version("coinbase-advanced-py")
    report["permissions"] = client.get_api_key_permissions().to_dict()
    products = client.get_products(get_tradability_status=True).to_dict()["products"]
    report["markets"] = sorted(row["product_id"] for row in products)
    report["public"] = client.get_public_product("BTC-USD").to_dict()["product_id"]
    report["time"] = int(client.get_unix_time().epoch_seconds)
    now = int(time.time())
    candles = client.get_candles("BTC-USD", str(now - 600), str(now), "ONE_MINUTE").to_dict()["candles"]
    report["candles"] = len(candles)
    report["taker"] = client.get_transaction_summary().to_dict()["fee_tier"]["taker_fee_rate"]
    told.compare("at the start", figures(client))

    preview = client.preview_limit_order_gtc_buy("BTC-USD", "0.002", "20000").to_dict()
    report["preview"] = {"errs": preview["errs"], "total": preview["order_total"]}
    placed = client.limit_order_gtc_buy("holdfast-1", "BTC-USD", "0.002", "20000").to_dict()
    order_id = placed["success_response"]["order_id"]
    told.compare("with an order resting", figures(client))
    again = client.limit_order_gtc_buy("holdfast-1", "BTC-USD", "0.002", "20000").to_dict()
    report["again"] = again["success_response"]["order_id"] == order_id
    listed = client.list_orders(order_status=["OPEN"], product_ids=["BTC-USD"]).to_dict()["orders"]
    seen = client.get_order(order_id).to_dict()["order"]
    report["resting"] = {
        "is_listed": order_id in [row["order_id"] for row in listed],
        "status": seen["status"],
        "named": seen["client_order_id"],
    }
    report["edited"] = client.edit_order(order_id, size="0.003", price="20500").to_dict()["success"]
    report["cancels"] = [row["success"] for row in client.cancel_orders([order_id]).to_dict()["results"]]
    report["cancelled"] = client.get_order(order_id).to_dict()["order"]["status"]

    filled = client.market_order_buy("holdfast-2", "BTC-USD", base_size="0.002").to_dict()
    filled_id = filled["success_response"]["order_id"]
    report["filled"] = client.get_order(filled_id).to_dict()["order"]["status"]
    fills = client.get_fills(order_ids=[filled_id]).to_dict()["fills"]
    report["fills"] = [row["size"] for row in fills]
    told.compare("at the end", figures(client))

    report["errors"]["funds"] = list(refused(client.limit_order_gtc_buy("holdfast-3", "BTC-USD", "1000", "20000")))
    report["errors"]["minimum"] = list(refused(client.limit_order_gtc_buy("holdfast-4", "BTC-USD", "0.00001", "20000")))
    told.expect_error("secret", made(told, secret=other_secret()).get_accounts)
    told.expect_error("key", made(told, key=COINBASE_WRONG_KEY).get_accounts)
    told.expect_error("order", lambda: client.get_order("00000000-0000-4000-8000-000000000000"))
    told.end()


if __name__ == "__main__":
    main()
