"""A bot that buys and sells: it asks, reserves, orders, meets a denial and a lost answer, and gets out again."""

import asyncio

import holdfast
from holdfast.testing import LocalVenue, local_venue

SYMBOL = "BTC-USD"


async def main(kraken: LocalVenue) -> None:
    async with holdfast.open(kraken.config) as desk:
        broker = desk["kraken-master"]
        await broker.wait_until("live")
        show(broker, "at first")

        # Ask before deciding. A verdict says why, with its figures, and claims nothing.
        verdict = await broker.verify_balance_before_order(SYMBOL, "buy", quote_quantity="50000")
        print(f"50000 USD? {verdict.code}: {verdict.shortfall} USD are missing")

        # A limit order below the market: it rests, and the venue holds its money.
        bid = await broker.place_limit_order(SYMBOL, "buy", "0.01", "35000", intent_id="bid-1")
        print(f"bid-1 is {bid.state}")

        # Hold the money while deciding; what no order was placed on is given back at the end of the block.
        verdict = await broker.verify_balance_before_order(SYMBOL, "buy", quote_quantity="400")
        async with broker.reserve(verdict, intent_id="buy-1") as reservation:
            bought = await broker.place_market_order(SYMBOL, "buy", quote_quantity="400", reservation=reservation)
        bought = await over(broker, bought)
        print(f"buy-1 is {bought.state}: {bought.filled} BTC for {bought.cost} USD")

        # What cannot be funded is denied: nothing is sent.
        try:
            await broker.place_limit_order(SYMBOL, "buy", "0.24", "40000", intent_id="too-much")
        except holdfast.FundsShortError as denied:
            print(f"too-much was denied: {denied}")

        # The venue takes the next order, and its answer is lost.
        lost = {"do": "close", "code": 1006}
        await asyncio.to_thread(kraken.fault, kind="ws_out", name="add_order", count=1, action=lost)
        try:
            await broker.place_market_order(SYMBOL, "buy", quote_quantity="100", intent_id="buy-2")
        except holdfast.OutcomeUnknownError:
            print(f"buy-2 is unknown: {broker.balance('USD').reserved:f} USD stay reserved, and nothing is sent again")
            found = await broker.resolution("buy-2", timeout_s=60)
            print(f"buy-2 is {found.state}")

        # Out: take the bid back, and sell all that is held.
        await broker.wait_until("live")
        await broker.cancel_order("bid-1")
        bid = await over(broker, bid)
        print(f"bid-1 is {bid.state}")
        closing = await broker.close_position(SYMBOL, intent_id="out-1")
        assert closing.order is not None, closing.explanation
        sold = await over(broker, closing.order)
        print(f"out-1 is {sold.state}: {sold.filled} BTC for {sold.cost} USD")
        again = await broker.close_position(SYMBOL)
        print(f"nothing is left to sell: {again.explanation}" if again.order is None else again.order.state)
        # What buy-2 took was told while nobody listened: it stays reserved until a read must include it, 65 s at most.
        show(broker, "at last")


async def over(broker: holdfast.Broker, order: holdfast.Order) -> holdfast.Order:
    """The order once nothing more can happen to it, and our figures show what it did."""
    assert order.intent_id is not None
    while not order.is_ended or order.reserved:
        await asyncio.sleep(0.05)
        order = await broker.order(order.intent_id)
    return order


def show(broker: holdfast.Broker, when: str) -> None:
    for asset in ("USD", "BTC"):
        balance = broker.balance(asset)
        print(f"{when}: {balance.total:f} {asset} ({balance.state}), {balance.spendable:f} may be spent", end="")
        print(f"; held {balance.held:f}, reserved {balance.reserved:f}, kept back {balance.kept_back:f}")


if __name__ == "__main__":
    with local_venue("kraken") as kraken:
        asyncio.run(main(kraken))
