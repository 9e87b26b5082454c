"""What the accounts of each profile hold when the venue opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["PROFILES", "AccountStart", "Profile"]


class AccountStart(msgspec.Struct, frozen=True, kw_only=True):
    """
    One portfolio at the start: rows with their amounts.

    A row is a currency code (``BTC``), or a code with the kind of its wallet: ``BTC@VAULT``, ``USD@CFM``,
    ``ETH@STAKED``, or ``USDC@2`` for a further spot wallet. A zero row was funded and emptied once; a currency that is
    absent has no wallet. ``algorithm`` is of the portfolio's key, the setting's where None.
    """

    rows: Mapping[str, str]
    algorithm: str | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What one ``--profile`` means; durations in seconds, 0 for never."""

    summary: str
    accounts: Mapping[str, AccountStart]
    extra_currencies: int = 0
    market_step_s: float = 0.0
    background_trade_s: float = 0.0
    has_futures: bool = False


_PLAIN: Final = {
    "USD": "10000.00",
    "EUR": "2500.00",
    "BTC": "0.4",
    "ETH": "3",
    "SOL": "12.5",
    "USDC": "500",
    "DOGE": "0",
}

PROFILES: Final[dict[str, Profile]] = {
    "plain": Profile(
        summary="a quiet spot portfolio: no vaults, no background trading, no faults",
        accounts={"master": AccountStart(rows=_PLAIN)},
    ),
    "earn": Profile(
        summary="coins in time-locked vaults and staked coins beside the spot wallets",
        accounts={
            "master": AccountStart(
                rows={
                    "USD": "5000.00",
                    "USDC": "750",
                    "BTC": "0.4",
                    "BTC@VAULT": "0.25",
                    "ETH": "2",
                    "ETH@STAKED": "1.5",
                    "ETH@VAULT": "0.5",
                    "SOL": "0",
                    "SOL@STAKED": "10",
                    "CGLD": "40",
                }
            )
        },
    ),
    "busy": Profile(
        summary="prices walk and another bot trades in the same portfolio",
        accounts={"master": AccountStart(rows=_PLAIN)},
        market_step_s=1.0,
        background_trade_s=5.0,
    ),
    "margin": Profile(
        summary="US futures beside spot, the nearest there is: dollars at the futures broker are no spot money",
        accounts={
            "master": AccountStart(rows={"USD": "20000.00", "USD@CFM": "5000.00", "BTC": "0.25", "EUR": "1000.00"})
        },
        has_futures=True,
    ),
    "empty": Profile(summary="a portfolio that was never funded", accounts={"master": AccountStart(rows={})}),
    "many": Profile(
        summary="more than 300 wallets, USDC and BTC in several of them, and a second portfolio with an Ed25519 key",
        accounts={
            "master": AccountStart(
                rows={
                    "USD": "100000.00",
                    "BTC": "1.25",
                    "ETH": "20",
                    "USDC": "300",
                    "USDC@2": "200",
                    **{f"TOK{number:03d}": f"{(number * 37) % 1000 + 1}.{number:08d}" for number in range(297)},
                    "USDC@3": "50.25",
                    "BTC@2": "0.25",
                    "BTC@VAULT": "2",
                }
            ),
            "sub1": AccountStart(rows={"USD": "2500.00", "BTC": "0.1"}, algorithm="EdDSA"),
        },
        extra_currencies=297,
    ),
}
"""Every profile, by name."""
