"""python-kraken-sdk over REST: user, market and trade clients, and its own exception classes."""

from __future__ import annotations

import importlib.metadata
from decimal import Decimal
from typing import Any

from kraken.spot import Market, Trade, User

from tests.clients.scripts.told import MORE_THAN_THERE_IS, NAMES, PAIR_AMOUNT, WRONG_KEY, WRONG_SECRET, Told


class StaleUser(User):  # type: ignore[misc]  # Untyped here: it is installed in its own environment only.
    """Somebody whose clock stopped long ago."""

    def get_nonce(self) -> str:
        return "1"


def figures(user: Any) -> dict[str, dict[str, Any]]:
    found = {
        NAMES.get(asset, asset): {"total": row["balance"], "held": row["hold_trade"]}
        for asset, row in user.get_balances().items()
    }
    # The client's own figure for what is free; each asset is a call of its own, and calls are counted.
    found["USD"]["available"] = user.get_balance(currency="ZUSD")["available_balance"]
    return found


def main() -> None:
    told = Told()
    report = told.report
    user = User(key=told.key, secret=told.secret, url=told.rest)
    trade = Trade(key=told.key, secret=told.secret, url=told.rest)
    market = Market(url=told.rest)
    report["version"] = importlib.metadata.version("python-kraken-sdk")
    report["markets"] = sorted(pair["wsname"] for pair in market.get_asset_pairs().values())
    report["status"] = market.get_system_status()["status"]
    (ticker,) = market.get_ticker(pair="XBTUSD").values()
    low = str(Decimal(ticker["b"][0]) // 2)
    told.compare("at the start", figures(user))

    order = {"side": "buy", "pair": "XBTUSD", "volume": PAIR_AMOUNT}
    (txid,) = trade.create_order(**order, ordertype="limit", price=low)["txid"]
    told.compare("with an order resting", figures(user))
    report["resting"] = {
        "is_listed": txid in user.get_open_orders()["open"],
        "status": user.get_orders_info(txid=txid)[txid]["status"],
    }
    report["count"] = trade.cancel_order(txid=txid)["count"]
    report["cancelled"] = user.get_orders_info(txid=txid)[txid]["status"]
    told.expect_error("cancel again", lambda: trade.cancel_order(txid=txid))
    report["validated"] = trade.create_order(**order, ordertype="limit", price=low, validate=True).get("txid")
    report["open"] = len(user.get_open_orders()["open"])
    (txid,) = trade.create_order(**order, ordertype="market")["txid"]
    report["filled"] = {"status": user.get_orders_info(txid=txid)[txid]["status"]}
    report["trades"] = len(user.get_trades_history()["trades"])
    report["ledger"] = sorted({entry["type"] for entry in user.get_ledgers_info()["ledger"].values()})
    told.compare("at the end", figures(user))

    too_much = {**order, "volume": MORE_THAN_THERE_IS, "ordertype": "limit", "price": low}
    told.expect_error("funds", lambda: trade.create_order(**too_much))
    told.expect_error("signature", User(key=told.key, secret=WRONG_SECRET, url=told.rest).get_account_balance)
    told.expect_error("key", User(key=WRONG_KEY, secret=told.secret, url=told.rest).get_account_balance)
    told.expect_error("nonce", StaleUser(key=told.key, secret=told.secret, url=told.rest).get_account_balance)
    told.end()


if __name__ == "__main__":
    main()
