"""
One simulated account: its ledger, what its open orders claim, and how its rows make up assets.

Two figures stand behind open orders. *Held* is what the venue shows; *claimed* is what it counts when it judges
whether another order is funded. Venues differ in how far the two agree, and a client sees only the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from holdfast.core.amounts import ZERO, add, exact
from holdfast.core.assets import AssetCode
from holdfast.simulators.core.ledger import AccountLedger
from holdfast.simulators.core.order_log import OrderLog

__all__ = ["Account"]


class Account:
    """
    One account.

    Args:
        name: What events and truth call it.
        account_id: The venue's id of it; every key of the account reports the same one.
        rows_of: An asset's rows, the base row first, that may be spent by trading it.
        next_entry_id: Makes ledger entry ids.
        keep_s: How many seconds of the past stay readable.
    """

    def __init__(
        self,
        *,
        name: str,
        account_id: str,
        rows_of: Callable[[AssetCode], Sequence[str]],
        next_entry_id: Callable[[], str],
        keep_s: float,
    ) -> None:
        self.name = name
        self.account_id = account_id
        self.ledger = AccountLedger(next_id=next_entry_id, keep_s=keep_s)
        self.orders = OrderLog(keep_s=keep_s)
        self.credit: dict[AssetCode, Decimal] = {}
        self.sweeps: dict[AssetCode, str] = {}  # Asset to the row that its base row is emptied into.
        self._rows_of = rows_of
        self._claimed: dict[AssetCode, Decimal] = {}

    def tradable(self, asset: AssetCode) -> Decimal:
        """What the asset's spendable rows hold together, claimed or not."""
        balances = self.ledger.balances
        total = ZERO
        for row in self._rows_of(asset):
            if row in balances:
                total = add(total, balances[row])
        return total

    def free(self, asset: AssetCode) -> Decimal:
        """What a further order may claim, as the venue itself judges it."""
        with exact():
            return self.tradable(asset) + self.credit.get(asset, ZERO) - self._claimed.get(asset, ZERO)

    def hold(self, asset: AssetCode, change: Decimal, *, now_s: float) -> None:
        """Raise or lower what open orders hold, shown on the asset's base row."""
        self.ledger.hold(self._rows_of(asset)[0], change, now_s=now_s)

    def claim(self, asset: AssetCode, change: Decimal) -> None:
        """Raise or lower what open orders claim of an asset."""
        self._claimed[asset] = add(self._claimed.get(asset, ZERO), change)

    def claimed(self, asset: AssetCode) -> Decimal:
        """What open orders claim of an asset."""
        return self._claimed.get(asset, ZERO)

    def spendable_rows(self, asset: AssetCode) -> Sequence[str]:
        """The rows behind ``tradable``, the base row first."""
        return self._rows_of(asset)
