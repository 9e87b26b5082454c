"""
What an attached process knows: the owner's picture, as old as it is.

Figures are the owner's own; their age is counted here, on the same clock. While the owner has been heard within
``SILENT_AFTER_S`` they stand as it said; after that every one of them is stale, reason ``owner_silent``, whatever it
was before: nobody knows what the owner has learnt since. Nothing in here does I/O or reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance, BalanceState
from holdfast.core.health import Health
from holdfast.core.instruments import AssetInfo
from holdfast.core.seams import StoreStatus
from holdfast.core.venue import VenueMode
from holdfast.runtime.attach.protocol import OwnerHello, Pushed
from holdfast.runtime.names import check_asset
from holdfast.runtime.views import BrokerStatus, ChannelStatus, NonceStatus, Order, ReservationView, StreamStatus

__all__ = ["OWNER_SILENT", "SILENT_AFTER_S", "Mirror"]

SILENT_AFTER_S: Final = 3.0
"""An owner that was not heard for so long is silent: it speaks every second."""

OWNER_SILENT: Final = "owner_silent"
"""The reason of every figure while the owner is silent or gone."""

_NEVER_S: Final = float("-inf")


class Mirror:
    """
    One broker as its owner describes it.

    Attributes:
        heard_s: When the owner spoke last, by what it said itself, never later than now.
        assets: What the venue lists; empty until the owner knows.
        account_id: As the owner says; None until the venue has named it.
        error_count, has_figures: As the owner says.
    """

    def __init__(self, *, name: str, venue: str, environment: str) -> None:
        self.name = name
        self.venue = venue
        self.environment = environment
        self.heard_s = _NEVER_S
        self.assets: Mapping[AssetCode, AssetInfo] = {}
        self.error_count = 0
        self.has_figures = False
        self._is_connected = False
        self._max_age_s = float("inf")
        self._sent_s = _NEVER_S
        self._status: BrokerStatus | None = None
        self._balances: dict[AssetCode, Balance] = {}
        self._as_of_s: dict[AssetCode, float | None] = {}
        self._other: Balance | None = None
        self._orders: list[Order] = []
        self._reservations: list[ReservationView] = []
        self._budgets: dict[str, dict[AssetCode, Decimal | None]] = {}

    # What the owner says

    def greeted(self, hello: OwnerHello) -> None:
        """A new connection: what was known stays, and counts only once it has been pushed anew."""
        self._max_age_s = float("inf") if hello.max_age_s is None else hello.max_age_s

    def take(self, pushed: Pushed, *, now_s: float) -> None:
        """The owner's picture, or what of it differs."""
        if pushed.is_whole:
            self._balances, self._as_of_s = {}, {}
            self._is_connected = True
        for asset, balance in pushed.balances.items():
            self._balances[asset] = balance
            self._as_of_s[asset] = None if balance.age_s is None else pushed.sent_s - balance.age_s
        for asset, at_s in pushed.as_of_s.items():
            self._as_of_s[asset] = at_s
        for asset in pushed.gone:
            self._balances.pop(asset, None)
            self._as_of_s.pop(asset, None)
        self._other = pushed.other
        self._status = pushed.status
        self.error_count = pushed.error_count
        self.has_figures = pushed.has_figures
        if pushed.open_orders is not None:
            self._orders = pushed.open_orders
        if pushed.reservations is not None:
            self._reservations = pushed.reservations
        if pushed.budgets is not None:
            self._budgets = pushed.budgets
        self._sent_s = pushed.sent_s
        # Read late is not heard late: what stood in the socket while we were stopped is as old as it says.
        self.heard_s = max(self.heard_s, min(pushed.sent_s, now_s))

    def lost(self) -> None:
        """The connection is gone: the figures stay, and are stale from now on."""
        self._is_connected = False

    @property
    def is_filled(self) -> bool:
        """Whether the owner has been heard at all."""
        return self._status is not None

    def is_silent(self, *, now_s: float) -> bool:
        """Whether nobody vouches for the figures now."""
        return not self._is_connected or now_s - self.heard_s > SILENT_AFTER_S

    # Answers

    @property
    def account_id(self) -> str | None:
        return None if self._status is None else self._status.account_id

    def balance(self, asset: AssetCode, *, now_s: float) -> Balance:
        """
        The balance of one asset at *now_s*.

        Raises:
            UnknownNameError: The venue lists no such asset.
        """
        found = self._balances.get(asset)
        if found is None or not found.total:
            check_asset(asset, venue=self.venue, listed=self.assets, known=self._balances)
        if found is not None:
            return self._as_of(found, self._as_of_s.get(asset), now_s=now_s)
        other = self._other
        if other is None:
            return _unknown(asset, OWNER_SILENT if self.is_silent(now_s=now_s) else "never_stated")
        as_of_s = None if other.age_s is None else self._sent_s - other.age_s
        return self._as_of(replace(other, asset=asset), as_of_s, now_s=now_s)

    def balances(self, *, now_s: float) -> dict[AssetCode, Balance]:
        """Every asset with a figure, in alphabetical order, at *now_s*."""
        return {
            asset: self._as_of(self._balances[asset], self._as_of_s.get(asset), now_s=now_s)
            for asset in sorted(self._balances)
        }

    def _as_of(self, balance: Balance, as_of_s: float | None, *, now_s: float) -> Balance:
        age_s = None if as_of_s is None else max(0.0, now_s - as_of_s)
        state, reason = balance.state, balance.reason
        if state is not BalanceState.UNKNOWN and self.is_silent(now_s=now_s):
            state, reason = BalanceState.STALE, OWNER_SILENT
        elif state is BalanceState.FRESH and age_s is not None and age_s > self._max_age_s:
            state, reason = BalanceState.STALE, "age"
        return replace(balance, age_s=age_s, state=state, reason=reason)

    def open_orders(self) -> list[Order]:
        """As the owner said last."""
        return list(self._orders)

    def reservations(self) -> list[ReservationView]:
        """As the owner said last."""
        return list(self._reservations)

    def budgets(self) -> Mapping[str, Mapping[AssetCode, Decimal | None]]:
        """As the owner said last."""
        return self._budgets

    def status(self, *, now_s: float) -> BrokerStatus:
        """The broker's condition at *now_s*: as the owner said last, older by the time since, and down once silent."""
        said = self._status
        if said is None:
            return _unheard(self.name, self.venue, self.environment)
        since_s = max(0.0, now_s - self._sent_s)
        stream, nonce = said.stream, said.nonce
        status = replace(
            said,
            last_success_age_s=_older(said.last_success_age_s, since_s),
            stream=replace(
                stream,
                for_s=stream.for_s + since_s,
                last_frame_age_s=_older(stream.last_frame_age_s, since_s),
                channels=tuple(replace(each, age_s=_older(each.age_s, since_s)) for each in stream.channels),
            ),
            nonce=replace(
                nonce,
                parked_for_s=None if nonce.parked_for_s is None else max(0.0, nonce.parked_for_s - since_s),
            ),
        )
        if not self.is_silent(now_s=now_s):
            return status
        return replace(
            status,
            health=Health.DOWN,
            reasons=(OWNER_SILENT, *said.reasons),
            is_available=False,
            stream=replace(status.stream, state="down", reason=OWNER_SILENT),
            states={"live": 0, "fresh": 0, "stale": said.assets},
        )


def _older(age_s: float | None, by_s: float) -> float | None:
    return None if age_s is None else age_s + by_s


def _unknown(asset: AssetCode, reason: str) -> Balance:
    return Balance(
        asset=asset,
        total=None,
        held=None,
        available=None,
        reserved=ZERO,
        spendable=None,
        state=BalanceState.UNKNOWN,
        age_s=None,
        source=None,
        reason=reason,
    )


def _unheard(name: str, venue: str, environment: str) -> BrokerStatus:
    """The condition of a broker whose owner has not been heard at all."""
    channels: tuple[ChannelStatus, ...] = ()
    return BrokerStatus(
        broker=name,
        venue=venue,
        environment=environment,
        account_id=None,
        health=Health.DOWN,
        reasons=(OWNER_SILENT,),
        is_available=False,
        error_count=0,
        last_error=None,
        last_success_age_s=None,
        read_latency_s=None,
        stream=StreamStatus(
            state="down", reason=OWNER_SILENT, for_s=0.0, last_frame_age_s=None, connects=0, channels=channels
        ),
        venue_mode=VenueMode.UNKNOWN,
        venue_clock_offset_s=None,
        is_halted=False,
        halted_reason=None,
        store=StoreStatus(is_ok=False, reason=OWNER_SILENT, last_seq=0, path=""),
        nonce=NonceStatus(refused=0, parked_cause=None, parked_for_s=None),
        assets=0,
        states={"live": 0, "fresh": 0, "stale": 0},
        discrepancies=0,
        suspects=(),
    )
