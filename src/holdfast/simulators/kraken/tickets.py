"""
From the fields of an order request, REST's or the stream's, to what the engine understands.

Sources (checked 2026-11-20): https://docs.kraken.com/api-reference/trading/add-order,
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/add_order,
https://docs.kraken.com/exchange/guides/general/clordid.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import exact, parse_amount
from holdfast.errors import AmountError
from holdfast.simulators.core.arithmetic import to_step
from holdfast.simulators.core.orders import OrderRequest, SelfTrade, TimeInForce, Trigger
from holdfast.simulators.kraken.errors import KrakenRefusedError, invalid_arguments
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.listing import ListedPair
from holdfast.simulators.kraken.render import places

__all__ = [
    "ORDER_TYPES",
    "Ticket",
    "checked_client_id",
    "checked_user_ref",
    "moment_us",
    "rest_ticket",
    "stream_ticket",
    "truth_of_text",
    "wire_amount",
]

ORDER_TYPES: Final = (
    "market",
    "limit",
    "iceberg",
    "stop-loss",
    "take-profit",
    "stop-loss-limit",
    "take-profit-limit",
)
"""The order types that are modelled; Kraken has trailing stops and settle-position too."""

_TRIGGERED: Final = ("stop-loss", "take-profit", "stop-loss-limit", "take-profit-limit")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z")
_SHORT_ID: Final = re.compile(r"[!-~]{1,18}\Z")
_RELATIVE: Final = re.compile(r"([+\-#])?([0-9.]+)(%)?\Z")
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_STP: Final = {
    "cancel-newest": SelfTrade.CANCEL_NEWEST,
    "cancel-oldest": SelfTrade.CANCEL_OLDEST,
    "cancel-both": SelfTrade.CANCEL_BOTH,
}


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One order request, parsed but not yet judged by the market's rules."""

    pair: ListedPair
    order: OrderRequest
    is_validate_only: bool
    deadline_us: int | None


def wire_amount(value: Any, field: str) -> Decimal:
    """
    An amount as a request states it: text, a whole number, or an exact decimal.

    Raises:
        KrakenRefusedError: It is none, or not above zero.
    """
    try:
        amount = parse_amount(str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value)
    except AmountError:
        raise invalid_arguments(field) from None
    if amount <= 0:
        raise invalid_arguments(field)
    return amount


def truth_of_text(value: Any) -> bool:
    """A boolean as form bodies and JSON bodies have it."""
    return value is True or str(value).lower() in ("true", "1", "yes")


def checked_client_id(value: Any) -> str:
    """
    A client order id: a UUID with or without dashes, or up to 18 printable ASCII characters.

    Raises:
        KrakenRefusedError: It is neither.
    """
    text = str(value)
    if _UUID.match(text) is None and _SHORT_ID.match(text) is None:
        raise invalid_arguments("cl_ord_id")
    return text


def moment_us(value: Any, field: str, *, now_us: int) -> int | None:
    """
    A moment: Unix seconds, ``+seconds`` from now, RFC 3339, or nothing (0 or empty).

    Raises:
        KrakenRefusedError: It is none of them.
    """
    text = str(value)
    if text in ("", "0"):
        return None
    match = _RFC3339.match(text)
    if match is not None:
        day, fraction, zone = match.groups()
        moment = datetime.datetime.fromisoformat(day + zone.replace("Z", "+00:00"))
        return int(moment.timestamp()) * 1_000_000 + int((fraction or "0").ljust(9, "0")[:6])
    try:
        seconds = wire_amount(text.removeprefix("+"), field)
    except KrakenRefusedError:
        raise invalid_arguments(field) from None
    with exact():
        us = int(seconds * 1_000_000)
    return now_us + us if text.startswith("+") else us


def rest_ticket(exchange: KrakenExchange, fields: Mapping[str, Any]) -> Ticket:
    """
    The ticket of an ``AddOrder`` body.

    Raises:
        KrakenRefusedError: A field is missing, malformed or contradicts another.
    """
    pair = exchange.listing.pair(str(fields.get("pair", "")))
    if pair is None:
        raise KrakenRefusedError("EQuery:Unknown asset pair")
    side, kind = fields.get("type"), fields.get("ordertype")
    flags = [flag for flag in str(fields.get("oflags", "")).split(",") if flag]
    if set(flags) - {"post", "fcib", "fciq", "viqc", "nompp"} or {"fcib", "fciq"} <= set(flags):
        raise invalid_arguments("oflags")
    if any(name == "close" or name.startswith("close[") for name in fields):
        raise invalid_arguments("close")  # Not modelled, and never taken in silence.
    user_ref = fields.get("userref")
    client_id = fields.get("cl_ord_id")
    limit, trigger_price, texts = _rest_prices(exchange, pair, str(side), str(kind), fields)
    leverage = str(fields.get("leverage", "none")).removesuffix(":1")
    now_us = exchange.now_us()
    order = _request(
        exchange,
        pair,
        side=side,
        kind=kind,
        volume=fields.get("volume"),
        is_in_quote="viqc" in flags,
        limit=limit,
        trigger_price=trigger_price,
        force=str(fields.get("timeinforce") or "GTC"),
        expires_us=moment_us(fields.get("expiretm", 0), "expiretm", now_us=now_us),
        starts_us=moment_us(fields.get("starttm", 0), "starttm", now_us=now_us),
        is_post_only="post" in flags,
        is_reduce_only=truth_of_text(fields.get("reduce_only")),
        fee="fcib" if "fcib" in flags else "fciq" if "fciq" in flags else None,
        leverage=None if leverage in ("none", "", "0", "1") else leverage,
        self_trade=fields.get("stptype") or "cancel-newest",
        client_id=client_id,
        user_ref=user_ref,
        display=fields.get("displayvol"),
        details=texts,
    )
    deadline = fields.get("deadline")
    return Ticket(
        pair=pair,
        order=order,
        is_validate_only=_is_validate(exchange, fields),
        deadline_us=None if deadline in (None, "") else moment_us(deadline, "deadline", now_us=now_us),
    )


def stream_ticket(exchange: KrakenExchange, params: Mapping[str, Any]) -> Ticket:
    """
    The ticket of ``add_order`` params.

    Raises:
        KrakenRefusedError: A field is missing, malformed or contradicts another.
    """
    pair = exchange.listing.by_symbol.get(str(params.get("symbol", "")))
    if pair is None:
        raise KrakenRefusedError(f"Currency pair not supported {params.get('symbol', '')}")
    if "conditional" in params:
        raise invalid_arguments("conditional")  # Not modelled, and never taken in silence.
    kind = params.get("order_type")
    for name in ("order_qty", "cash_order_qty", "limit_price", "display_qty"):
        if isinstance(params.get(name), str | bool):
            raise invalid_arguments(name)  # The stream's amounts are JSON numbers.
    cash = params.get("cash_order_qty")
    triggers = params.get("triggers")
    trigger_price = None
    if kind in _TRIGGERED:
        if not isinstance(triggers, dict) or "price" not in triggers:
            raise invalid_arguments("triggers")
        if triggers.get("price_type", "static") != "static":
            raise invalid_arguments("price_type")
        trigger_price = wire_amount(triggers["price"], "triggers")
    limit = None if params.get("limit_price") is None else wire_amount(params["limit_price"], "limit_price")
    now_us = exchange.now_us()
    order = _request(
        exchange,
        pair,
        side=params.get("side"),
        kind=kind,
        volume=params.get("order_qty") if cash is None else cash,
        is_in_quote=cash is not None,
        limit=limit,
        trigger_price=trigger_price,
        force=str(params.get("time_in_force") or "gtc"),
        expires_us=moment_us(params.get("expire_time", 0), "expire_time", now_us=now_us),
        starts_us=moment_us(params.get("effective_time", 0), "effective_time", now_us=now_us),
        is_post_only=params.get("post_only") is True,
        is_reduce_only=params.get("reduce_only") is True,
        fee={"base": "fcib", "quote": "fciq"}.get(str(params.get("fee_preference"))),
        leverage=str(pair.leverage[0]) if params.get("margin") is True and pair.leverage else None,
        self_trade=str(params.get("stp_type") or "cancel_newest").replace("_", "-"),
        client_id=params.get("cl_ord_id"),
        user_ref=params.get("order_userref"),
        display=params.get("display_qty"),
        details=_price_texts(pair, limit, trigger_price),
    )
    deadline = params.get("deadline")
    return Ticket(
        pair=pair,
        order=order,
        is_validate_only=params.get("validate") is True,
        deadline_us=None if deadline in (None, "") else moment_us(deadline, "deadline", now_us=now_us),
    )


def _request(
    exchange: KrakenExchange,
    pair: ListedPair,
    *,
    side: Any,
    kind: Any,
    volume: Any,
    is_in_quote: bool,
    limit: Decimal | None,
    trigger_price: Decimal | None,
    force: str,
    expires_us: int | None,
    starts_us: int | None,
    is_post_only: bool,
    is_reduce_only: bool,
    fee: str | None,
    leverage: str | None,
    self_trade: Any,
    client_id: Any,
    user_ref: Any,
    display: Any,
    details: Mapping[str, Any],
) -> OrderRequest:
    if side not in ("buy", "sell"):
        raise invalid_arguments("type")
    if kind not in ORDER_TYPES:
        raise invalid_arguments("ordertype")
    has_limit = kind in ("limit", "iceberg") or kind.endswith("-limit")
    if has_limit and limit is None:
        raise invalid_arguments("price")
    quantity = wire_amount(volume, "volume")
    if is_in_quote and (side != "buy" or kind != "market" or leverage is not None):
        raise invalid_arguments("viqc")
    if force.lower() not in ("gtc", "gtd", "ioc", "fok"):
        raise invalid_arguments("timeinforce")
    lasts = TimeInForce(force.lower())
    if (lasts is TimeInForce.GTD) != (expires_us is not None) and lasts is not TimeInForce.GTC:
        raise invalid_arguments("expiretm")
    if expires_us is not None and expires_us <= exchange.now_us():
        raise invalid_arguments("expiretm")
    if is_post_only and (not has_limit or lasts in (TimeInForce.IOC, TimeInForce.FOK)):
        raise invalid_arguments("oflags")
    if client_id not in (None, "") and user_ref not in (None, "", 0, "0"):
        raise invalid_arguments("cl_ord_id")
    if self_trade not in _STP:
        raise invalid_arguments("stptype")
    if kind == "iceberg" and display is None:
        raise invalid_arguments("displayvol")
    trigger = None
    if trigger_price is not None:
        # A stop waits for a worse price than now, a take-profit for a better one.
        trigger = Trigger(price=trigger_price, is_above=(side == "buy") == kind.startswith("stop-loss"))
    preference = fee or ("fciq" if side == "buy" else exchange.settings.sell_fee_default)
    return OrderRequest(
        symbol=pair.code,
        side=side,
        quantity=None if is_in_quote else quantity,
        quote_quantity=quantity if is_in_quote else None,
        limit_price=limit if has_limit else None,
        trigger=trigger,
        time_in_force=lasts,
        expires_us=expires_us,
        starts_us=starts_us,
        is_post_only=is_post_only,
        is_reduce_only=is_reduce_only,
        is_fee_in_base=preference == "fcib",
        leverage=_leverage(exchange, pair, leverage),
        self_trade=_STP[self_trade],
        client_order_id=None if client_id in (None, "") else checked_client_id(client_id),
        user_ref=None if user_ref in (None, "") else checked_user_ref(user_ref),
        display_quantity=None if display is None else wire_amount(display, "displayvol"),
        details={"ordertype": kind, **details},
    )


def _rest_prices(
    exchange: KrakenExchange, pair: ListedPair, side: str, kind: str, fields: Mapping[str, Any]
) -> tuple[Decimal | None, Decimal | None, dict[str, str]]:
    """Limit and trigger price of a REST order, and both as texts for its description."""
    price, price2 = fields.get("price"), fields.get("price2")
    first = None if price in (None, "", "0") else _relative(exchange, pair, side, kind, price, "price")
    second = None if price2 in (None, "", "0") else _relative(exchange, pair, side, kind, price2, "price2")
    if kind in _TRIGGERED:
        if first is None:
            raise invalid_arguments("price")
        if kind.endswith("-limit") and second is None:
            raise invalid_arguments("price2")
        limit, trigger = second if kind.endswith("-limit") else None, first
    else:
        limit, trigger = None if kind == "market" else first, None
    return limit, trigger, _price_texts(pair, limit, trigger)


def _price_texts(pair: ListedPair, limit: Decimal | None, trigger: Decimal | None) -> dict[str, str]:
    shown = [places(price, pair.price_decimals) for price in (trigger, limit) if price is not None]
    return {"price": shown[0] if shown else "0", "price2": shown[1] if len(shown) > 1 else "0"}


def _relative(exchange: KrakenExchange, pair: ListedPair, side: str, kind: str, value: Any, field: str) -> Decimal:
    """A price, or one relative to the last: ``+`` and ``-`` by so much, ``#`` on the side that waits, ``%`` of it."""
    text = str(value)
    match = _RELATIVE.match(text)
    if match is None or not (match[1] or match[3]):
        return wire_amount(value, field)
    amount = wire_amount(match[2], field)
    market = exchange.engine.markets[pair.code]
    with exact():
        change = market.last * amount / 100 if match[3] else amount
        is_up = match[1] == "+"
        if match[1] == "#":
            is_up = (side == "sell") != kind.startswith("stop-loss")
        return to_step(market.last + change if is_up else market.last - change, pair.tick) * pair.tick


def _leverage(exchange: KrakenExchange, pair: ListedPair, value: str | None) -> int | None:
    if value is None:
        return None
    if not exchange.profile.is_margin:
        raise KrakenRefusedError("EAccount:Invalid permissions")
    if not value.isascii() or not value.isdigit() or int(value) not in pair.leverage:
        raise invalid_arguments("leverage")
    return int(value)


def checked_user_ref(value: Any) -> int:
    """
    A user reference: a signed 32-bit number.

    Raises:
        KrakenRefusedError: It is none.
    """
    text = str(value)
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not -(2**31) <= int(text) < 2**31:
        raise invalid_arguments("userref")
    return int(text)


def _is_validate(exchange: KrakenExchange, fields: Mapping[str, Any]) -> bool:
    value = fields.get("validate")
    if exchange.settings.is_validate_false_true and isinstance(value, str):
        return value != ""
    return truth_of_text(value)
