"""
What each bot of an account may claim and spend, asset by asset: an amount, or a share of the account.

Pure sums. What a bot has used of its budget is what its live orders and reservations may still take, and what it has
paid less what it has received back. Where an asset is shared out, who is not named gets nothing of it: leaving a bot's
name out is no way around its budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from holdfast.core.amounts import ZERO, add, multiply, subtract, total_of
from holdfast.core.assets import AssetCode

__all__ = ["Budget", "Budgets"]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What one bot may claim of one asset: an ``amount`` in whole units, or a ``share`` of the account from 0 to 1."""

    amount: Decimal | None = None
    share: Decimal | None = None


class _Part(Protocol):
    @property
    def amount(self) -> Decimal | None: ...

    @property
    def share(self) -> Decimal | None: ...


class Budgets:
    """
    The budgets of one broker's bots.

    Args:
        parts: By bot and asset. A bot that is named without an asset has no bound on that asset.
    """

    def __init__(self, parts: Mapping[str, Mapping[AssetCode, _Part]]) -> None:
        self._parts = {bot: dict(own) for bot, own in parts.items()}
        self._shared_out = frozenset(asset for own in self._parts.values() for asset in own)

    def left(
        self,
        bot: str | None,
        asset: AssetCode,
        *,
        total: Decimal | None,
        claimed: Decimal,
        spent: Mapping[str, Decimal],
    ) -> Decimal | None:
        """
        What *bot* may still claim of *asset*; None: as much as there is.

        Args:
            bot: Who asks; None is nobody's bot.
            asset: What pays.
            total: The account's total of it; None while unknown: then a share of it is nothing.
            claimed: What the bot's live claims may still take, what the venue holds for them included.
            spent: By bot, what it has paid of the asset less what it has received; below zero counts as nothing spent.
        """
        part = self._parts.get(bot, {}).get(asset) if bot is not None else None
        if part is None:
            return ZERO if self.note(bot, asset) is not None else None
        everyone = total_of(max(each, ZERO) for each in spent.values())
        if part.amount is not None:
            limit = part.amount
        elif part.share is not None and total is not None:
            limit = multiply(part.share, add(max(total, ZERO), everyone))
        else:
            limit = ZERO
        used = add(claimed, max(spent.get(bot or "", ZERO), ZERO))
        return max(ZERO, subtract(limit, used))

    def note(self, bot: str | None, asset: AssetCode) -> str | None:
        """Why *bot* gets nothing of *asset* whatever it asks for; None where a budget of its own, or none, decides."""
        if asset not in self._shared_out or bot in self._parts:
            return None
        known = ", ".join(sorted(self._parts))
        who = "the order names no bot" if bot is None else f"no budget names the bot {bot}"
        return f"{who}, and {asset} is kept for those whom budgets name: {known}"
