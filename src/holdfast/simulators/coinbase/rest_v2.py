"""
The pages of the older v2 interface that clients of Advanced Trade read beside it: time, currencies, rates, accounts.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/coinbase-app/track-apis/accounts, .../track-apis/currencies,
.../track-apis/exchange-rates, .../track-apis/time, https://docs.cdp.coinbase.com/coinbase-app/api-architecture/pagination.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import add, trim_amount
from holdfast.simulators.coinbase.call import Call
from holdfast.simulators.coinbase.errors import v2_error
from holdfast.simulators.coinbase.exchange import CoinbaseExchange, WalletFigures
from holdfast.simulators.coinbase.keys import uuid_of
from holdfast.simulators.coinbase.listing import Currency
from holdfast.simulators.coinbase.render import rfc3339
from holdfast.simulators.coinbase.rest_products import server_us
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.dice import bytes_for

__all__ = ["METHODS"]

_DEFAULT_PAGE: Final = 25
_LARGEST_PAGE: Final = 100


def _time(call: Call) -> dict[str, Any]:
    us = server_us(call)
    return {"data": {"iso": rfc3339(us // 1_000_000 * 1_000_000), "epoch": us // 1_000_000}}


def _currencies(call: Call) -> dict[str, Any]:
    fiat = (currency for currency in call.exchange.listing.currencies.values() if currency.is_fiat)
    return {"data": [{"id": currency.id, "name": currency.name, "min_size": "0.01"} for currency in fiat]}


def _described(exchange: CoinbaseExchange, currency: Currency) -> dict[str, Any]:
    index = list(exchange.listing.currencies).index(currency.id)
    return {
        "asset_id": uuid_of(bytes_for(exchange.seed, "asset", currency.id)),
        "code": currency.id,
        "name": currency.name,
        "color": "#0052FF",
        "sort_index": 100 + index,
        "exponent": 2 if currency.is_fiat else 8,
        "type": "fiat" if currency.is_fiat else "crypto",
        "address_regex": "",
    }


def _crypto(call: Call) -> dict[str, Any]:
    exchange = call.exchange
    coins = (currency for currency in exchange.listing.currencies.values() if not currency.is_fiat)
    return {"data": [_described(exchange, currency) for currency in coins]}


def _rates(call: Call) -> dict[str, Any]:
    exchange = call.exchange
    rates = {
        currency.id: trim_amount(divide(Decimal(1), exchange.usd_price(currency.code), places=10))
        for currency in exchange.listing.currencies.values()
    }
    return {"data": {"currency": "USD", "rates": rates}}


def _account(call: Call, figures: WalletFigures) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    currency, kind = figures.wallet.currency, figures.wallet.kind
    uuid = exchange.wallets.uuid(account, figures.wallet.row)
    is_whole = exchange.settings.is_v2_balance_total
    balance = add(figures.available, figures.hold) if is_whole else figures.available
    return {
        "id": uuid,
        "name": f"{figures.stated} {'Vault' if kind == 'VAULT' else 'Wallet'}",
        "primary": figures.wallet.row == "BTC",
        "type": "vault" if kind == "VAULT" else "fiat" if currency.is_fiat else "wallet",
        "currency": {**_described(exchange, currency), "slug": currency.name.lower().replace(" ", "-")},
        "balance": {"amount": trim_amount(balance), "currency": figures.stated},
        "created_at": rfc3339(exchange.opened_us),
        "updated_at": rfc3339(exchange.opened_us),
        "resource": "account",
        "resource_path": f"/v2/accounts/{uuid}",
        "allow_deposits": True,
        "allow_withdrawals": True,
    }


def _accounts(call: Call) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    listed = exchange.figures(account)
    limit = call.whole("limit")
    size = min(limit, _LARGEST_PAGE) if limit is not None and limit > 0 else _DEFAULT_PAGE
    after = call.text("starting_after")
    start = 0
    if after:
        ids = [exchange.wallets.uuid(account, figures.wallet.row) for figures in listed]
        if after not in ids:
            raise v2_error(400, "validation_error", "starting_after is not an account")
        start = ids.index(after) + 1
    rows = [_account(call, figures) for figures in listed[start : start + size]]
    has_more = start + size < len(listed)
    last = rows[-1]["id"] if rows and has_more else None
    pagination = {
        "ending_before": None,
        "starting_after": after or None,
        "previous_ending_before": None,
        "next_starting_after": last,
        "limit": size,
        "order": "desc",
        "previous_uri": None,
        "next_uri": None if last is None else f"/v2/accounts?limit={size}&starting_after={last}",
    }
    return {"pagination": pagination, "data": rows}


METHODS: Final = {
    "v2/time": _time,
    "v2/currencies": _currencies,
    "v2/currencies/crypto": _crypto,
    "v2/exchange-rates": _rates,
    "v2/accounts": _accounts,
}
"""By name: what answers."""
