"""ccxt's blocking client: only what the account holds."""

from __future__ import annotations

from tests.clients.scripts.ccxt_sync import figures, made
from tests.clients.scripts.told import Told


def main() -> None:
    told = Told()
    told.compare("now", figures(made(told).fetch_balance()))
    told.end()


if __name__ == "__main__":
    main()
