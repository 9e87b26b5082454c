"""
What the matching engine needs of the venue around it, and what that venue does its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.markets import Market, PublicTrade
from holdfast.simulators.core.orders import Change, Fill, Order

__all__ = ["EngineHost", "EnginePolicy", "Leg"]


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One asset's side of a fill; ``fee`` is positive and charged in the same asset."""

    asset: str
    amount: Decimal
    fee: Decimal = ZERO


class EnginePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    What venues do differently, and the words they give as reasons. Durations in seconds.

    A buy's claim is rounded up to ``claim_coarser`` places fewer than the ledger has. A resting order that the market
    reaches is filled in ``resting_fill_parts`` parts, ``refill_s`` apart.
    """

    does_hold_include_fee: bool
    do_untriggered_stops_hold: bool
    refill_s: float
    post_only_reason: str
    ioc_reason: str
    fok_reason: str
    self_trade_reason: str
    no_liquidity_reason: str
    short_reason: str
    user_reason: str
    expired_reason: str
    claim_coarser: int = 0
    resting_fill_parts: int = 1


class EngineHost(Protocol):
    """The venue around the engine. Plain functions."""

    def now_us(self) -> int:
        """The venue's clock, Unix microseconds."""
        ...

    def now_s(self) -> float:
        """The unstepped clock that durations are measured on."""
        ...

    def account(self, name: str) -> Account: ...

    def new_order_id(self) -> str: ...

    def new_fill_id(self) -> str: ...

    def fee_rate(self, account: Account, *, is_maker: bool) -> Decimal:
        """The fraction of cost that this account pays; negative where it is paid."""
        ...

    def fee_elsewhere(self, account: Account, *, quote: AssetCode, fee: Decimal) -> tuple[AssetCode, Decimal] | None:
        """What pays a fee of so much *quote* in its place; None where the market's own assets pay."""
        ...

    def settle(self, account: Account, legs: Sequence[Leg], *, ref: str, kind: str) -> tuple[str, ...]:
        """Post the legs of one event; returns the ids of the entries."""
        ...

    def all_accounts(self) -> Sequence[Account]: ...

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None: ...

    def traded(self, market: Market, trade: PublicTrade) -> None:
        """A trade was added to the public tape."""
        ...

    def book_changed(self, market: Market) -> None:
        """What the public book shows may differ from before."""
        ...
