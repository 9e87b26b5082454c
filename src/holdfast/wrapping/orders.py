"""
Orders between ccxt's words and ours. Pure, but for ccxt's own rounding of what it was given.

Amounts and prices come as floats: ccxt turns them into text on the market's grid, and from there on they are exact.
What we do not do for an order is refused by name; nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ccxt
import msgspec

from holdfast.core.assets import AssetCode, symbol_of
from holdfast.core.instruments import AssetInfo
from holdfast.core.orders import OrderState
from holdfast.runtime.views import Order
from holdfast.wrapping.exchanges import VENUE_OF

__all__ = [
    "OWN_IDS",
    "OrderCall",
    "cancelled_id",
    "codes_of",
    "order_call",
    "order_structure",
    "own_id",
    "symbol_in_ccxt",
]

OWN_IDS: Final = ("clientOrderId", "client_order_id", "cl_ord_id", "clOrdId")
"""How a bot may name its own id of an order: ccxt's word, and those of Coinbase, Kraken and OKX that ccxt takes too."""

_TAKEN: Final = frozenset(
    {
        *OWN_IDS,
        "bot",
        "cost",
        "createMarketBuyOrderRequiresPrice",
        "postOnly",
        "reduceOnly",
        "test",
        "tgtCcy",
        "timeInForce",
        "validate",
    }
)
"""Parameters that we understand; any other is refused."""

_STATUSES: Final = {
    OrderState.SENDING: "open",
    OrderState.OPEN: "open",
    OrderState.IN_DOUBT: "open",  # It may be: ``info["holdfast"]["state"]`` says that it is not known.
    OrderState.FILLED: "closed",
    OrderState.CANCELED: "canceled",
    OrderState.EXPIRED: "expired",
    OrderState.REJECTED: "rejected",
    OrderState.NEVER_SENT: "rejected",
    OrderState.ABSENT: "rejected",
}


class OrderCall(msgspec.Struct, frozen=True, kw_only=True):
    """What ``create_order`` was asked for, in our words; every amount is text on the market's grid."""

    symbol: str
    side: str
    order_type: str
    quantity: str | None
    quote_quantity: str | None
    price: str | None
    time_in_force: str
    is_post_only: bool
    intent_id: str | None
    bot: str | None
    is_dry_run: bool


def codes_of(exchange: Any, assets: Mapping[AssetCode, AssetInfo]) -> dict[AssetCode, str]:
    """Every asset's code in ccxt, by ours: through the venue's own symbol, which both know."""
    return {code: exchange.safe_currency_code(info.venue_symbol) for code, info in assets.items()}


def symbol_in_ccxt(symbol: str | None, codes: Mapping[AssetCode, str]) -> str | None:
    """Our symbol as ccxt spells it; None where there is none."""
    base, dash, quote = (symbol or "").partition("-")
    return f"{codes.get(base, base)}/{codes.get(quote, quote)}" if dash else None


def order_call(
    exchange: Any,
    codes: Mapping[AssetCode, str],
    *,
    symbol: Any,
    order_type: str,
    side: str,
    amount: Any,
    price: Any,
    params: Any,
) -> OrderCall:
    """
    What is asked for. Markets have to be loaded.

    Raises:
        ccxt.BadSymbol: The market is no spot market, or the venue lists no such assets.
        ccxt.NotSupported: An order type or a parameter that is not taken.
        ccxt.InvalidOrder: No amount, no price, or both an amount and a cost.
    """
    if not isinstance(symbol, str):
        raise ccxt.BadSymbol(f"{exchange.id} createOrder: symbol is {symbol!a:.40}: a text like BTC/USD is needed")
    if not isinstance(params, Mapping):
        raise ccxt.BadRequest(f"{exchange.id} createOrder: params is no dict; nothing was sent")
    market = exchange.market(symbol)
    if not market.get("spot"):
        raise ccxt.BadSymbol(f"{exchange.id} {symbol} is no spot market: a wrapped exchange trades spot only")
    ours = {theirs: code for code, theirs in codes.items()}
    base, quote = ours.get(market["base"]), ours.get(market["quote"])
    if base is None or quote is None:
        raise ccxt.BadSymbol(f"{exchange.id} {symbol}: the venue lists no such assets to this account")
    if order_type not in ("market", "limit"):
        raise ccxt.NotSupported(
            f"{exchange.id} a wrapped exchange places market and limit orders, not {order_type!a}; nothing was sent"
        )
    unknown = sorted(set(params) - _TAKEN)
    if unknown or params.get("reduceOnly"):
        name = unknown[0] if unknown else "reduceOnly"
        raise ccxt.NotSupported(
            f"{exchange.id} createOrder: a wrapped exchange takes no parameter {name!a}; it takes "
            f"{', '.join(sorted(_TAKEN - {'reduceOnly'}))}; nothing was sent"
        )
    quantity, cost = _amounts(exchange, symbol, order_type, side, amount, price, params)
    words = str(params.get("timeInForce") or "GTC").upper()
    if words not in ("GTC", "IOC", "FOK", "PO"):
        raise ccxt.InvalidOrder(f"{exchange.id} timeInForce {words!a}: one of GTC, IOC, FOK, PO")
    limit = None
    if order_type == "limit":
        if price is None:
            raise ccxt.InvalidOrder(f"{exchange.id} createOrder: a limit order needs a price")
        limit = _on_grid(exchange, exchange.price_to_precision, symbol, price, "price")
    intent_id = own_id(exchange, "createOrder", params)
    return OrderCall(
        symbol=symbol_of(base=base, quote=quote),
        side=str(side).lower(),
        order_type=order_type,
        quantity=quantity,
        quote_quantity=cost,
        price=limit,
        time_in_force="gtc" if words == "PO" else words.lower(),
        is_post_only=bool(params.get("postOnly")) or words == "PO",
        intent_id=intent_id,
        bot=params.get("bot"),
        is_dry_run=bool(params.get("test") or params.get("validate")),
    )


def own_id(exchange: Any, call: str, params: Mapping[str, Any]) -> str | None:
    """
    The bot's own id of an order among *params*, under any of ``OWN_IDS``; None where there is none.

    Raises:
        ccxt.InvalidOrder: It is no text, or two names say two ids.
    """
    given = {name: params[name] for name in OWN_IDS if params.get(name) is not None}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ccxt.InvalidOrder(f"{exchange.id} {call}: {name} has to be a text; nothing was sent")
    values = {str(value) for value in given.values()}
    if len(values) > 1:
        raise ccxt.InvalidOrder(f"{exchange.id} {call}: {' and '.join(given)} name two ids; nothing was sent")
    return values.pop() if values else None


def cancelled_id(exchange: Any, order_id: Any, params: Any) -> str:
    """
    Which order ``cancel_order`` is asked to cancel: the venue's id, or the ``clientOrderId`` that it was placed with.

    Raises:
        ccxt.NotSupported: A parameter that is not taken.
        ccxt.ArgumentsRequired: No id of either kind.
        ccxt.InvalidOrder: An id that is no text.
    """
    params = params or {}
    intent_id = own_id(exchange, "cancelOrder", params)
    asked = set(params) - set(OWN_IDS)
    if asked:
        raise ccxt.NotSupported(
            f"{exchange.id} cancelOrder: a wrapped exchange takes no parameter {min(map(str, asked))!a}; "
            "it takes clientOrderId; nothing was sent"
        )
    chosen = order_id if order_id not in (None, "") else intent_id
    if chosen in (None, ""):
        raise ccxt.ArgumentsRequired(f"{exchange.id} cancelOrder: an id, or params with a clientOrderId, is needed")
    return str(chosen)


def order_structure(exchange: Any, order: Order, codes: Mapping[AssetCode, str]) -> dict[str, Any]:
    """
    An order in ccxt's shape, with what we know beyond it under ``info["holdfast"]``.

    ``clientOrderId`` is the id that it was asked for by; the one that the venue has for it is in ``info``.

    ``filled``, ``cost`` and fees are what has been told so far; a fill is told within moments of the venue's own word.
    """
    symbol = symbol_in_ccxt(order.symbol, codes)
    filled = order.filled
    fees = [{"currency": codes.get(asset, asset), "cost": f"{fee:f}"} for asset, fee in order.fees.items()]
    created_ms = None if order.created_us is None else order.created_us // 1000
    structure: dict[str, Any] = exchange.safe_order(
        {
            "id": order.order_id,
            "clientOrderId": order.intent_id or order.client_order_id,
            "timestamp": created_ms,
            "datetime": exchange.iso8601(created_ms),
            "lastTradeTimestamp": None,
            "lastUpdateTimestamp": None if order.updated_us is None else order.updated_us // 1000,
            "symbol": symbol,
            "type": order.order_type,
            "side": order.side.value,
            "price": _text(order.limit_price),
            "amount": _text(order.quantity),
            "filled": _text(filled),
            "cost": _text(order.cost),
            "status": _STATUSES[order.state],
            "fees": fees,
            "trades": [],
            "info": {
                "holdfast": {
                    "broker": order.broker,
                    "intent_id": order.intent_id,
                    "client_order_id": order.client_order_id,
                    "state": order.state.value,
                    "detail": order.detail,
                    "reserved": _text(order.reserved),
                    "reserved_asset": order.asset,
                }
            },
        },
        exchange.safe_market(symbol) if symbol is not None else None,
    )
    return structure


def _amounts(
    exchange: Any, symbol: str, order_type: str, side: str, amount: Any, price: Any, params: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """Base quantity or quote cost, one of them None: ccxt has four ways of saying that an amount is a cost."""
    cost = params.get("cost")
    is_buy_at_market = order_type == "market" and str(side).lower() == "buy"
    is_cost = _is_cost(exchange, params, is_buy_at_market=is_buy_at_market, has_price=price is not None)
    if cost is not None and order_type != "market":
        raise ccxt.InvalidOrder(f"{exchange.id} createOrder: a cost is a market order's; give the amount of base")
    if cost is not None or is_cost:
        wanted = amount if cost is None else cost
        return None, _on_grid(exchange, exchange.cost_to_precision, symbol, wanted, "cost")
    return _on_grid(exchange, exchange.amount_to_precision, symbol, amount, "amount"), None


def _is_cost(exchange: Any, params: Mapping[str, Any], *, is_buy_at_market: bool, has_price: bool) -> bool:
    """
    Whether the amount is money, as ccxt's own class of this exchange would read it.

    The option ``createMarketBuyOrderRequiresPrice`` says so at Coinbase. At OKX it only counts beside ``quote_ccy``
    (its default is False there, and its amounts are base), and at Kraken nothing reads it.
    """
    if not is_buy_at_market:
        return params.get("tgtCcy") == "quote_ccy"
    option = "createMarketBuyOrderRequiresPrice"
    if params.get(option) is False:
        return True
    venue = VENUE_OF[exchange.id][0]
    target = params.get("tgtCcy") or (exchange.options.get("tgtCcy") if venue == "okx" else None)
    needs_price, _ = exchange.handle_option_and_params(dict(params), "createOrder", option, True)
    if venue == "okx":
        # With a price, ccxt spends amount x price there: the amount is base then.
        return target == "quote_ccy" and (needs_price is False or not has_price)
    return target == "quote_ccy" or (venue == "coinbase" and needs_price is False)


def _on_grid(exchange: Any, rounded: Any, symbol: str, value: Any, name: str) -> str:
    """*value* as text on the market's grid, by ccxt's own rounding; money was never meant to be a bool or NaN."""
    if value is None or isinstance(value, bool) or str(value).lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ccxt.InvalidOrder(f"{exchange.id} createOrder: {name} is {value!a}: a number is needed; nothing was sent")
    try:
        return str(rounded(symbol, value))
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:  # Text that is no number, or 1e30.
        raise ccxt.InvalidOrder(
            f"{exchange.id} createOrder: {name} is {value!a:.40}: a number that fits this market is needed; "
            "nothing was sent"
        ) from error


def _text(amount: Any) -> str | None:
    return None if amount is None else f"{amount:f}"
