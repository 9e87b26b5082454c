"""
Orders as clients write them, read into what the engine understands.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order,
https://www.okx.com/docs-v5/log_zh/ (2025-08-20, ``tradeQuoteCcy``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, exact, parse_amount
from holdfast.errors import AmountError
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.orders import OrderRequest, SelfTrade, TimeInForce
from holdfast.simulators.okx.errors import ItemRefusedError
from holdfast.simulators.okx.exchange import OkxAccount, OkxExchange
from holdfast.simulators.okx.listing import Instrument

__all__ = ["ORDER_TYPES", "Ticket", "amount_of", "flag_of", "text_of_field", "ticket_of"]

ORDER_TYPES: Final[Mapping[str, TimeInForce]] = {
    "market": TimeInForce.IOC,
    "limit": TimeInForce.GTC,
    "post_only": TimeInForce.GTC,
    "fok": TimeInForce.FOK,
    "ioc": TimeInForce.IOC,
}
"""Order types of spot that are modelled."""

_SELF_TRADES: Final = {
    "cancel_maker": SelfTrade.CANCEL_OLDEST,
    "cancel_taker": SelfTrade.CANCEL_NEWEST,
    "cancel_both": SelfTrade.CANCEL_BOTH,
}
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}\Z", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,16}\Z", re.ASCII)
# What a client may ask for and would not get: refused by name, never taken in silence.
_NOT_MODELLED: Final = ("attachAlgoOrds", "slippagePct", "pxUsd", "pxVol")


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it was understood: a market order that is ``is_size_fixed`` may not be made smaller."""

    order: OrderRequest
    line: Instrument
    is_size_fixed: bool
    is_price_amended: bool


def _wrong(name: str) -> ItemRefusedError:
    return ItemRefusedError("51000", f"Parameter {name} error")


def text_of_field(fields: Mapping[str, Any], name: str) -> str | None:
    """A text field; None where it is missing or empty."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong(name)
    return str(value)


def amount_of(fields: Mapping[str, Any], name: str) -> Decimal | None:
    """An amount; None where it is missing or empty. JSON numbers are taken as well as strings."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return Decimal(value)
    try:
        return parse_amount(value)
    except AmountError:
        raise _wrong(name) from None


def flag_of(fields: Mapping[str, Any], name: str) -> bool:
    """A yes or no; clients write true, or "true"."""
    value = fields.get(name)
    if value in (None, "", False, "false"):
        return False
    if value in (True, "true"):
        return True
    raise _wrong(name)


def _word(fields: Mapping[str, Any], name: str, choices: Any, default: str | None = None) -> str:
    value = text_of_field(fields, name) or default
    if value is None or value not in choices:
        raise _wrong(name)
    return value


def ticket_of(
    exchange: OkxExchange, account: OkxAccount, fields: Mapping[str, Any], instrument: Instrument | None
) -> Ticket:
    """
    Read one order.

    Raises:
        ItemRefusedError: The code of the first field that is wrong.
    """
    if instrument is None:
        raise ItemRefusedError("51001")
    mode = _word(fields, "tdMode", ("cash", "cross", "isolated", "spot_isolated"))
    if mode != ("cross" if account.mode in ("3", "4") else "cash"):
        raise ItemRefusedError("51010")
    side = _word(fields, "side", ("buy", "sell"))
    kind = _word(fields, "ordType", ORDER_TYPES)
    for name in _NOT_MODELLED:
        if fields.get(name) not in (None, "", []):
            raise _wrong(name)
    if text_of_field(fields, "posSide") not in (None, "net"):
        raise _wrong("posSide")
    if flag_of(fields, "reduceOnly"):
        raise ItemRefusedError("51139")
    client_id = text_of_field(fields, "clOrdId")
    if client_id is not None and _CLIENT_ID.match(client_id) is None:
        raise _wrong("clOrdId")
    tag = text_of_field(fields, "tag") or ""
    if tag and _TAG.match(tag) is None:
        raise _wrong("tag")
    self_trade = _word(fields, "stpMode", _SELF_TRADES, "cancel_maker")
    if self_trade == "cancel_both" and kind == "fok":
        raise ItemRefusedError("50016", "Parameter stpMode does not match ordType")
    line = _line(exchange, fields, instrument)
    size = amount_of(fields, "sz")
    if size is None or size <= 0:
        raise _wrong("sz")
    price = amount_of(fields, "px")
    if kind != "market" and price is None:
        raise _wrong("px")
    target = ""
    quantity: Decimal | None = size
    if kind == "market":
        target = _word(fields, "tgtCcy", ("base_ccy", "quote_ccy"), "quote_ccy" if side == "buy" else "base_ccy")
        if target == "quote_ccy":
            quantity = None if side == "buy" else _worth(exchange, line, size)
    order = OrderRequest(
        symbol=line.line,
        side=side,
        quantity=quantity,
        quote_quantity=size if quantity is None else None,
        limit_price=None if kind == "market" else price,
        time_in_force=ORDER_TYPES[kind],
        is_post_only=kind == "post_only",
        is_fee_in_base=side == "buy" and exchange.fee_type == "0",
        self_trade=_SELF_TRADES[self_trade],
        client_order_id=client_id,
        details={
            "ordType": kind,
            "stpMode": self_trade,
            "tag": tag,
            "tdMode": mode,
            "tgtCcy": target,
            "sz": size,
        },
    )
    return Ticket(
        order=order,
        line=line,
        is_size_fixed=flag_of(fields, "banAmend"),
        is_price_amended=_word(fields, "pxAmendType", ("0", "1"), "0") == "1",
    )


def _line(exchange: OkxExchange, fields: Mapping[str, Any], instrument: Instrument) -> Instrument:
    quote = text_of_field(fields, "tradeQuoteCcy")
    if quote is None:
        if exchange.settings.is_trade_quote_required and len(instrument.quotes) > 1:
            raise _wrong("tradeQuoteCcy")
        return instrument
    line = exchange.listing.line(instrument, quote)
    if line is None:
        raise _wrong("tradeQuoteCcy")
    return line


def _worth(exchange: OkxExchange, line: Instrument, wanted: Decimal) -> Decimal:
    """How much has to be sold now to receive about *wanted* of the quote currency, in whole lots."""
    quantity = ZERO
    for offer in exchange.engine.books[line.line].offers("buy"):
        with exact():
            value = offer.quantity * offer.price
            if value >= wanted:
                return quantity + divide(wanted, offer.price, places=line.quantity_decimals)
            wanted -= value
            quantity += offer.quantity
    return quantity
