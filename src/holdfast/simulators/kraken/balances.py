"""
The channel ``balances``: totals per asset and wallet, then the ledger's entries as they are posted.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances (checked 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO, add, subtract, total_of
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.render import number_writer, rfc3339
from holdfast.simulators.kraken.stream import StreamSurface

__all__ = ["BalancesChannel"]

_CATEGORIES = {"margin": "margin-trade", "rollover": "marginrollover", "staking": "staking-rewards", "transfer": ""}


class BalancesChannel:
    """What its subscriptions are told."""

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
        return [
            {
                "asset": code,
                "asset_class": "currency",
                "balance": self._number(total_of(wallets.values())),
                "wallets": [
                    {"type": kind, "id": id_, "balance": self._number(balance)}
                    for (kind, id_), balance in wallets.items()
                    if balance or (kind, id_) == ("spot", "main")
                ],
            }
            for code, wallets in assets.items()
            if any(wallets.values())
        ]

    def entries_posted(self, account: Account, entries: Sequence[LedgerEntry]) -> None:
        """Push the entries of one event: a message per entry, or one for all where the settings say so."""
        feeds = self._surface.feeds("balances", account.name)
        if not feeds:
            return
        rows = [self.row(account, entries, index) for index in range(len(entries))]
        messages = [[row] for row in rows] if self._exchange.settings.are_trade_legs_apart else [rows]
        for message in messages:
            for feed in feeds:
                feed.push("update", _with_user(message, account) if feed.options.get("users") else message)

    def row(self, account: Account, entries: Sequence[LedgerEntry], index: int) -> dict[str, Any]:
        """One entry of an event as an update has it; the event's later entries have been posted too."""
        entry = entries[index]
        listed = self._exchange.listing.assets[entry.row]
        wallet_type, wallet_id = listed.wallet
        return {
            "ledger_id": entry.id,
            "ref_id": entry.ref,
            "timestamp": rfc3339(entry.at_us),
            "type": entry.kind,
            "subtype": entry.subtype,
            "category": _CATEGORIES.get(entry.kind, entry.kind),
            "asset": listed.code,
            "asset_class": "currency",
            "wallet_type": wallet_type,
            "wallet_id": wallet_id,
            "amount": self._number(entry.amount),
            "fee": self._number(entry.fee),
            "balance": self._number(self._balance_after(account, entries, index)),
        }

    def push_foreign(self, asset: str, amount: Decimal, *, wallet_type: str, wallet_id: str) -> None:
        """Tell every subscription of a row that is in no ledger of the account."""
        for session in list(self._surface.sessions):
            for feed in session.feeds.values():
                if feed.channel == "balances":
                    row = {
                        "ledger_id": self._exchange.new_id("L"),
                        "ref_id": self._exchange.new_id("R"),
                        "timestamp": rfc3339(self._exchange.now_us()),
                        "type": "transfer",
                        "subtype": "spotfromfutures",
                        "category": "",
                        "asset": asset,
                        "asset_class": "currency",
                        "wallet_type": wallet_type,
                        "wallet_id": wallet_id,
                        "amount": self._number(amount),
                        "fee": self._number(ZERO),
                        "balance": self._number(amount),
                    }
                    feed.push("update", [row])

    def _balance_after(self, account: Account, entries: Sequence[LedgerEntry], index: int) -> Decimal:
        """The asset's total after the event, or its or its wallet's right after this entry and before later ones."""
        listed = self._exchange.listing.assets[entries[index].row]
        meaning = self._exchange.settings.update_balance
        balances = {
            row.id: account.ledger.balances.get(row.id, ZERO)
            for row in self._exchange.listing.rows_of(listed.code)
            if meaning != "wallet" or row.wallet == listed.wallet
        }
        off = self._exchange.impairments.spend("false_balance", asset=listed.code)
        if off is not None:
            balances[""] = off.fields["by"]
        for later in reversed(entries[index + 1 :]) if meaning != "total" else ():
            if later.row in balances:
                balances[later.row] = add(subtract(later.balance, later.amount), later.fee)
        return total_of(balances.values())


def _with_user(rows: list[dict[str, Any]], account: Account) -> list[dict[str, Any]]:
    return [{**row, "user": account.account_id} for row in rows]
