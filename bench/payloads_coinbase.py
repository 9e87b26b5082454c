"""What Coinbase says, for accounts of any size: the same bytes for the floor, for us and for every peer."""

from __future__ import annotations

import json

__all__ = ["accounts"]


def accounts(count: int) -> bytes:
    """A page of ``accounts`` with *count* wallets of as many currencies, every third of them partly in orders."""
    names = ["USD", "BTC", *(f"AS{number}" for number in range(count - 2))]
    rows = [
        {
            "uuid": f"1b2e0000-0000-4000-8000-{number:012d}",
            "name": f"{name} Wallet",
            "currency": name,
            "available_balance": {"value": f"{number * 37 + 5}.{number:010d}000000", "currency": name},
            "default": number == 0,
            "active": True,
            "ready": True,
            "created_at": "2024-02-01T08:00:00.123Z",
            "updated_at": "2026-11-19T21:14:03.500Z",
            "deleted_at": None,
            "type": "ACCOUNT_TYPE_FIAT" if name == "USD" else "ACCOUNT_TYPE_CRYPTO",
            "hold": {"value": "0.0000000000000000" if number % 3 else f"{number}.5000000000000000", "currency": name},
            "retail_portfolio_id": "c0ffee00-0000-4000-8000-000000000001",
            "platform": "ACCOUNT_PLATFORM_CONSUMER",
        }
        for number, name in enumerate(names)
    ]
    whole = {"accounts": rows, "has_next": False, "cursor": "", "size": count}
    return json.dumps(whole, separators=(",", ":")).encode()
