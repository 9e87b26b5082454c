"""Fees by thirty-day volume, in percent of cost, as venues publish them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from holdfast.core.amounts import exact

__all__ = ["FeeSchedule", "FeeTier"]


class FeeTier(msgspec.Struct, frozen=True, kw_only=True):
    """From ``volume`` on: percent of cost for takers and for makers."""

    volume: Decimal
    taker: Decimal
    maker: Decimal


class FeeSchedule:
    """A ladder of tiers, lowest volume first."""

    def __init__(self, tiers: Sequence[tuple[str, str, str]]) -> None:
        self.tiers = tuple(
            FeeTier(volume=Decimal(volume), taker=Decimal(taker), maker=Decimal(maker))
            for volume, taker, maker in tiers
        )

    def tier(self, volume: Decimal) -> FeeTier:
        """The tier that a thirty-day volume reaches."""
        return [tier for tier in self.tiers if tier.volume <= volume][-1]

    def after(self, tier: FeeTier) -> FeeTier | None:
        """The next better tier, if there is one."""
        later = [other for other in self.tiers if other.volume > tier.volume]
        return later[0] if later else None

    def rate(self, volume: Decimal, *, is_maker: bool) -> Decimal:
        """The fraction of cost to charge."""
        tier = self.tier(volume)
        with exact():
            return (tier.maker if is_maker else tier.taker) / 100
