"""
The channels ``account`` and ``balance_and_position``.

``account`` begins with a complete snapshot, in pages where it is long, repeats it every few seconds, and in between
pushes whole rows of the currencies that changed, gathered on a grid of time. ``balance_and_position`` knows only cash,
and only says what changed it. Sources (checked 2026-11-20):
https://www.okx.com/docs-v5/en/#trading-account-websocket-account-channel,
https://www.okx.com/docs-v5/en/#trading-account-websocket-balance-and-position-channel,
https://www.okx.com/docs-v5/trick_en/ (how often, and on which grid).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, exact
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.orders import Change, Fill, Order
from holdfast.simulators.core.wire_json import decode_json
from holdfast.simulators.okx.balances import AccountView, detail_row, past_account, seen_account, stated_account
from holdfast.simulators.okx.exchange import FUNDING, OkxAccount, OkxExchange
from holdfast.simulators.okx.feeds import Feed
from holdfast.simulators.okx.render import ms, plain
from holdfast.simulators.okx.stream import StreamSurface

__all__ = ["AccountChannels"]

_FOREIGN_UID: Final = "44999999999999999"


class AccountChannels:
    """What the subscriptions to an account are told."""

    def __init__(self, exchange: OkxExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        self._dirty: dict[str, dict[str, None]] = {}  # Account to the currencies that changed since the last push.
        self._previous: dict[tuple[str, str], dict[str, Any]] = {}  # The row last pushed of a currency.
        exchange.entry_listeners.append(self.entries_posted)
        exchange.order_listeners.append(self.order_changed)

    # Beginnings

    def begin(self, feed: Feed) -> None:
        """Send what a new subscription of either channel starts with."""
        if feed.channel == "account":
            if self._exchange.impairments.spend("update_before_snapshot", channel="account"):
                account = self._account(feed)
                self._push_rows(feed, account, self._exchange.trading_rows(account)[:1])
            self._snapshot(feed)
            extra = decode_json(str(feed.arg.get("extraParams") or "{}").encode())
            interval = extra.get("updateInterval") if isinstance(extra, dict) else None
            if str(interval) != "0" and self._exchange.settings.snapshot_s:
                self._repeat_later(feed)
        else:
            self._cash_snapshot(feed)

    def resend(self, channel: str) -> None:
        """Send every subscription of a channel (``*``: of both) another snapshot."""
        for name, send in (("account", self._snapshot), ("balance_and_position", self._cash_snapshot)):
            if channel in ("*", name):
                for feed in self._surface.feeds(name):
                    send(feed)

    def _repeat_later(self, feed: Feed) -> None:
        timer = self._exchange.timers.call_later(self._exchange.settings.snapshot_s, self._repeat, feed)
        feed.timers = [timer]

    def _repeat(self, feed: Feed) -> None:
        if feed.is_live:
            self._repeat_later(feed)
            if self._exchange.impairments.spend("missing_snapshot") is None:
                self._snapshot(feed)

    # ``account``

    def _snapshot(self, feed: Feed) -> None:
        account, faults = self._account(feed), self._exchange.impairments
        stale = faults.spend("stale_snapshot")
        view = self._view(account)
        if stale is not None:
            view = past_account(self._exchange, account, by_s=stale.fields["by_s"])
        codes = [code for code in view.currencies() if view.is_shown(code) and self._covers(feed, code)]
        if faults.spend("snapshot_empty", channel="account"):
            codes = []
        size = max(1, self._exchange.settings.snapshot_page_rows)
        pages = [codes[at : at + size] for at in range(0, len(codes), size)] or [[]]
        lost = faults.spend("lost_page") if len(pages) > 1 else None
        gap_s = self._exchange.settings.page_gap_s
        for index, page in enumerate(pages):
            if lost is not None and index == len(pages) // 2:
                continue
            if index and gap_s:
                # Each page is as true as the moment it is sent at; events may come between.
                args = (feed, account, page, index + 1, index + 1 == len(pages), None if stale is None else view)
                feed.timers.append(self._exchange.timers.call_later(gap_s * index, self._push_page, *args))
            else:
                self._push_page(feed, account, page, index + 1, index + 1 == len(pages), view)

    def _push_page(
        self, feed: Feed, account: OkxAccount, codes: list[str], number: int, is_last: bool, view: AccountView | None
    ) -> None:
        marks: dict[str, Any] = {"eventType": "snapshot", "curPage": number, "lastPage": is_last}
        self._push(feed, account, codes, is_update=False, marks=marks, view=view)

    def _push_rows(self, feed: Feed, account: OkxAccount, codes: Sequence[str]) -> None:
        self._push(feed, account, codes, is_update=True, marks={"eventType": "event_update"})

    def _push(
        self,
        feed: Feed,
        account: OkxAccount,
        codes: Sequence[str],
        *,
        is_update: bool,
        marks: Mapping[str, Any],
        view: AccountView | None = None,
    ) -> None:
        view = view or self._view(account)
        stated = stated_account(self._exchange, account, view, ())
        stated["details"] = [self._row(account, view, code, is_update=is_update) for code in codes]
        uid = account.uid
        if is_update and self._exchange.impairments.spend("foreign_uid"):
            uid = _FOREIGN_UID
        if not self._exchange.settings.has_event_type:
            marks = {}
        feed.push([stated], is_update=is_update, uid=uid, **marks)

    def _row(self, account: OkxAccount, view: AccountView, code: str, *, is_update: bool) -> dict[str, Any]:
        faults = self._exchange.impairments
        row = detail_row(self._exchange, account, view, code, is_pushed=True)
        if is_update:
            previous = self._previous.get((account.name, code))
            self._previous[account.name, code] = dict(row)
            if previous is not None and faults.spend("old_row", asset=code):
                return previous
            false = faults.spend("false_balance", asset=code)
            if false is not None:
                with exact():
                    for name in ("cashBal", "availBal", "eq"):
                        row[name] = plain(Decimal(row[name]) + false.fields["by"])
        return row

    # ``balance_and_position``

    def _cash_snapshot(self, feed: Feed) -> None:
        account = self._account(feed)
        view = self._view(account)
        codes = [code for code in view.currencies() if view.cash.get(code, ZERO)]
        if self._exchange.impairments.spend("snapshot_empty", channel="balance_and_position"):
            codes = []
        self._push_cash(feed, account, view, codes, kind="snapshot", trades=[])

    def _push_cash(
        self,
        feed: Feed,
        account: OkxAccount,
        view: AccountView,
        codes: Sequence[str],
        *,
        kind: str,
        trades: list[dict[str, str]],
    ) -> None:
        changed_us = view.changed_us
        data = {
            "pTime": ms(self._exchange.now_us()),
            "eventType": kind,
            "balData": [
                {
                    "ccy": code,
                    "cashBal": plain(view.cash.get(code, ZERO)),
                    "uTime": ms(changed_us.get(code, self._exchange.opened_us)),
                }
                for code in codes
            ],
            "posData": [],
            "trades": trades,
        }
        feed.push([data], is_update=kind != "snapshot", uid=account.uid)

    # What happens

    def entries_posted(self, account: Account, entries: Sequence[LedgerEntry]) -> None:
        """Take in that balances changed."""
        codes = list(dict.fromkeys(entry.row for entry in entries if not entry.row.endswith(FUNDING)))
        if not codes:
            return
        self._changed(account.name, codes)
        if entries[0].kind != "2":  # A fill is told of when it is complete.
            self._tell_cash(self._exchange.accounts[account.name], codes, kind="transferred", trades=[])

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        """Take in that what orders hold changed."""
        del change
        if order.hold_asset is not None:
            self._changed(order.account, [order.hold_asset])
        if fill is not None:
            line = self._exchange.listing.lines[fill.symbol]
            self._tell_cash(
                self._exchange.accounts[order.account],
                [line.base.code, line.quote.code],
                kind="filled",
                trades=[{"instId": line.id, "tradeId": str(fill.number)}],
            )

    def _tell_cash(self, account: OkxAccount, codes: Sequence[str], *, kind: str, trades: list[dict[str, str]]) -> None:
        feeds = self._surface.feeds("balance_and_position", account.name)
        view = self._view(account) if feeds else None
        for feed in feeds:
            assert view is not None
            self._push_cash(feed, account, view, codes, kind=kind, trades=trades)

    def bots_changed(self, account: OkxAccount, code: str) -> None:
        """Take in that equity of a bot changed."""
        self._changed(account.name, [code])

    def _changed(self, account: str, codes: Sequence[str]) -> None:
        if not self._surface.sessions:
            return
        waiting = self._dirty.get(account)
        if waiting is None:
            waiting = self._dirty[account] = {}
            self._exchange.timers.call_later(self._exchange.settings.account_grid_s, self._flush, account)
        waiting.update(dict.fromkeys(codes))

    def _flush(self, name: str) -> None:
        codes = list(self._dirty.pop(name, {}))
        feeds = self._surface.feeds("account", name)
        if not feeds:
            return
        account = self._exchange.accounts[name]
        view = self._view(account)
        if not self._exchange.settings.do_updates_show_zero:
            codes = [code for code in codes if view.is_shown(code)]
        for feed in feeds:
            wanted = [code for code in codes if self._covers(feed, code)]
            if wanted:
                self._push_rows(feed, account, wanted)

    def _covers(self, feed: Feed, code: str) -> bool:
        return feed.arg.get("ccy") in (None, "", code)

    def _account(self, feed: Feed) -> OkxAccount:
        assert feed.account is not None
        return self._exchange.accounts[feed.account]

    def _view(self, account: OkxAccount) -> AccountView:
        return seen_account(self._exchange, account, is_lagging=False)
