"""
Signed REST methods that read the account, and the table of all of them.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-trade-volume,
https://docs.kraken.com/api/docs/rest-api/get-open-positions,
https://docs.kraken.com/api/docs/rest-api/get-api-key-info,
https://docs.kraken.com/api-reference/trading/get-websockets-token,
https://docs.kraken.com/exchange/guides/rest/api-keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.core.amounts import exact
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.kraken import rest_balances, rest_history
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.errors import KrakenRefusedError
from holdfast.simulators.kraken.exchange import FEES
from holdfast.simulators.kraken.keys import ALL_PERMISSIONS
from holdfast.simulators.kraken.render import places, unix_fine
from holdfast.simulators.kraken.tickets import truth_of_text

__all__ = ["METHODS", "Method"]

Method = Callable[[Call], Any]


def _trade_volume(call: Call) -> Any:
    settings = call.exchange.settings
    volume = settings.volume_30d_usd
    result: dict[str, Any] = {"currency": "ZUSD", "volume": places(volume, 4)}
    names = _pair_names(call)
    if not names:
        return result
    tier = FEES.tier(volume)
    later = FEES.after(tier)
    best = FEES.tiers[-1]
    own_maker = settings.maker_rebate_percent.copy_negate() if settings.maker_rebate_percent else tier.maker
    is_underscored = settings.fee_tier_spelling == "underscored"
    spelling = {
        name: name if not is_underscored else name.replace("fee", "_fee").replace("volume", "_volume").lstrip("_")
        for name in ("fee", "minfee", "maxfee", "nextfee", "tiervolume", "nextvolume")
    }
    for field, own, least, most, following in (
        ("fees", tier.taker, best.taker, FEES.tiers[0].taker, None if later is None else later.taker),
        ("fees_maker", own_maker, best.maker, FEES.tiers[0].maker, None if later is None else later.maker),
    ):
        figures = {
            "fee": places(own, 4),
            "minfee": places(least, 4),
            "maxfee": places(most, 4),
            "nextfee": None if following is None else places(following, 4),
            "tiervolume": places(tier.volume, 2),
            "nextvolume": None if later is None else places(later.volume, 2),
        }
        result[field] = {name: {spelling[key]: figure for key, figure in figures.items()} for name in names}
    return result


def _pair_names(call: Call) -> list[str]:
    value = call.fields.get("pair") or ""
    names = [str(item) for item in value] if isinstance(value, list) else [n for n in str(value).split(",") if n]
    pairs = [call.exchange.listing.pair(name) for name in names]
    if any(pair is None for pair in pairs):
        raise KrakenRefusedError("EQuery:Unknown asset pair")
    return [pair.key for pair in pairs if pair is not None]


def _open_positions(call: Call) -> Any:
    wanted = [name for name in str(call.fields.get("txid") or "").split(",") if name]
    with_values = truth_of_text(call.fields.get("docalcs"))
    result: dict[str, Any] = {}
    for position in call.exchange.engine.margin.of(call.account.name):
        pair = call.exchange.listing.by_code[position.symbol]
        order = call.account.orders.get(position.order_id)
        key = f"T{position.order_id[1:]}"
        if wanted and key not in wanted:
            continue
        row: dict[str, Any] = {
            "ordertxid": position.order_id,
            "posstatus": "open",
            "pair": pair.key,
            "time": unix_fine(position.opened_us),
            "type": position.side,
            "ordertype": "limit" if order is None else order.request.details["ordertype"],
            "cost": places(position.cost, pair.cost_decimals),
            "fee": places(position.fee, pair.cost_decimals),
            "vol": places(position.quantity, pair.lot_decimals),
            "vol_closed": places(position.closed, pair.lot_decimals),
            "margin": places(position.margin, pair.cost_decimals),
            "terms": "0.0100% per 4 hours",
            "rollovertm": str(position.opened_us // 1_000_000 + 14_400),
            "misc": "",
            "oflags": "",
        }
        if with_values:
            with exact():
                left = position.quantity - position.closed
                worth = left * call.exchange.engine.markets[position.symbol].mid
                opened = divide(position.cost * left, position.quantity, places=10)
                net = worth - opened if position.side == "buy" else opened - worth
            row |= {"value": places(worth, 1), "net": f"{'+' if net >= 0 else ''}{places(net, 4)}"}
        result[key] = row
    return result


def _token(call: Call) -> Any:
    return {"token": call.tokens.issue(call.key), "expires": round(call.exchange.settings.token_first_use_s)}


def _api_key_info(call: Call) -> Any:
    key = call.key
    return {
        "apiKeyName": key.name,
        "apiKey": key.public,
        "nonce": str(key.nonce),
        "nonceWindow": key.nonce_window,
        "permissions": [permission for permission in ALL_PERMISSIONS if permission in key.permissions],
        "iban": call.account.account_id,
        "validUntil": str(key.valid_until_us // 1_000_000),
        "queryFrom": "0",
        "queryTo": "0",
        "createdTime": str(key.created_us // 1_000_000),
        "modifiedTime": str(key.modified_us // 1_000_000),
        "ipAllowlist": list(key.ip_allow_list),
        "lastUsed": None if key.last_used_us is None else str(key.last_used_us // 1_000_000),
    }


METHODS: Final[dict[str, tuple[tuple[str, ...], Method]]] = {
    "Balance": (("query-funds",), rest_balances.balance),
    "BalanceEx": (("query-funds",), rest_balances.balance_ex),
    "CreditLines": (("query-funds",), rest_balances.credit_lines),
    "TradeBalance": (("query-funds", "query-open-trades"), rest_balances.trade_balance),
    "TradeVolume": (("query-funds",), _trade_volume),
    "OpenOrders": (("query-open-trades",), rest_history.open_orders),
    "OpenPositions": (("query-open-trades",), _open_positions),
    "ClosedOrders": (("query-closed-trades",), rest_history.closed_orders),
    "QueryOrders": (("query-open-trades", "query-closed-trades"), rest_history.query_orders),
    "TradesHistory": (("query-closed-trades",), rest_history.trades_history),
    "QueryTrades": (("query-closed-trades",), rest_history.query_trades),
    "Ledgers": (("query-ledger",), rest_history.ledgers),
    "QueryLedgers": (("query-ledger",), rest_history.query_ledgers),
    "GetWebSocketsToken": (("create-ws-token",), _token),
    "GetApiKeyInfo": ((), _api_key_info),
}
"""Every signed method that reads: the permissions of which one suffices, and what answers."""
