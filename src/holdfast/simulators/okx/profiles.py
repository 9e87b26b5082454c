"""What the accounts of each profile hold when the venue opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["PROFILES", "AccountStart", "Profile"]


class AccountStart(msgspec.Struct, frozen=True, kw_only=True):
    """
    One account at the start: what its two pots hold, by currency.

    A zero was funded and emptied once; a currency that is absent was never held. ``bots`` is the equity of trading
    bots, which is frozen and no cash; ``lent`` what auto-lend has matched of the cash.
    """

    trading: Mapping[str, str]
    funding: Mapping[str, str] = {}
    bots: Mapping[str, str] = {}
    lent: Mapping[str, str] = {}


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What one ``--profile`` means; durations in seconds, 0 for never."""

    summary: str
    accounts: Mapping[str, AccountStart]
    mode: str = "1"  # Of every account: 1 spot, 2 futures, 3 multi-currency margin, 4 portfolio margin.
    extra_currencies: int = 0
    market_step_s: float = 0.0
    background_trade_s: float = 0.0


_PLAIN: Final = {
    "USDT": "10000",
    "USDC": "2500",
    "USD": "5000",
    "BTC": "0.4",
    "ETH": "3",
    "SOL": "12.5",
    "DOGE": "0",
}
_FUNDING: Final = {"USDT": "200", "OKB": "4"}

PROFILES: Final[dict[str, Profile]] = {
    "plain": Profile(
        summary="a quiet account in spot mode: no bots, no lending, no background trading, no faults",
        accounts={"master": AccountStart(trading=_PLAIN, funding=_FUNDING)},
    ),
    "earn": Profile(
        summary="auto-lend has matched part of the cash, and a trading bot holds equity that is frozen and no cash",
        accounts={
            "master": AccountStart(
                trading={"USDT": "5000", "BTC": "0.4", "ETH": "2", "SOL": "10"},
                funding={"USDT": "750", "DOT": "20"},
                bots={"USDT": "150", "ETH": "0.5"},
                lent={"USDT": "2000", "BTC": "0.1"},
            )
        },
    ),
    "busy": Profile(
        summary="prices walk and another bot trades on the same account",
        accounts={"master": AccountStart(trading=_PLAIN, funding=_FUNDING)},
        market_step_s=1.0,
        background_trade_s=5.0,
    ),
    "margin": Profile(
        summary="multi-currency margin mode: spot is traded as cross, and the margin fields have figures",
        accounts={"master": AccountStart(trading={"USDT": "20000", "BTC": "0.25"})},
        mode="3",
    ),
    "empty": Profile(summary="an account that was never funded", accounts={"master": AccountStart(trading={})}),
    "many": Profile(
        summary="300 currencies, so that account snapshots come in pages, and a second account",
        accounts={
            "master": AccountStart(
                trading={
                    "USDT": "100000",
                    "BTC": "1.5",
                    "ETH": "20",
                    **{f"TOK{number:03d}": f"{(number * 37) % 1000 + 1}.{number:08d}" for number in range(297)},
                }
            ),
            "sub1": AccountStart(trading={"USDT": "2500", "BTC": "0.1"}),
        },
        extra_currencies=297,
    ),
}
"""Every profile, by name."""
