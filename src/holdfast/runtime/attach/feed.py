"""
What an owner pushes: the whole picture once, and from then on what differs.

It asks the backend as a caller would and compares with what was said before, so that nothing has to be reported to it
and nothing can be forgotten. Ages move on by themselves at the other end; only an as-of that moved is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.instruments import AssetInfo
from holdfast.core.seams import Clock
from holdfast.errors import UnknownNameError
from holdfast.runtime.attach.protocol import Listed, Pushed
from holdfast.runtime.backend import BrokerBackend
from holdfast.runtime.views import BalancesChanged, Order, ReservationView

__all__ = ["Feed"]

_SAME_S: Final = 1e-6
_ANY: Final = "ANY"


class Feed:
    """One broker's picture as everybody attached has it. Never suspends."""

    def __init__(self, backend: BrokerBackend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._balances: dict[AssetCode, Balance] = {}
        self._as_of_s: dict[AssetCode, float | None] = {}
        self._other: Balance | None = None
        self._orders: list[Order] = []
        self._reservations: list[ReservationView] = []
        self._budgets: dict[str, Any] = {}
        self._listed: Mapping[AssetCode, AssetInfo] = {}

    def step(self, changes: Sequence[BalancesChanged] = ()) -> Pushed:
        """What differs from what was said before."""
        backend = self._backend
        now_s = self._clock.now_s()
        before, before_s = self._balances, self._as_of_s
        balances = backend.balances()
        moved: dict[AssetCode, Balance] = {}
        as_of_s: dict[AssetCode, float | None] = {}
        all_as_of_s: dict[AssetCode, float | None] = {}
        for asset, balance in balances.items():
            at_s = None if balance.age_s is None else now_s - balance.age_s
            all_as_of_s[asset] = at_s
            known = before.get(asset)
            if known is None or not _is_same(known, balance):
                moved[asset] = balance
            elif not _is_same_time(before_s.get(asset), at_s):
                as_of_s[asset] = at_s
        gone = tuple(asset for asset in before if asset not in balances)
        self._balances, self._as_of_s = balances, all_as_of_s
        other = self._ask_other(balances)
        # Its age is said each time: it is one figure, and moves with every proof.
        self._other = other
        orders, self._orders = self._orders, backend.open_orders()
        reservations, self._reservations = self._reservations, backend.reservations()
        budgets, self._budgets = self._budgets, _copied(backend.budgets())
        return Pushed(
            sent_s=now_s,
            status=backend.status(),
            error_count=backend.error_count,
            has_figures=backend.has_figures,
            balances=moved,
            as_of_s=as_of_s,
            gone=gone,
            other=other,
            open_orders=None if orders == self._orders else self._orders,
            reservations=None if reservations == self._reservations else self._reservations,
            budgets=None if budgets == self._budgets else self._budgets,
            changes=tuple(changes),
        )

    def whole(self) -> Pushed:
        """The picture as it was said last, for somebody who has none. ``step`` has to have come right before."""
        backend = self._backend
        return Pushed(
            sent_s=self._clock.now_s(),
            status=backend.status(),
            error_count=backend.error_count,
            has_figures=backend.has_figures,
            is_whole=True,
            balances=self._balances,
            other=self._other,
            open_orders=self._orders,
            reservations=self._reservations,
            budgets=self._budgets,
        )

    def listed(self) -> Listed | None:
        """The venue's assets, where they are others than were said before."""
        assets = self._backend.assets
        if assets is self._listed or assets == self._listed:
            return None
        self._listed = assets
        return Listed(assets=dict(assets))

    def listed_before(self) -> Listed | None:
        """The venue's assets as they were said last, where they were."""
        return Listed(assets=dict(self._listed)) if self._listed else None

    def _ask_other(self, balances: Mapping[AssetCode, Balance]) -> Balance | None:
        listed = self._backend.assets
        asset = next((code for code in listed if code not in balances), None) if listed else _ANY
        if asset is None:
            return None
        try:
            return self._backend.balance(asset)
        except UnknownNameError:
            return None


def _is_same(before: Balance, now: Balance) -> bool:
    return (
        before.state is now.state
        and before.reason == now.reason
        and _is_same_amount(before.total, now.total)
        and _is_same_amount(before.held, now.held)
        and _is_same_amount(before.available, now.available)
        and _is_same_amount(before.reserved, now.reserved)
        and _is_same_amount(before.spendable, now.spendable)
        and before.source is now.source
    )


def _is_same_amount(before: Decimal | None, now: Decimal | None) -> bool:
    """Digit for digit: what is shown here is shown there."""
    if before is now:
        return True
    return before is not None and now is not None and before == now and before.same_quantum(now)


def _is_same_time(before_s: float | None, now_s: float | None) -> bool:
    if before_s is None or now_s is None:
        return before_s is now_s
    return abs(before_s - now_s) < _SAME_S


def _copied(budgets: Mapping[str, Mapping[AssetCode, Any]]) -> dict[str, Any]:
    return {bot: dict(assets) for bot, assets in budgets.items()}
