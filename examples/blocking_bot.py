"""A synchronous bot that asks before it acts, and does not act on what it cannot trust."""

from decimal import Decimal

import holdfast
from holdfast.testing import local_venue

WANTED = Decimal("2500")


def decide(broker: holdfast.BlockingBroker) -> str:
    usd = broker.balance("USD")
    if not usd.is_fit_to_approve:
        return f"wait: USD is {usd.state} ({usd.reason}), last known {usd.total}"
    if usd.spendable is None or usd.spendable < WANTED:
        return f"no: {usd.spendable} USD may be spent, {WANTED} are wanted"
    return f"yes: {usd.spendable} USD may be spent"


def main() -> None:
    with local_venue("kraken") as kraken, holdfast.open_blocking(kraken.config) as desk:
        broker = desk["kraken-master"]
        broker.wait_until("live")
        print(decide(broker))

        changes = broker.changes()
        kraken.happen(kind="withdrawal", asset="USD", amount="9000")
        for _ in changes:  # Waits for the next change, whatever it is.
            if broker.balance("USD").total == 1000:
                break
        print(decide(broker))


if __name__ == "__main__":
    main()
