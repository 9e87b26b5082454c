"""
OKX's ``account`` channel, put together: paged snapshots, changes between them, and time that never runs back. Pure.

A snapshot comes when the channel is subscribed and every few seconds after, maybe in pages, and is complete over all of
them; a change states whole rows of what changed, and nothing of the rest. There are no sequence numbers: of each
currency the row with the latest time counts, and a snapshot that knows less than was told already is refused as a
whole: the next one is seconds away. Only a venue that insists, with a clock that goes on, is believed in the end.

Beside it ``balance_and_position`` tells of cash only, and sooner. It is no source of figures; but cash that it told of
and that does not come here in time shows that a change was lost.

Sources: https://www.okx.com/docs-v5/en/#trading-account-websocket-account-channel ·
https://www.okx.com/docs-v5/en/#trading-account-websocket-balance-and-position-channel ·
https://www.okx.com/docs-v5/trick_en/ (account section: the period, and zero rows) (checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Holding, Partial, Snapshot, Source
from holdfast.errors import PayloadError
from holdfast.venues.okx import wire
from holdfast.venues.okx.balances import Push
from holdfast.venues.okx.parse import amount, milliseconds
from holdfast.venues.okx.symbols import code_of

__all__ = ["AccountChannel", "CashWatch", "RegressedError"]

_READ: Final = "account"

# A row's own time is not after the view that shows it; one that is would make everything later look old.
_AHEAD_MS: Final = 5_000

# So many snapshots of before, each later than the one before it, are refused; the next one is believed.
_REFUSED_AT_MOST: Final = 3


class RegressedError(PayloadError):
    """A statement of before what was told already."""


class AccountChannel:
    """
    What one account's channel has told, over all connections to it.

    Attributes:
        totals: The latest cash of each currency that was told.
        is_stated: Whether a whole snapshot came since the channel was begun.
    """

    def __init__(self) -> None:
        self.totals: dict[AssetCode, Decimal] = {}
        self.is_stated = False
        self._times: dict[AssetCode, int] = {}
        self._at_ms = 0
        self._refused = 0
        self._refused_ms = 0
        self._pages: dict[AssetCode, tuple[Holding, int]] | None = None
        self._page = 0
        self._began_ms = 0
        self._between: dict[AssetCode, tuple[Holding, int]] = {}

    def begin(self) -> None:
        """A subscription begins: what is told before its snapshot is not shown."""
        self.is_stated = False
        self._drop_pages()

    def time_of(self, code: AssetCode) -> int:
        """When a currency changed last, as told, in milliseconds on OKX's clock; 0 where it was never told."""
        return self._times.get(code, 0)

    def take(self, push: Push, *, as_of_s: float) -> Snapshot | Partial | None:
        """
        What a push states; None while pages of a snapshot are missing, and for changes before the first snapshot.

        Raises:
            RegressedError: It is of before what was told already: nothing of it counts.
            PayloadError: A page is missing, or a kind of push that we do not know.
        """
        times = {code: min(time_ms, push.at_ms + _AHEAD_MS) for code, time_ms in push.times.items()}
        if push.event_type == "event_update":
            return self._change(push, times, as_of_s=as_of_s)
        if push.event_type not in (None, "snapshot"):
            raise PayloadError(f"{_READ}: event type {ascii(push.event_type)[:40]} is neither snapshot nor update")
        page = 1 if push.page is None else push.page
        if page == 1:
            self._pages, self._page, self._began_ms = {}, 0, push.at_ms
            if self.is_stated:
                self._between = {}
        if self._pages is None or page != self._page + 1:
            self._drop_pages()
            raise PayloadError(f"{_READ}: page {page} of a snapshot came where another one was due")
        self._page = page
        for code, holding in push.holdings.items():
            known = self._pages.get(code)
            if known is None or times[code] >= known[1]:
                self._pages[code] = (holding, times[code])
        if push.is_last is False:
            return None
        return self._whole(as_of_s=as_of_s)

    def _whole(self, *, as_of_s: float) -> Snapshot:
        rows, began_ms, between = self._pages or {}, self._began_ms, self._between
        self._drop_pages()
        for code, (holding, time_ms) in between.items():
            if time_ms >= (rows[code][1] if code in rows else began_ms):
                rows[code] = (holding, time_ms)
        regressed = self._regressed(rows, began_ms)
        if regressed is not None:
            # A clock that goes on from an earlier time is the venue's, set back; what was kept too long stands still.
            self._refused = self._refused + 1 if began_ms > self._refused_ms else 1
            self._refused_ms = began_ms
            if self._refused <= _REFUSED_AT_MOST:
                raise RegressedError(regressed)
            self._times = {}
        self._refused, self._refused_ms = 0, 0
        self._at_ms = began_ms
        self._times |= {code: time_ms for code, (_, time_ms) in rows.items()}
        holdings = {code: holding for code, (holding, _) in rows.items()}
        self.totals = {code: holding.total for code, holding in holdings.items()}
        self.is_stated = True
        return Snapshot(
            read=_READ,
            source=Source.STREAM,
            as_of_s=as_of_s,
            holdings=holdings,
            states_holds=True,
            venue_time_s=began_ms / 1000,
        )

    def _regressed(self, rows: Mapping[AssetCode, tuple[Holding, int]], began_ms: int) -> str | None:
        """Why a snapshot is of before what was told already; None where it is not."""
        if began_ms < self._at_ms:
            return f"{_READ}: a snapshot of {self._at_ms - began_ms} ms before the latest one"
        for code, known_ms in self._times.items():
            told_ms = rows[code][1] if code in rows else began_ms
            if told_ms < known_ms:
                return f"{_READ}: {code} is of {known_ms - told_ms} ms before what was told already"
        return None

    def _change(self, push: Push, times: Mapping[AssetCode, int], *, as_of_s: float) -> Partial | None:
        fresh = {code: holding for code, holding in push.holdings.items() if times[code] >= self.time_of(code)}
        if self._pages is not None or not self.is_stated:
            self._between |= {code: (holding, times[code]) for code, holding in fresh.items()}
        if self.is_stated:
            self._times |= {code: times[code] for code in fresh}
            self.totals |= {code: holding.total for code, holding in fresh.items()}
        if not fresh and push.holdings:
            raise RegressedError(f"{_READ}: a change of {min(push.holdings)} of before what was told already")
        if not self.is_stated or not fresh:
            return None
        return Partial(
            read=_READ,
            source=Source.STREAM,
            as_of_s=as_of_s,
            holdings=fresh,
            states_holds=True,
            venue_time_s=push.at_ms / 1000,
        )

    def _drop_pages(self) -> None:
        self._pages, self._page, self._between = None, 0, {}


class CashWatch:
    """
    Cash that ``balance_and_position`` told of, and the ``account`` channel has not yet.

    Args:
        account: What the ``account`` channel has told.
        within_s: How much later that channel may tell of it.
    """

    def __init__(self, account: AccountChannel, *, within_s: float) -> None:
        self._account = account
        self._within_s = within_s
        self._waiting: dict[AssetCode, tuple[int, Decimal, float]] = {}
        self._alarmed: dict[AssetCode, tuple[Decimal | None, Decimal]] = {}
        self._is_trusted = True

    def heard(self, changes: Sequence[wire.CashChange], *, now_s: float) -> float | None:
        """
        Take a push; when to look for what it told of, our clock, or None where nothing is awaited.

        Raises:
            PayloadError, AmountError, UnknownAssetError: A row that is none.
        """
        if not self._is_trusted or not self._account.is_stated:
            return None
        for change in changes:
            if change.event_type == "snapshot":
                continue
            for row in change.bal_data:
                code = code_of(row.ccy)
                where = f"balance_and_position {code}"
                at_ms = milliseconds(row.u_time, f"{where}.uTime")
                cash = amount(row.cash_bal, f"{where}.cashBal")
                if at_ms > self._account.time_of(code) and cash != self._account.totals.get(code):
                    self._waiting[code] = (at_ms, cash, now_s)
        return min((told_s for _, _, told_s in self._waiting.values()), default=now_s) + self._within_s

    @property
    def is_waiting(self) -> bool:
        """Whether cash was told of that has not come."""
        self._came()
        return bool(self._waiting)

    def missing(self, *, now_s: float) -> tuple[AssetCode, int] | None:
        """A currency of which cash was told and did not come, and the time of that word; None where all has come."""
        self._came()
        for code, (at_ms, cash, told_s) in self._waiting.items():
            if now_s - told_s >= self._within_s:
                self._waiting = {}
                self._alarmed = {code: (self._account.totals.get(code), cash)}
                return code, at_ms
        return None

    def stated(self) -> None:
        """A whole snapshot came; where it says what was said before the alarm, the alarm was false, and is the last."""
        self._came()
        for code, (before, cash) in self._alarmed.items():
            now = self._account.totals.get(code)
            if now == before and now != cash:
                self._is_trusted = False
        self._alarmed = {}

    def _came(self) -> None:
        account = self._account
        for code, (at_ms, cash, _) in list(self._waiting.items()):
            if account.time_of(code) >= at_ms or account.totals.get(code) == cash:
                del self._waiting[code]
