"""``holdfast.wrap`` on ccxt's objects for Coinbase and OKX, at the simulated venues."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

import holdfast
from holdfast.testing import local_venue

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]


@pytest.mark.parametrize(("name", "money"), [("coinbase", "USD"), ("okx", "USDT")])
def test_a_wrapped_object_reads_places_and_cancels(name: str, money: str) -> None:
    with local_venue(name) as venue:
        credential = venue.ready["credentials"][0]
        options: dict[str, Any] = {
            "apiKey": credential["key"],
            "secret": credential["secret"],
            "password": credential["passphrase"],
            "urls": {"api": {"rest": venue.ready["rest"]}},
            "enableRateLimit": False,
        }
        exchange: Any = holdfast.wrap(getattr(ccxt, name)(options), state_dir=venue.config["state_dir"])
        try:
            balance = exchange.fetch_balance()
            assert balance["total"][money] == float(Decimal(venue.truth()[money]["total"]))
            assert balance["info"]["holdfast"]["assets"][money]["state"] in ("live", "fresh")

            pair = f"BTC/{money}"
            placed = exchange.create_order(pair, "limit", "buy", 0.001, 20_000)
            assert placed["status"] == "open"
            # What is held comes off: ccxt's own read of Coinbase calls it free.
            assert exchange.fetch_balance()["free"][money] <= balance["free"][money] - 20
            assert [order["id"] for order in exchange.fetch_open_orders(pair)] == [placed["id"]]
            exchange.cancel_order(placed["id"])
            assert exchange.fetch_open_orders(pair) == []

            own = {"clientOrderId": "grid-1", "postOnly": True}
            assert exchange.create_order(pair, "limit", "buy", 0.001, 20_000, own)["clientOrderId"] == "grid-1"
            assert [order["clientOrderId"] for order in exchange.fetch_open_orders(pair)] == ["grid-1"]
            exchange.cancel_order("", pair, {"clientOrderId": "grid-1"})
            if name == "coinbase":  # OKX takes a post-only order that would cross, and cancels it.
                with pytest.raises(ccxt.OrderImmediatelyFillable):
                    exchange.create_order(pair, "limit", "buy", 0.001, 500_000, {"postOnly": True})

            bought = exchange.create_market_buy_order_with_cost(pair, 25)
            assert exchange.fetch_order(bought["id"], pair)["status"] == "closed"
            with pytest.raises(ccxt.InsufficientFunds):
                exchange.create_order(pair, "limit", "buy", 100, 20_000)
        finally:
            exchange.close()
