"""Ask why a balance is what it is, and read the journal behind it."""

import asyncio

import holdfast
from holdfast.testing import LocalVenue, local_venue


async def main(kraken: LocalVenue) -> None:
    async with holdfast.open(kraken.config) as desk:
        broker = desk["kraken-master"]
        await broker.wait_until("live")
        await asyncio.to_thread(kraken.happen, kind="deposit", asset="USD", amount="250")
        report = await broker.refresh()
        print(f"asked {', '.join(report.reads)} in {report.took_s:.2f} s")

        explanation = await broker.explain("USD", limit=5)
        for line in explanation.lines:
            print(line)
        for row in explanation.rows:
            print(f"  {row.seq}: {row.kind} total {row.total} available {row.available} {row.cause}")

        try:
            broker.balance("UDS")
        except holdfast.UnknownNameError as error:
            print(error)


if __name__ == "__main__":
    with local_venue("kraken") as kraken:
        asyncio.run(main(kraken))
