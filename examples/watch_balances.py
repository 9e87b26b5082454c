"""Keep an eye on an account: every change as it happens, with how far each figure may be trusted."""

import asyncio

import holdfast
from holdfast.testing import LocalVenue, local_venue


async def main(kraken: LocalVenue) -> None:
    async with holdfast.open(kraken.config) as desk:
        broker = desk["kraken-master"]
        await broker.wait_until("live")
        show(broker.balance("USD"))

        # From here on balance() answers at once, from figures that are kept current.
        changes = broker.changes()
        await asyncio.to_thread(kraken.happen, kind="deposit", asset="USD", amount="250")
        async for change in changes:
            if isinstance(change, holdfast.Lagged):
                print(f"missed {change.missed} changes: read everything again")
            elif "USD" in change.assets:
                show(broker.balance("USD"))
                if broker.balance("USD").total == 10_250:
                    break


def show(balance: holdfast.Balance) -> None:
    age = "" if balance.age_s is None else f", {balance.age_s:.1f} s old"
    print(f"{balance.asset}: {balance.total} of which {balance.spendable} may be spent ({balance.state}{age})")


if __name__ == "__main__":
    with local_venue("kraken") as kraken:
        asyncio.run(main(kraken))
