"""
The channels ``balances`` and ``executions``.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances,
.../executions, https://docs.kraken.com/exchange/guides/websockets/authentication.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO, add
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.feeds import Feed
from holdfast.simulators.kraken.render import number_writer, rfc3339
from holdfast.simulators.kraken.stream import StreamSurface

__all__ = ["BalancesChannel"]


class BalancesChannel:
    """Totals per asset and wallet: a snapshot, then the ledger's entries as they are posted."""

    name = "balances"

    def __init__(self, exchange: KrakenExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        self._number = number_writer(exchange.settings.numbers)
        exchange.entry_listeners.append(self.entries_posted)

    def snapshot(self, account: Account) -> list[dict[str, Any]]:
        """Every asset held, with its wallets; one whose total is zero is absent."""
        assets: dict[str, dict[tuple[str, str], Decimal]] = {}
        for row, balance in account.ledger.balances.items():
            listed = self._exchange.listing.assets[row]
            wallets = assets.setdefault(listed.code, {})
            wallets[listed.wallet] = add(wallets.get(listed.wallet, ZERO), balance)
        rows = []
        for code, wallets in assets.items():
            total = ZERO
            for balance in wallets.values():
                total = add(total, balance)
            if any(wallets.values()):
                rows.append(
                    {
                        "asset": code,
                        "asset_class": "currency",
                        "balance": self._number(total),
                        "wallets": [
                            {"type": kind, "id": id_, "balance": self._number(balance)}
                            for (kind, id_), balance in wallets.items()
                            if balance or (kind, id_) == ("spot", "main")
                        ],
                    }
                )
        return rows

    def entries_posted(self, account: Account, entries: Sequence[LedgerEntry]) -> None:
        """Push the entries of one event to every subscription of the account, one message per asset."""
        feeds = self._feeds(account)
        if not feeds:
            return
        for entry in entries:
            row = self._update(account, entry)
            for feed in feeds:
                feed.push("update", [row])

    def _update(self, account: Account, entry: LedgerEntry) -> dict[str, Any]:
        listed = self._exchange.listing.assets[entry.row]
        wallet_type, wallet_id = listed.wallet
        balance = entry.balance
        if self._exchange.settings.update_balance == "total":
            balance = ZERO
            for row in self._exchange.listing.rows_of(listed.code):
                balance = add(balance, account.ledger.balances.get(row.id, ZERO))
        return {
            "ledger_id": entry.id,
            "ref_id": entry.ref,
            "timestamp": rfc3339(entry.at_us),
            "type": entry.kind,
            "subtype": entry.subtype,
            "category": entry.kind,
            "asset": listed.code,
            "asset_class": "currency",
            "wallet_type": wallet_type,
            "wallet_id": wallet_id,
            "amount": self._number(entry.amount),
            "fee": self._number(entry.fee),
            "balance": self._number(balance),
        }

    def _feeds(self, account: Account) -> list[Feed]:
        return [
            feed
            for session in self._surface.sessions
            for feed in session.feeds.values()
            if feed.channel == self.name and feed.token is not None and feed.token.key.account == account.name
        ]
