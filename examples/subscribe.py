"""Two ways to hear of changes: a callback in the very step they happen in, and events that say what went wrong."""

import asyncio

import holdfast
from holdfast.testing import LocalVenue, local_venue


async def main(kraken: LocalVenue) -> None:
    async with holdfast.open(kraken.config) as desk:
        broker = desk["kraken-master"]
        await broker.wait_until("live")

        # The callback must not block: take a note, and do the work elsewhere.
        seen: asyncio.Queue[str] = asyncio.Queue()
        desk.on_event(lambda event: seen.put_nowait(event.name))
        with broker.subscribe(lambda change: seen.put_nowait(f"{change.kind} of {', '.join(change.assets)}")):
            await asyncio.to_thread(kraken.happen, kind="deposit", asset="BTC", amount="0.25")
            await until(seen, "delta of BTC")

            # The venue drops the connection: said at once, replaced by REST, and healed by a new snapshot.
            await asyncio.to_thread(kraken.fault, kind="close_streams")
            await until(seen, "stream.lost")
            print("meanwhile BTC is", broker.balance("BTC").state)
            await until(seen, "stream.live")

        await broker.ready()
        print("and now it is", broker.balance("BTC").state)


async def until(seen: asyncio.Queue[str], wanted: str) -> None:
    while True:
        happened = await asyncio.wait_for(seen.get(), 20)
        print(" ", happened)
        if happened == wanted:
            return


if __name__ == "__main__":
    with local_venue("kraken") as kraken:
        asyncio.run(main(kraken))
