"""
Which rows of a ledger are wallets of which currency, what their ids are, and when they came about.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.assets import AssetCode
from holdfast.simulators.coinbase.keys import uuid_of
from holdfast.simulators.coinbase.listing import Listing
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.dice import bytes_for
from holdfast.simulators.core.ledger import LedgerEntry

__all__ = ["Wallets"]

_DAY_US = 86_400_000_000


class Wallets:
    """
    The wallets of every portfolio.

    Args:
        listing: What rows may be called.
        seed: Decides ids and ages.
        opened_us: When the venue opened, Unix microseconds: every wallet is older, none was touched before.
    """

    def __init__(self, listing: Listing, *, seed: int, opened_us: int) -> None:
        self._listing = listing
        self._seed = seed
        self._opened_us = opened_us
        self._further: dict[str, tuple[int, dict[str, list[str]]]] = {}  # Spot wallets beside a currency's first.
        self._touched: dict[tuple[str, str], int] = {}
        self._known: dict[tuple[str, str], tuple[str, int]] = {}  # Id and opening of each.

    def spendable(self, account: Account, asset: AssetCode) -> list[str]:
        """The rows of a currency that trading it may spend, the first one first, whether it exists or not."""
        balances = account.ledger.balances
        known = self._further.get(account.name)
        if known is None or known[0] != len(balances):  # Rows come and never go.
            further: dict[str, list[str]] = {}
            for row in balances:
                if "@" in row and not self._listing.wallet(row).kind:
                    further.setdefault(row.partition("@")[0], []).append(row)
            known = self._further[account.name] = (len(balances), further)
        base = self._listing.main[asset].id
        return [base, *known[1].get(base, ())]

    def uuid(self, account: Account, row: str) -> str:
        """The id of a wallet."""
        return self._wallet(account, row)[0]

    def times_us(self, account: Account, row: str) -> tuple[int, int]:
        """When a wallet came about, and when something was last posted to it; Unix microseconds."""
        return self._wallet(account, row)[1], self._touched.get((account.name, row), self._opened_us)

    def touch(self, account: Account, entries: Sequence[LedgerEntry]) -> None:
        """Something was posted to wallets."""
        for entry in entries:
            self._touched[account.name, entry.row] = entry.at_us

    def _wallet(self, account: Account, row: str) -> tuple[str, int]:
        known = self._known.get((account.name, row))
        if known is None:
            raw = bytes_for(self._seed, "wallet", account.name, row)
            age_days = 1 + int.from_bytes(raw[16:24], "big") % 900
            known = self._known[account.name, row] = (uuid_of(raw), self._opened_us - age_days * _DAY_US)
        return known
