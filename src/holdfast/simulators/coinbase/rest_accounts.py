"""
Accounts, portfolios, the key's permissions, fees.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/accounts/list-accounts,
.../accounts/get-account, .../data-api/get-api-key-permissions, .../portfolios/list-portfolios,
.../portfolios/get-portfolio-breakdown, .../fees/get-transaction-summary.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, add, multiply, round_down, trim_amount
from holdfast.simulators.coinbase.call import Call
from holdfast.simulators.coinbase.errors import CoinbaseRefusedError, v3_error
from holdfast.simulators.coinbase.exchange import FEES, CoinbaseExchange, WalletFigures
from holdfast.simulators.coinbase.keys import ApiKey
from holdfast.simulators.coinbase.listing import PLACES
from holdfast.simulators.coinbase.pages import offset_in, page_cursor
from holdfast.simulators.coinbase.render import number, places, rfc3339
from holdfast.simulators.core.accounts import Account

__all__ = ["METHODS"]

_DEFAULT_PAGE: Final = 49
_LARGEST_PAGE: Final = 250


def _figures(call: Call) -> list[WalletFigures]:
    """The wallets of the caller as an account read knows them: perhaps late, perhaps wrong."""
    exchange = call.exchange
    now_s = exchange.now_s()
    lag_s = exchange.settings.account_lag_s
    at_s = exchange.impairments.lagging_s("rest_lag")
    holds_at_s = exchange.impairments.lagging_s("hold_lag")
    if lag_s:
        at_s = min(now_s - lag_s, now_s if at_s is None else at_s)
    if at_s is None and holds_at_s is None:
        return exchange.figures(call.account)
    return exchange.figures(call.account, at_s=now_s if at_s is None else at_s, holds_at_s=holds_at_s)


def _account_row(exchange: CoinbaseExchange, account: Account, figures: WalletFigures) -> dict[str, Any]:
    wallet, settings = figures.wallet, exchange.settings
    kind = wallet.kind
    is_fiat = wallet.currency.is_fiat
    type_ = "VAULT" if kind == "VAULT" else "FIAT" if is_fiat else "CRYPTO"
    created_us, touched_us = exchange.wallets.times_us(account, wallet.row)
    row: dict[str, Any] = {
        "uuid": exchange.wallets.uuid(account, wallet.row),
        "name": f"{figures.stated} {'Vault' if kind == 'VAULT' else 'Wallet'}",
        "currency": figures.stated,
        "available_balance": {"value": places(figures.available, PLACES), "currency": figures.stated},
        "default": "@" not in wallet.row,
        "active": True,
        "ready": settings.are_empty_wallets_ready or bool(figures.available or figures.hold),
        "created_at": rfc3339(created_us),
        "updated_at": rfc3339(touched_us),
        "deleted_at": None,
        "type": f"ACCOUNT_TYPE_{type_}" if settings.account_types == "long" else type_,
    }
    if figures.hold or settings.is_zero_hold_stated:
        row["hold"] = {"value": places(figures.hold, PLACES), "currency": figures.stated}
    row["retail_portfolio_id"] = account.account_id
    row["platform"] = "ACCOUNT_PLATFORM_CFM_CONSUMER" if kind == "CFM" else "ACCOUNT_PLATFORM_CONSUMER"
    return row


def _impaired(call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as the faults in force leave them."""
    exchange, read = call.exchange, call.name
    if (fields := exchange.is_fault("vanish", read=read)) is not None:
        rows = [row for row in rows if row["currency"] != fields["asset"]]
    if (fields := exchange.is_fault("override_row", read=read)) is not None:
        rows = _overridden(exchange, call.account, rows, fields)
    if (fields := exchange.is_fault("scale_balances", read=read)) is not None:
        rows = [_scaled(row, fields["factor"]) for row in rows]
    if exchange.is_fault("zero_balances", read=read) is not None:
        rows = [_scaled(row, ZERO) for row in rows]
    return rows


def _overridden(
    exchange: CoinbaseExchange, account: Account, rows: list[dict[str, Any]], fields: dict[str, Any]
) -> list[dict[str, Any]]:
    code = fields["asset"]
    row = next((row for row in rows if row["currency"] == code), None)
    if row is None:
        wallet = exchange.listing.wallet("USD")
        row = _account_row(exchange, account, WalletFigures(wallet=wallet, stated="USD", available=ZERO, hold=ZERO))
        row |= {"uuid": exchange.wallets.uuid(account, f"?{code}"), "name": f"{code} Wallet", "currency": code}
        row["type"] = row["type"].replace("FIAT", "CRYPTO")
        rows = [*rows, row]
    changed = {**row, "available_balance": {"value": fields["balance"], "currency": code}}
    if "hold" in fields:
        changed["hold"] = {"value": fields["hold"], "currency": code}
    return [changed if other is row else other for other in rows]


def _scaled(row: dict[str, Any], factor: Decimal) -> dict[str, Any]:
    scaled = dict(row)
    for name in ("available_balance", "hold"):
        if name in row:
            value = multiply(Decimal(row[name]["value"]), factor)
            scaled[name] = {**row[name], "value": places(value, PLACES)}
    return scaled


def _list_accounts(call: Call) -> dict[str, Any]:
    limit = call.whole("limit")
    size = min(limit, _LARGEST_PAGE) if limit is not None and limit > 0 else _DEFAULT_PAGE
    offset, tag = offset_in(call.text("cursor"))
    exchange = call.exchange
    if offset and (fields := exchange.is_fault("page_failure")) is not None:
        raise call.broken(int(fields.get("status", 503)))
    kept = exchange.pages.find(tag) if tag else None
    if kept is None:
        account = call.account
        kept = _impaired(call, [_account_row(exchange, account, figures) for figures in _figures(call)])
        tag = exchange.pages.keep(kept) if exchange.settings.are_pages_frozen else ""
    rows = kept[offset : offset + size]
    has_next = offset + size < len(kept)
    cursor = page_cursor(offset + size, tag) if has_next else ""
    if has_next and exchange.is_fault("cursor_loop") is not None:
        cursor = call.text("cursor") or page_cursor(0, tag)
    if offset and exchange.is_fault("repeated_account") is not None:
        rows = [kept[offset - 1], *rows]
    if (form := exchange.is_fault("empty_result")) is not None:
        return _empty(str(form.get("form", "list")))
    return {"accounts": rows, "has_next": has_next, "cursor": cursor, "size": len(rows)}


def _empty(form: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"has_next": False, "cursor": "", "size": 0}
    if form != "absent":
        answer = {"accounts": None if form == "null" else [], **answer}
    return answer


def _get_account(call: Call) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    for figures in _figures(call):
        if exchange.wallets.uuid(account, figures.wallet.row) == call.id:
            rows = _impaired(call, [_account_row(exchange, account, figures)])
            row = next((row for row in rows if row["uuid"] == call.id), None)
            if row is not None:
                return {"account": row}
    raise call.missing("account not found")


def _key_permissions(call: Call) -> dict[str, Any]:
    key: ApiKey = call.key
    return {
        "can_view": "view" in key.scopes,
        "can_trade": "trade" in key.scopes,
        "can_transfer": "transfer" in key.scopes,
        "can_receive": "receive" in key.scopes,
        "portfolio_uuid": call.account.account_id,
        "portfolio_type": "DEFAULT" if call.account.name == "master" else "CONSUMER",
    }


def _portfolio(account: Account) -> dict[str, Any]:
    is_main = account.name == "master"
    name = "Default" if is_main else account.name
    return {"name": name, "uuid": account.account_id, "type": "DEFAULT" if is_main else "CONSUMER", "deleted": False}


def _list_portfolios(call: Call) -> dict[str, Any]:
    wanted = call.text("portfolio_type")
    rows = [_portfolio(account) for account in call.exchange.all_accounts()]
    return {"portfolios": [row for row in rows if wanted in ("", "UNDEFINED", row["type"])]}


def _portfolio_breakdown(call: Call) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    if call.id != account.account_id:
        raise _no_portfolio()
    positions, cash, crypto = [], ZERO, ZERO
    for figures in _figures(call):
        currency = figures.wallet.currency
        price = exchange.usd_price(currency.code)
        total = add(figures.available, figures.hold)
        worth = round_down(multiply(total, price), places=8)
        free = round_down(multiply(figures.available, price), places=8)
        cash, crypto = (add(cash, worth), crypto) if currency.is_fiat else (cash, add(crypto, worth))
        positions.append(
            {
                "asset": figures.stated,
                "account_uuid": exchange.wallets.uuid(account, figures.wallet.row),
                "total_balance_fiat": number(worth),
                "total_balance_crypto": number(total),
                "available_to_trade_fiat": number(free),
                "allocation": 0,
                "one_day_change": 0,
                "cost_basis": {"value": "0", "currency": "USD"},
                "asset_img_url": "",
                "is_cash": currency.is_fiat,
                "average_entry_price": {"value": "0", "currency": "USD"},
                "asset_uuid": exchange.wallets.uuid(account, f"asset/{figures.stated}"),
                "available_to_trade_crypto": number(figures.available),
                "unrealized_pnl": 0,
                "available_to_transfer_fiat": number(free),
                "available_to_transfer_crypto": number(figures.available),
                "asset_color": "",
                "account_type": _account_row(exchange, account, figures)["type"],
                "funding_pnl": 0,
                "available_to_send_fiat": number(free),
                "available_to_send_crypto": number(figures.available),
            }
        )

    def usd(value: Decimal) -> dict[str, str]:
        return {"value": places(value, 2), "currency": "USD"}

    return {
        "breakdown": {
            "portfolio": _portfolio(account),
            "portfolio_balances": {
                "total_balance": usd(add(cash, crypto)),
                "total_futures_balance": usd(ZERO),
                "total_cash_equivalent_balance": usd(cash),
                "total_crypto_balance": usd(crypto),
                "futures_unrealized_pnl": usd(ZERO),
                "perp_unrealized_pnl": usd(ZERO),
                "total_equities_balance": usd(ZERO),
            },
            "spot_positions": positions,
            "perp_positions": [],
            "futures_positions": [],
            "prediction_markets_positions": [],
            "equity_positions": [],
        }
    }


def _no_portfolio() -> CoinbaseRefusedError:
    return v3_error(403, "PERMISSION_DENIED", "User does not have access to portfolio")


def _transaction_summary(call: Call) -> dict[str, Any]:
    exchange = call.exchange
    tier = FEES.tier(exchange.volume_30d_usd)
    after = FEES.after(tier)
    index = FEES.tiers.index(tier) + 1
    volume = exchange.volume_30d_usd
    fees = round_down(multiply(volume, Decimal("0.0025")), places=8)
    rate = Decimal("0.01")
    return {
        "total_volume": number(volume),
        "total_fees": number(fees),
        "fee_tier": {
            "pricing_tier": f"Advanced {index}",
            "usd_from": trim_amount(tier.volume),
            "usd_to": "" if after is None else trim_amount(after.volume),
            "taker_fee_rate": trim_amount(multiply(tier.taker, rate)),
            "maker_fee_rate": trim_amount(multiply(tier.maker, rate)),
            "aop_from": "",
            "aop_to": "",
            "perps_vol_from": "",
            "perps_vol_to": "",
            "futures_vol_from": "",
            "futures_vol_to": "",
            "volume_types_and_range": [],
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "advanced_trade_only_volume": number(volume),
        "advanced_trade_only_fees": number(fees),
        "coinbase_pro_volume": 0,
        "coinbase_pro_fees": 0,
        "total_balance": "",
        "volume_breakdown": [],
        "has_promo_fee": False,
        "has_cost_plus_commission": False,
    }


def _futures_summary(call: Call) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    if not exchange.profile.has_futures:
        raise call.missing("no futures account")
    spot, broker = (account.ledger.balances.get(row, ZERO) for row in ("USD", "USD@CFM"))

    def usd(value: Decimal) -> dict[str, str]:
        return {"value": places(value, 2), "currency": "USD"}

    window = {
        "margin_window_type": "FCM_MARGIN_WINDOW_TYPE_INTRADAY",
        "margin_level": "MARGIN_LEVEL_TYPE_BASE",
        "initial_margin": "0",
        "maintenance_margin": "0",
        "liquidation_buffer": "0",
        "total_hold": "0",
        "futures_buying_power": places(broker, 2),
    }
    return {
        "balance_summary": {
            "futures_buying_power": usd(broker),
            "total_usd_balance": usd(add(spot, broker)),
            "cbi_usd_balance": usd(spot),
            "cfm_usd_balance": usd(broker),
            "total_open_orders_hold_amount": usd(ZERO),
            "unrealized_pnl": usd(ZERO),
            "daily_realized_pnl": usd(ZERO),
            "initial_margin": usd(ZERO),
            "available_margin": usd(broker),
            "liquidation_threshold": usd(ZERO),
            "liquidation_buffer_amount": usd(broker),
            "liquidation_buffer_percentage": "1000",
            "intraday_margin_window_measure": window,
            "overnight_margin_window_measure": {**window, "margin_window_type": "FCM_MARGIN_WINDOW_TYPE_OVERNIGHT"},
        }
    }


METHODS: Final = {
    "ListAccounts": _list_accounts,
    "GetAccount": _get_account,
    "GetApiKeyPermissions": _key_permissions,
    "ListPortfolios": _list_portfolios,
    "GetPortfolioBreakdown": _portfolio_breakdown,
    "GetTransactionsSummary": _transaction_summary,
    "GetFuturesBalanceSummary": _futures_summary,
}
"""By name: what answers."""
