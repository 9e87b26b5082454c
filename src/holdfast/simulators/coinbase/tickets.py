"""
An order as it is asked for: the body of ``POST /orders``, read and turned into what the engine understands.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/guides/orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import exact, parse_amount, round_down, trim_amount
from holdfast.errors import AmountError
from holdfast.simulators.coinbase.errors import OrderRefusedError, invalid_argument, preview_refusal
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.listing import Product
from holdfast.simulators.coinbase.render import parse_time_us
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.orders import OrderRequest, TimeInForce, Trigger

__all__ = ["ORDER_TYPES", "TIMES_IN_FORCE", "Kind", "Ticket", "kind_of", "outside_request", "read_ticket"]

_LONGEST_CLIENT_ID: Final = 128


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One key of ``order_configuration``: the order type and time in force that it stands for."""

    order_type: str
    time_in_force: TimeInForce
    is_modelled: bool = True


ORDER_TYPES: Final[Mapping[str, Kind]] = {
    "market_market_ioc": Kind(order_type="MARKET", time_in_force=TimeInForce.IOC),
    "market_market_fok": Kind(order_type="MARKET", time_in_force=TimeInForce.FOK, is_modelled=False),
    "sor_limit_ioc": Kind(order_type="LIMIT", time_in_force=TimeInForce.IOC),
    "limit_limit_gtc": Kind(order_type="LIMIT", time_in_force=TimeInForce.GTC),
    "limit_limit_gtd": Kind(order_type="LIMIT", time_in_force=TimeInForce.GTD),
    "limit_limit_fok": Kind(order_type="LIMIT", time_in_force=TimeInForce.FOK),
    "stop_limit_stop_limit_gtc": Kind(order_type="STOP_LIMIT", time_in_force=TimeInForce.GTC),
    "stop_limit_stop_limit_gtd": Kind(order_type="STOP_LIMIT", time_in_force=TimeInForce.GTD),
    "trigger_bracket_gtc": Kind(order_type="BRACKET", time_in_force=TimeInForce.GTC, is_modelled=False),
    "trigger_bracket_gtd": Kind(order_type="BRACKET", time_in_force=TimeInForce.GTD, is_modelled=False),
    "twap_limit_gtd": Kind(order_type="TWAP", time_in_force=TimeInForce.GTD, is_modelled=False),
    "scaled_limit_gtc": Kind(order_type="SCALED", time_in_force=TimeInForce.GTC, is_modelled=False),
}
"""Every key that ``order_configuration`` may have; those not modelled are refused as unsupported."""

TIMES_IN_FORCE: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
"""Coinbase's words for them."""

_SIDES: Final = {"BUY": "buy", "SELL": "sell"}


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One order, understood: what the engine gets, the product, and the configuration as it came."""

    order: OrderRequest
    product: Product
    configuration: dict[str, Any]


def kind_of(request: OrderRequest) -> Kind:
    """The kind of an order that was placed."""
    (name,) = request.details["configuration"]
    return ORDER_TYPES[name]


def read_ticket(
    exchange: CoinbaseExchange, account: Account, body: Mapping[str, Any], *, is_preview: bool = False
) -> Ticket:
    """
    Read the body of an order or of its preview.

    Raises:
        CoinbaseRefusedError: A parameter is missing or no such thing: the request is refused, status 400.
        OrderRefusedError: The order is understood and cannot be.
    """
    client_id = None if is_preview else _text(body, "client_order_id")
    if client_id is not None and len(client_id) > _LONGEST_CLIENT_ID:
        raise invalid_argument("client_order_id is too long")
    product_id, side = _text(body, "product_id"), _text(body, "side")
    configuration = body.get("order_configuration")
    if not isinstance(configuration, dict) or len(configuration) != 1:
        raise invalid_argument("order_configuration needs exactly one configuration")
    ((name, fields),) = configuration.items()
    if not isinstance(fields, dict):
        raise invalid_argument("order_configuration is malformed")
    for field, value in fields.items():
        if field in _AMOUNTS and not isinstance(value, str):
            raise invalid_argument(f"{field} has to be a string")
        if field in ("post_only", "rfq_disabled") and not isinstance(value, bool):
            raise invalid_argument(f"{field} has to be a boolean")
    if side not in _SIDES:
        raise OrderRefusedError("INVALID_SIDE", "side is required")
    product = exchange.listing.products.get(product_id)
    if product is None:
        raise OrderRefusedError("INVALID_PRODUCT_ID", "invalid product_id")
    if body.get("attached_order_configuration"):
        raise OrderRefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "attached orders are not supported")
    if body.get("margin_type") not in (None, "", "UNKNOWN_MARGIN_TYPE"):
        raise OrderRefusedError("INVALID_MARGIN_TYPE", "margin is not supported on spot products")
    if body.get("leverage") not in (None, "", "1", "1.0"):
        raise OrderRefusedError("INVALID_LEVERAGE", "leverage is not supported on spot products")
    kind = ORDER_TYPES.get(name)
    if kind is None or not kind.is_modelled:
        raise OrderRefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "unsupported order configuration")
    request = OrderRequest(
        symbol=product.code,
        side=_SIDES[side],
        time_in_force=kind.time_in_force,
        client_order_id=client_id,
        details={"configuration": configuration, "product_id": product.id, "arrived_s": exchange.now_s()},
    )
    request = _with_sizes(exchange, account, request, kind, fields)
    request = _with_prices(request, kind, fields)
    if kind.time_in_force is TimeInForce.GTD:
        request = msgspec.structs.replace(request, expires_us=_end_time(fields.get("end_time"), exchange.now_us()))
    return Ticket(order=request, product=product, configuration=configuration)


def outside_request(
    exchange: CoinbaseExchange, product: Product, *, side: str, quantity: Decimal, limit: Decimal | None, source: str
) -> OrderRequest:
    """An order that did not come over this API: at the market where *limit* is None."""
    fields: dict[str, Any] = {"base_size": trim_amount(quantity)}
    if limit is not None:
        fields |= {"limit_price": trim_amount(limit), "post_only": False}
    name = "market_market_ioc" if limit is None else "limit_limit_gtc"
    return OrderRequest(
        symbol=product.code,
        side=side,
        quantity=quantity,
        limit_price=limit,
        time_in_force=ORDER_TYPES[name].time_in_force,
        details={
            "configuration": {name: fields},
            "product_id": product.id,
            "arrived_s": exchange.now_s(),
            "source": source,
        },
    )


_AMOUNTS: Final = ("base_size", "quote_size", "limit_price", "stop_price")


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_argument(f"{name} is required")
    return value


def _amount(fields: Mapping[str, Any], name: str, *, preview: str) -> Decimal | None:
    text = fields.get(name)
    if text is None or text == "":
        return None
    try:
        value = parse_amount(text)
    except AmountError:
        raise preview_refusal(preview, f"{name} is not a number") from None
    if value <= 0:
        raise preview_refusal(preview, f"{name} has to be above zero")
    return value


def _with_sizes(
    exchange: CoinbaseExchange, account: Account, request: OrderRequest, kind: Kind, fields: Mapping[str, Any]
) -> OrderRequest:
    base = _amount(fields, "base_size", preview="PREVIEW_NON_NUMERIC_ORDER_SIZE")
    quote = _amount(fields, "quote_size", preview="PREVIEW_NON_NUMERIC_ORDER_SIZE")
    if (base is None) == (quote is None):
        raise invalid_argument("exactly one of base_size and quote_size is needed")
    if quote is None:
        return msgspec.structs.replace(request, quantity=base)
    if request.side == "sell" or kind.order_type == "STOP_LIMIT":
        raise OrderRefusedError("UNSUPPORTED_ORDER_CONFIGURATION", "quote_size is not supported for this order")
    if kind.order_type == "LIMIT":
        product = exchange.listing.by_code[request.symbol]
        price = _amount(fields, "limit_price", preview="PREVIEW_INVALID_LIMIT_PRICE")
        if price is None:
            raise invalid_argument("limit_price is required")
        places = exchange.engine.markets[product.code].rules.quantity_decimals
        return msgspec.structs.replace(request, quantity=divide(quote, price, places=places))
    if exchange.settings.is_fee_inside_quote_size:
        with exact():
            share = 1 + exchange.fee_rate(account, is_maker=False)
        quote = round_down(divide(quote, share, places=16), places=16)
    return msgspec.structs.replace(request, quote_quantity=quote)


def _with_prices(request: OrderRequest, kind: Kind, fields: Mapping[str, Any]) -> OrderRequest:
    if kind.order_type == "MARKET":
        return request
    price = _amount(fields, "limit_price", preview="PREVIEW_INVALID_LIMIT_PRICE")
    if price is None:
        raise invalid_argument("limit_price is required")
    request = msgspec.structs.replace(
        request, limit_price=price, is_post_only=bool(fields.get("post_only")) and kind.order_type == "LIMIT"
    )
    if kind.order_type != "STOP_LIMIT":
        return request
    stop = _amount(fields, "stop_price", preview="PREVIEW_INVALID_STOP_PRICE")
    direction = fields.get("stop_direction")
    if stop is None or direction not in ("STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"):
        raise invalid_argument("stop_price and stop_direction are required")
    return msgspec.structs.replace(request, trigger=Trigger(price=stop, is_above=direction.endswith("UP")))


def _end_time(text: object, now_us: int) -> int:
    ends_us = parse_time_us(text) if isinstance(text, str) else None
    if ends_us is None:
        raise OrderRefusedError("GTD_ORDERS_MUST_HAVE_END_TIME", "end_time is required")
    if ends_us <= now_us:
        raise OrderRefusedError("END_TIME_IS_IN_THE_PAST", "end_time is in the past")
    return ends_us
