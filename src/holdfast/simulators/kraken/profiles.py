"""What the accounts of each profile hold when the venue opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["PROFILES", "AccountStart", "Profile"]


class AccountStart(msgspec.Struct, frozen=True, kw_only=True):
    """
    One account at the start: rows in Kraken's spelling with their amounts.

    A zero row was funded and emptied once; a row that is absent was never touched. ``sweeps`` are the assets whose
    base row is emptied into its auto-earn row whenever something arrives. ``credit`` is by canonical asset.
    """

    rows: Mapping[str, str]
    sweeps: tuple[str, ...] = ()
    credit: Mapping[str, str] = {}


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What one ``--profile`` means; durations in seconds, 0 for never."""

    summary: str
    accounts: Mapping[str, AccountStart]
    extra_assets: int = 0
    market_step_s: float = 0.0
    background_trade_s: float = 0.0
    is_margin: bool = False


_PLAIN: Final = {
    "ZUSD": "10000.0000",
    "ZEUR": "2500.0000",
    "XXBT": "0.4000000000",
    "XETH": "3.0000000000",
    "SOL": "12.5000000000",
    "USDT": "500.00000000",
    "XXDG": "0.00000000",
}

PROFILES: Final[dict[str, Profile]] = {
    "plain": Profile(
        summary="a quiet spot account: no suffix rows, no background trading, no faults",
        accounts={"master": AccountStart(rows=_PLAIN)},
    ),
    "earn": Profile(
        summary="Auto-Earn: base rows at 0 with the coins in .F, and staked, bonded and legacy reward rows",
        accounts={
            "master": AccountStart(
                rows={
                    "ZUSD": "5000.0000",
                    "XXBT": "0.0000000000",
                    "XBT.F": "0.4000000000",
                    "XETH": "0.0000000000",
                    "ETH.F": "2.0000000000",
                    "ETH.B": "1.0000000000",
                    "SOL": "0.0000000000",
                    "SOL.F": "10.0000000000",
                    "SOL03.S": "2.5000000000",
                    "DOT": "1.0000000000",
                    "DOT.S": "20.0000000000",
                    "DOT.P": "5.0000000000",
                    "DOT28.S": "7.0000000000",
                    "USDT": "0.00000000",
                    "USDT.F": "750.00000000",
                    "USDC.M": "100.00000000",
                },
                sweeps=("BTC", "ETH", "SOL", "USDT"),
            )
        },
    ),
    "busy": Profile(
        summary="prices walk and another bot trades on the same account",
        accounts={"master": AccountStart(rows=_PLAIN)},
        market_step_s=1.0,
        background_trade_s=5.0,
    ),
    "margin": Profile(
        summary="a credit line and leverage",
        accounts={
            "master": AccountStart(
                rows={"ZUSD": "20000.0000", "ZEUR": "1000.0000", "XXBT": "0.2500000000"},
                credit={"USD": "5000.0000", "BTC": "0.0000000000"},
            )
        },
        is_margin=True,
    ),
    "empty": Profile(summary="an account that was never funded", accounts={"master": AccountStart(rows={})}),
    "many": Profile(
        summary="300 assets, and a second account",
        accounts={
            "master": AccountStart(
                rows={
                    "ZUSD": "100000.0000",
                    "XXBT": "1.5000000000",
                    "XETH": "20.0000000000",
                    **{f"TOK{number:03d}": f"{(number * 37) % 1000 + 1}.{number:08d}" for number in range(297)},
                }
            ),
            "sub1": AccountStart(rows={"ZUSD": "2500.0000", "XXBT": "0.1000000000"}),
        },
        extra_assets=297,
    ),
}
"""Every profile, by name."""
