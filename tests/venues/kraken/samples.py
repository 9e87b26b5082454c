"""The fixtures, and variations of them that the tests ask for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from holdfast.venues.kraken import parse
from holdfast.venues.kraken.symbols import Names

FOLDER = Path(__file__).parent / "fixtures"


def sample(name: str) -> bytes:
    """A fixture's bytes: ``http_balance``, ``ws_status`` …"""
    return (FOLDER / f"{name}.json").read_bytes().strip()


@cache
def listing() -> Names:
    """The names of the larger listing."""
    return parse.names_of(sample("http_assets_many"), sample("http_asset_pairs"))


def balance_ex(*rows: str) -> bytes:
    """A ``BalanceEx`` answer of these rows, each ``"SYMBOL":{…}`` without the braces around it all."""
    return f'{{"error":[],"result":{{{",".join(rows)}}}}}'.encode()


def row(symbol: str, balance: str, hold: str = "0.0000") -> str:
    """One row of ``BalanceEx`` in its usual form."""
    return f'"{symbol}":{{"balance":"{balance}","hold_trade":"{hold}"}}'
