"""What Kraken says, for accounts of any size: the same bytes for the floor, for us and for every peer."""

from __future__ import annotations

import json
from decimal import Decimal

__all__ = ["asset_names", "asset_pairs", "assets", "balance_ex", "snapshot", "update", "updates"]


def asset_names(count: int) -> list[str]:
    """USD and BTC first, then made-up ones: what an account holds of them does not matter."""
    return ["USD", "BTC", *(f"AS{number}" for number in range(count - 2))]


def _symbol(name: str) -> str:
    return {"USD": "ZUSD", "BTC": "XXBT"}.get(name, name)


def assets(count: int) -> bytes:
    """``Assets`` with *count* entries."""
    result = {
        _symbol(name): {
            "aclass": "currency",
            "altname": {"BTC": "XBT"}.get(name, name),
            "decimals": 4 if name == "USD" else 10,
            "display_decimals": 2 if name == "USD" else 5,
            "status": "enabled",
        }
        for name in asset_names(count)
    }
    return json.dumps({"error": [], "result": result}, separators=(",", ":")).encode()


def asset_pairs() -> bytes:
    """``AssetPairs`` with the one pair that is needed to list anything."""
    pair = {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "cost_decimals": 5,
        "lot_decimals": 8,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }
    return json.dumps({"error": [], "result": {"XXBTZUSD": pair}}, separators=(",", ":")).encode()


def _amount(number: int) -> str:
    return f"{number * 37 + 5}.{number:010d}"


def balance_ex(count: int) -> bytes:
    """``BalanceEx`` of an account that holds *count* assets, every third of them partly in orders."""
    result = {
        _symbol(name): {
            "balance": _amount(number),
            "hold_trade": f"{number + 1}.0000000000" if number % 3 == 1 else "0.0000000000",
        }
        for number, name in enumerate(asset_names(count))
    }
    return json.dumps({"error": [], "result": result}, separators=(",", ":")).encode()


def snapshot(count: int) -> bytes:
    """The ``balances`` channel's snapshot of the same account."""
    rows = ",".join(
        f'{{"asset":"{name}","asset_class":"currency","balance":{_amount(number)},'
        f'"wallets":[{{"type":"spot","id":"main","balance":{_amount(number)}}}]}}'
        for number, name in enumerate(asset_names(count))
    )
    return f'{{"channel":"balances","type":"snapshot","data":[{rows}],"sequence":1}}'.encode()


def update(number: int, *, balance: Decimal, kind: str = "deposit", amount: str = "1.25") -> bytes:
    """
    One ``balances`` update of one row, as a deposit makes it.

    Source of the form: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances (checked 2026-11-20)
    """
    row = (
        f'{{"ledger_id":"L{number:06d}-FGHIJ-KLMNOP","ref_id":"T{number:06d}-FGHIJ-KLMNOP",'
        f'"timestamp":"2026-09-21T10:00:00.123456Z","type":"{kind}","subtype":"","category":"{kind}","asset":"USD",'
        f'"asset_class":"currency","wallet_type":"spot","wallet_id":"main","amount":{amount},"fee":0.0000,'
        f'"balance":{balance}}}'
    )
    return f'{{"channel":"balances","type":"update","data":[{row}],"sequence":{number}}}'.encode()


def updates(count: int, *, first: int = 2, start: Decimal | None = None) -> list[bytes]:
    """*count* updates in sequence, each 1.25 USD more than the one before."""
    total = Decimal(_amount(0)) if start is None else start
    frames = []
    for number in range(first, first + count):
        total += Decimal("1.25")
        frames.append(update(number, balance=total))
    return frames
