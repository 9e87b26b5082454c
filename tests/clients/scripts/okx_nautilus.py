"""
nautilus_trader's OKX clients: an HTTP one whose schema lacks no field, and its stream.

The HTTP client reads and knows no ordinary orders; its stream places them, by the name of the instrument as OKX took it
until March 2026, which the simulator is told to take as well.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from nautilus_trader.core import nautilus_pyo3 as nautilus

from tests.clients.scripts.told import PAIR_AMOUNT, Told

ACCOUNT = nautilus.AccountId("OKX-001")
TRADER, STRATEGY = nautilus.TraderId("T-001"), nautilus.StrategyId("S-001")
MARKET = nautilus.InstrumentId.from_str("BTC-USDT.OKX")


def figures(state: Any) -> dict[str, dict[str, Any]]:
    return {
        str(balance["currency"]): {"total": balance["total"], "held": balance["locked"], "available": balance["free"]}
        for balance in state.to_dict()["balances"]
    }


async def until(get: Any, is_right: Any) -> Any:
    for _ in range(200):
        value = get()
        if is_right(value):
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"never right: {get()}")


async def main() -> None:
    told = Told()
    report = told.report
    report["version"] = version("nautilus-trader")
    keys = {"api_key": told.key, "api_secret": told.secret, "api_passphrase": told.passphrase}
    client = nautilus.OKXHttpClient(**keys, base_url=told.rest)
    spot = nautilus.OKXInstrumentType.SPOT
    instruments = await client.request_instruments(spot)
    for instrument in instruments:
        client.add_instrument(instrument)
    report["markets"] = sorted(str(instrument.id).removesuffix(".OKX") for instrument in instruments)
    report["time"] = await client.http_get_server_time()
    report["trades"] = len(await client.request_trades(MARKET, limit=10))
    bars = nautilus.BarType.from_str("BTC-USDT.OKX-1-MINUTE-LAST-EXTERNAL")
    report["candles"] = len(await client.request_bars(bars, limit=10))
    told.compare("at the start", figures(await client.request_account_state(ACCOUNT)))

    told.happen(kind="setting", name="stream_instrument", value="either")
    heard: list[Any] = []
    stream = nautilus.OKXWebSocketClient.with_credentials(url=f"{told.ws}/private", **keys, account_id=ACCOUNT)
    await stream.connect(instruments=instruments, callback=heard.append)
    await stream.wait_until_active(10.0)
    await stream.subscribe_account()
    await stream.subscribe_orders(spot)
    await until(lambda: [type(message).__name__ for message in heard], lambda names: "AccountState" in names)
    resting = nautilus.ClientOrderId("holdfast1")
    quantity, cash = nautilus.Quantity.from_str(PAIR_AMOUNT), nautilus.OKXTradeMode.CASH
    buy, limit, market = nautilus.OrderSide.BUY, nautilus.OrderType.LIMIT, nautilus.OrderType.MARKET
    price = nautilus.Price.from_str("20000.0")
    await stream.submit_order(TRADER, STRATEGY, MARKET, cash, resting, buy, limit, quantity, price=price)

    def states() -> list[tuple[str, str]]:
        return [
            (str(message.client_order_id), str(message.order_status))
            for message in heard
            if type(message).__name__ == "OrderStatusReport"
        ]

    def is_told(name: str, word: str) -> Any:
        return lambda told: any(client_id == name and word in state for client_id, state in told)

    await until(states, is_told("holdfast1", "ACCEPTED"))
    told.compare("with an order resting", figures(await client.request_account_state(ACCOUNT)))
    reports = await client.request_order_status_reports(ACCOUNT, instrument_type=spot, open_only=True)
    report["resting"] = [str(each.client_order_id) for each in reports]
    await stream.cancel_order(TRADER, STRATEGY, MARKET, resting)
    await until(states, is_told("holdfast1", "CANCELED"))
    bought = nautilus.ClientOrderId("holdfast2")
    money = nautilus.Quantity.from_str("80")
    await stream.submit_order(TRADER, STRATEGY, MARKET, cash, bought, buy, market, money, quote_quantity=True)
    await until(lambda: asked(told), lambda filled: filled != "0")
    await asyncio.sleep(0.2)
    fills = await client.request_fill_reports(ACCOUNT, instrument_type=spot, instrument_id=MARKET)
    report["trade"] = [str(fill.last_qty) for fill in fills]
    reports = await client.request_order_status_reports(ACCOUNT, instrument_type=spot, instrument_id=MARKET)
    report["orders"] = {str(each.client_order_id): str(each.order_status) for each in reports}
    told.compare("at the end", figures(await client.request_account_state(ACCOUNT)))
    await stream.close()

    for name, other in (("signature", {"api_secret": "wrong"}), ("passphrase", {"api_passphrase": "wrong"})):
        wrong = nautilus.OKXHttpClient(**{**keys, **other}, base_url=told.rest, max_retries=0)
        try:
            await wrong.http_get_balance()
        except Exception as error:
            report["errors"][name] = [type(error).__name__, str(error)]
    told.end()


def asked(told: Told) -> str:
    """What the venue has filled of the second order."""
    return "0" if told.truth()["BTC"]["total"] == "0.4" else "filled"


if __name__ == "__main__":
    asyncio.run(main())
