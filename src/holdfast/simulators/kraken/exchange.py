"""
The simulated Kraken itself: what exists there, whatever wire it is asked over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from holdfast.core.amounts import ZERO, exact, format_amount
from holdfast.core.assets import AssetCode
from holdfast.core.seams import Clock
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.dice import Dice
from holdfast.simulators.core.ledger import LedgerEntry, Posting
from holdfast.simulators.core.seam import Timers
from holdfast.simulators.kraken.faults import Impairments
from holdfast.simulators.kraken.keys import TRADING_PERMISSIONS, ApiKey, made_key
from holdfast.simulators.kraken.listing import EARN_SUFFIX, Listing, listing_for
from holdfast.simulators.kraken.profiles import PROFILES, Profile
from holdfast.simulators.kraken.settings import KrakenSimSettings

__all__ = ["KEEP_S", "KrakenExchange"]

KEEP_S: Final = 300.0
"""How many seconds of the past lagging replicas can answer from."""


class KrakenExchange:
    """Accounts, keys, listing and time of one simulated Kraken."""

    def __init__(
        self, *, seed: int, profile: str, clock: Clock, timers: Timers, settings: KrakenSimSettings | None
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}; expected one of {', '.join(PROFILES)}")
        self.seed = seed
        self.profile: Profile = PROFILES[profile]
        self.clock = clock
        self.timers = timers
        self.settings = settings or KrakenSimSettings()
        self.skew_us = round(self.settings.clock_skew_s * 1_000_000)
        self.listing: Listing = listing_for(extra_assets=self.profile.extra_assets)
        self.mode = "online"
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.impairments = Impairments()
        self.entry_listeners: list[Callable[[Account, Sequence[LedgerEntry]], None]] = []
        self._ids = Dice(seed, "ids")
        for name, start in self.profile.accounts.items():
            self._open_account(name)
            account = self.accounts[name]
            for row, amount in start.rows.items():
                if Decimal(amount):
                    self.post(name, [Posting(row=row, amount=Decimal(amount), kind="deposit")])
                else:
                    account.ledger.touch(row)
            account.credit.update({asset: Decimal(amount) for asset, amount in start.credit.items()})

    def now_us(self) -> int:
        """The venue's clock, Unix microseconds."""
        return self.clock.wall_us() + self.skew_us

    def now_s(self) -> float:
        """The unstepped clock that durations are measured on."""
        return self.clock.now_s()

    def new_id(self, first: str) -> str:
        """An id in Kraken's form, such as ``OABCDE-FGHIJ-KLMNOP``."""
        letters = self._ids.letters(16)
        return f"{first}{letters[:5]}-{letters[5:10]}-{letters[10:]}"

    def post(self, account: str, postings: list[Posting], *, ref: str | None = None) -> tuple[LedgerEntry, ...]:
        """Post the legs of one event to an account's ledger, and tell its streams."""
        owner = self.accounts[account]
        entries = owner.ledger.post(postings, ref=ref or self.new_id("R"), at_us=self.now_us(), now_s=self.now_s())
        for listener in self.entry_listeners:
            listener(owner, entries)
        return entries

    def truth_of(self, account: Account) -> dict[AssetCode, dict[str, str]]:
        """Total, held and available of every asset the account ever touched, by canonical code."""
        rows = account.ledger.rows
        figures: dict[AssetCode, list[Decimal]] = {}
        with exact():
            for row in dict.fromkeys((*rows.balances, *rows.holds)):
                code = self.listing.assets[row].code
                total, held = figures.setdefault(code, [ZERO, ZERO])
                figures[code] = [total + rows.balances.get(row, ZERO), held + rows.holds.get(row, ZERO)]
            return {
                code: {
                    "total": format_amount(total.normalize()),
                    "held": format_amount(held.normalize()),
                    "available": format_amount(
                        (account.tradable(code) + account.credit.get(code, ZERO) - held).normalize()
                    ),
                }
                for code, (total, held) in figures.items()
            }

    def _open_account(self, name: str) -> None:
        self.accounts[name] = Account(
            name=name,
            account_id=f"AA{self._ids.below(90) + 10} N84G {self._ids.letters(4)} {self._ids.letters(4)}",
            rows_of=self._spendable_rows,
            next_entry_id=lambda: self.new_id("L"),
            keep_s=KEEP_S,
        )
        key = made_key(
            self.seed,
            account=name,
            name="trading",
            permissions=TRADING_PERMISSIONS,
            nonce_window=self.settings.nonce_window,
            created_us=self.now_us(),
        )
        self.keys[key.public] = key

    def _spendable_rows(self, code: AssetCode) -> list[str]:
        earns = (EARN_SUFFIX,) if self.settings.are_f_rows_spendable else ()
        return [row.id for row in self.listing.rows_of(code) if row.suffix in ("", *earns)]
