"""
Coinbase's REST answers to our values, but for balances, which have a room of their own (``balances``).

Pure: bytes and names in, values or a named refusal out. Every answer is read through the strict decoder.

Sources: the pages named at the shapes in ``wire``, below
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api (checked 2026-11-20).
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from holdfast.core.amounts import ZERO, multiply, parse_amount, subtract
from holdfast.core.assets import AssetCode, Symbol, symbol_of
from holdfast.core.balances import OpenOrder, Side
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.payloads import decode_strictly
from holdfast.core.venue import ClosedOrder, CredentialInfo, FeeRates, Fill
from holdfast.errors import AmountError, PayloadError
from holdfast.venues.coinbase import errors, wire
from holdfast.venues.coinbase.symbols import Names, code_of

__all__ = [
    "ENDED",
    "RESTING",
    "accounts_of_portfolio",
    "amount",
    "answer",
    "candles",
    "credential_info",
    "fee_rates",
    "fills",
    "hold_of",
    "instrument_of",
    "is_open",
    "lone_order",
    "names_of",
    "order_of",
    "orders",
    "products",
    "side_of",
    "stated",
    "ticker",
    "time_s",
    "venue_time_s",
]

RESTING: Final = ("PENDING", "QUEUED", "OPEN", "EDIT_QUEUED", "CANCEL_QUEUED")
"""Statuses of orders that are not over, in the order in which most orders pass through them."""

ENDED: Final = {"FILLED": "filled", "CANCELLED": "canceled", "EXPIRED": "expired", "FAILED": "failed"}
"""Statuses of orders that are over, and our words for them."""

T = TypeVar("T")


def answer(body: bytes, shape: type[T], request: str) -> T:
    """
    *body* as *shape*.

    Raises:
        PayloadError: It is not; names *request* and the field.
    """
    try:
        return decode_strictly(body, shape)
    except PayloadError as error:
        raise PayloadError(f"{request}: {error}") from None


def amount(text: str, where: str) -> Decimal:
    """
    The amount a field states.

    Raises:
        AmountError: It is none; names *where*, and shows the text only where it is short.
    """
    try:
        return parse_amount(text)
    except AmountError:
        shown = ascii(text) if len(text) <= 40 else f"a text of {len(text)} characters"
        raise AmountError(f"{where}: {shown} is no amount") from None


def stated(text: str | None, where: str) -> Decimal | None:
    """The amount a field states, or None where it states nothing: absent, null or an empty text."""
    return amount(text, where) if text else None


def side_of(text: str, where: str) -> Side:
    """The side a field names."""
    try:
        return Side(text.lower())
    except ValueError:
        raise PayloadError(f"{where}: side {ascii(text)[:40]} is neither BUY nor SELL") from None


_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,9})?(?:Z|\+00:00)\Z", re.ASCII)


def time_s(text: str | None, where: str) -> float | None:
    """Unix seconds of an RFC 3339 time in UTC with any number of decimals; None where no time was ever set."""
    if not text or text.startswith("0001-01-01"):
        return None
    parts = _TIME.match(text)
    try:
        if parts is None:
            raise ValueError
        whole = datetime.fromisoformat(f"{parts[1]}T{parts[2]}").replace(tzinfo=UTC)
    except ValueError:
        raise PayloadError(f"{where}: {ascii(text)[:40]} is no UTC time") from None
    return whole.timestamp() + float(parts[3] or 0)


# Listing


# Coinbase's accounts are stated with sixteen places; places of its ledger are not documented.
_LEDGER_PLACES: Final = 16

# Rates of the entry tier; the account's own are read from ``transaction_summary``.
# Source: https://github.com/ccxt/ccxt/blob/master/python/ccxt/coinbase.py (checked 2026-11-20)
_TAKER: Final = Decimal("0.012")
_MAKER: Final = Decimal("0.006")


def products(body: bytes) -> tuple[list[wire.Product], int]:
    """One page of products, and how many there are in all where it says so (else how many it holds)."""
    page = answer(body, wire.Products, "products")
    return page.products, len(page.products) if page.num_products is None else page.num_products


def names_of(listed: list[wire.Product]) -> Names:
    """
    Translations out of the whole list of products: what is spot and can be named.

    Raises:
        PayloadError: Nothing listed.
    """
    assets: dict[AssetCode, AssetInfo] = {}
    instruments: dict[Symbol, Instrument] = {}
    left_out: dict[str, str] = {}
    for product in listed:
        if product.product_type != "SPOT":
            left_out[product.product_id] = f"no spot market: {ascii(product.product_type)[:40]}"
            continue
        try:
            instrument = instrument_of(product)
        except PayloadError as error:
            # Whoever asks for it is told that it is not listed; it says nothing about the others.
            left_out[product.product_id] = f"its names or rules cannot be read: {error}"
            continue
        if instrument.symbol in instruments:
            left_out[product.product_id] = f"it repeats {instrument.symbol}"
            continue
        instruments[instrument.symbol] = instrument
        for code, currency in (
            (instrument.base, product.base_currency_id),
            (instrument.quote, product.quote_currency_id),
        ):
            assets.setdefault(
                code, AssetInfo(code=code, venue_symbol=currency, decimals=_LEDGER_PLACES, is_enabled=True)
            )
    if not instruments:
        raise PayloadError("products: nothing listed for spot")
    return Names(assets=assets, instruments=instruments, left_out=left_out)


def instrument_of(product: wire.Product) -> Instrument:
    """
    One product's rules and status now.

    Raises:
        UnknownAssetError: Its currencies cannot be named.
        PayloadError, AmountError: Its figures make no sense.
    """
    where = f"products {ascii(product.product_id)[:40]}"
    base, quote = code_of(product.base_currency_id), code_of(product.quote_currency_id)
    quote_step = _step(product.quote_increment, f"{where}.quote_increment")
    price_step = product.price_increment or product.quote_increment
    return Instrument(
        symbol=symbol_of(base=base, quote=quote),
        base=base,
        quote=quote,
        venue_symbol=product.product_id,
        stream_symbol=product.product_id,
        status=_status(product),
        quantity_step=_step(product.base_increment, f"{where}.base_increment"),
        price_step=_step(price_step, f"{where}.price_increment"),
        quantity_min=_least(product.base_min_size, f"{where}.base_min_size"),
        cost_min=_least(product.quote_min_size, f"{where}.quote_min_size"),
        cost_step=quote_step,
        taker_fee=_TAKER,
        maker_fee=_MAKER,
    )


def _status(product: wire.Product) -> InstrumentStatus:
    if product.is_disabled or product.trading_disabled or product.view_only:
        return InstrumentStatus.OFFLINE
    if product.status in ("offline", "delisted"):
        return InstrumentStatus.OFFLINE
    if product.status != "online":
        return InstrumentStatus.UNKNOWN
    if product.cancel_only:
        return InstrumentStatus.CANCEL_ONLY
    if product.post_only or product.auction_mode:
        return InstrumentStatus.POST_ONLY
    return InstrumentStatus.LIMIT_ONLY if product.limit_only else InstrumentStatus.ONLINE


def _step(text: str, where: str) -> Decimal:
    step = amount(text, where)
    if step <= 0:
        raise PayloadError(f"{where}: a step of {ascii(text)[:40]}")
    return step


def _least(text: str | None, where: str) -> Decimal | None:
    least = stated(text, where)
    return least if least else None


# Public reads


def venue_time_s(body: bytes) -> float:
    """
    ``time``: Coinbase's clock, Unix seconds to a millisecond.

    Raises:
        PayloadError: Not this shape, or a number that can be no time in milliseconds.
    """
    millis = answer(body, wire.Time, "time").epoch_millis
    if not 1_600_000_000_000 <= millis < 10_000_000_000_000:
        raise PayloadError(f"time: {millis} is no Unix time in milliseconds")
    return millis / 1000


def ticker(body: bytes, symbol: Symbol, *, as_of_s: float) -> Ticker | None:
    """Best prices and the last trade's; None where there is no book or no trade yet."""
    told = answer(body, wire.MarketTrades, "ticker")
    bid, ask = stated(told.best_bid, "ticker.best_bid"), stated(told.best_ask, "ticker.best_ask")
    if bid is None or ask is None or not told.trades:
        return None
    last = amount(told.trades[0].price, "ticker.trades.price")
    return Ticker(symbol=symbol, bid=bid, ask=ask, last=last, as_of_s=as_of_s)


def candles(body: bytes, *, interval_s: int, now_s: float) -> list[Candle]:
    """
    Oldest first, buckets without trades left out; final where they ended before *now_s* on the venue's clock.

    Raises:
        PayloadError: Not this shape, or starts that repeat.
    """
    found: list[Candle] = []
    for row in sorted(answer(body, wire.Candles, "candles").candles, key=lambda row: row.start):
        if found and row.start == found[-1].start_s:
            raise PayloadError("candles: two of one start")
        opened, high, low, close, volume = (
            amount(text, "candles") for text in (row.open, row.high, row.low, row.close, row.volume)
        )
        found.append(
            Candle(
                start_s=row.start,
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=volume,
                is_final=row.start + interval_s <= now_s,
            )
        )
    return found


# The account


_USES_SPOT: Final = frozenset({"DEFAULT", "CONSUMER", "UNDEFINED"})


def credential_info(body: bytes) -> CredentialInfo:
    """``key_permissions``: the portfolio behind the key and what the key may do there."""
    told = answer(body, wire.KeyPermissions, "key_permissions")
    if not told.portfolio_uuid:
        raise PayloadError("key_permissions.portfolio_uuid: empty")
    rights = {
        "view": told.can_view,
        "trade": told.can_trade,
        "transfer": told.can_transfer,
        "receive": told.can_receive,
    }
    kind = told.portfolio_type
    refusal = None
    if kind not in _USES_SPOT:
        refusal = (
            f"the key belongs to a portfolio of type {errors.shown(kind)[:40]}, which is not for spot: "
            "make a key for a portfolio of type DEFAULT or CONSUMER"
        )
    return CredentialInfo(
        account_id=told.portfolio_uuid,
        permissions=tuple(word for word, has_it in rights.items() if has_it),
        can_withdraw=told.can_transfer,
        nonce_window=None,
        ip_allow_list=(),
        expires_at_s=None,
        account_mode=kind,
        refusal=refusal,
    )


def accounts_of_portfolio(body: bytes) -> list[str]:
    """``portfolios/{uuid}``: the accounts behind its spot positions that hold anything."""
    told = answer(body, wire.Portfolio, "portfolio")
    return [position.account_uuid for position in told.breakdown.spot_positions if position.total_balance_crypto]


def fee_rates(body: bytes, symbols: list[Symbol]) -> dict[Symbol, FeeRates]:
    """``transaction_summary``: the tier's rates, the same for every instrument; fractions already."""
    tier = answer(body, wire.TransactionSummary, "transaction_summary").fee_tier
    taker = amount(tier.taker_fee_rate, "transaction_summary.taker_fee_rate")
    maker = amount(tier.maker_fee_rate, "transaction_summary.maker_fee_rate")
    if not -1 < maker < 1 or not -1 < taker < 1:
        raise PayloadError(f"transaction_summary: rates of {taker} and {maker} are no fractions")
    return {symbol: FeeRates(symbol=symbol, taker=taker, maker=maker) for symbol in symbols}


# Orders and history


def orders(body: bytes) -> wire.Orders:
    """One page of orders as Coinbase tells them; ``order_of`` makes ours of each."""
    return answer(body, wire.Orders, "orders")


def lone_order(body: bytes) -> wire.Order:
    """The one order that was asked for by its id."""
    return answer(body, wire.OrderAlone, "order").order


def is_open(order: wire.Order) -> bool:
    """Whether an order is not over; a status that we do not know is taken for not over."""
    return order.status not in ENDED


def order_of(order: wire.Order, names: Names) -> OpenOrder | ClosedOrder:
    """
    One order: open, or as it ended. Amounts in whole units, fees in quote.

    Raises:
        PayloadError, AmountError: A side or a figure that is none.
    """
    where = f"orders {ascii(order.order_id)[:40]}"
    side = side_of(order.side, f"{where}.side")
    filled = stated(order.filled_size, f"{where}.filled_size") or ZERO
    cost = stated(order.filled_value, f"{where}.filled_value")
    if cost is None:
        cost = multiply(filled, stated(order.average_filled_price, f"{where}.average_filled_price") or ZERO)
    fee = stated(order.total_fees, f"{where}.total_fees") or ZERO
    terms = _terms(order.order_configuration)
    quantity = stated(terms.get("base_size"), f"{where}.base_size")
    symbol = names.instrument(order.product_id)
    if not is_open(order):
        return ClosedOrder(
            order_id=order.order_id,
            client_order_id=order.client_order_id or None,
            symbol=symbol,
            side=side,
            status=ENDED[order.status],
            quantity=filled if quantity is None else quantity,
            filled=filled,
            cost=cost,
            fee=fee,
            closed_at_s=time_s(order.last_update_time or order.last_fill_time, f"{where}.last_update_time"),
            reason=_why(order.reject_message, order.cancel_message, order.reject_reason),
        )
    limit_price = stated(terms.get("limit_price"), f"{where}.limit_price")
    spending = stated(terms.get("quote_size"), f"{where}.quote_size")
    base, quote = names.sides(order.product_id)
    hold_asset, hold = hold_of(
        base=base,
        quote=quote,
        side=side,
        told=stated(order.outstanding_hold_amount, f"{where}.outstanding_hold_amount"),
        remaining=None if quantity is None else subtract(quantity, filled),
        remaining_cost=None if spending is None else subtract(spending, cost),
        limit_price=limit_price,
    )
    return OpenOrder(
        order_id=order.order_id,
        client_order_id=order.client_order_id or None,
        symbol=symbol,
        side=side,
        order_type=(order.order_type or "").lower(),
        quantity=quantity,
        filled=filled,
        limit_price=limit_price,
        hold_asset=hold_asset,
        hold=hold,
        cost=cost,
        fee=fee,
    )


def _terms(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The texts inside ``order_configuration``, which has one key: the kind of order."""
    for kind in configuration.values():
        if isinstance(kind, dict):
            return {name: value for name, value in kind.items() if isinstance(value, str)}
    return {}


def _why(*told: str | None) -> str | None:
    for text in told:
        if text and not text.upper().startswith(("UNKNOWN", "REJECT_REASON_UNSPECIFIED")):
            return errors.shown(text)
    return None


def hold_of(
    *,
    base: AssetCode | None,
    quote: AssetCode | None,
    side: Side,
    told: Decimal | None,
    remaining: Decimal | None,
    remaining_cost: Decimal | None,
    limit_price: Decimal | None,
) -> tuple[AssetCode | None, Decimal | None]:
    """
    What Coinbase holds for an open order: asset and amount, each None where unknown.

    Coinbase's own figure counts, which includes the fee of a buy. Where it tells none, or nothing of an order that has
    something left, it is what is left: of base for a sell, of quote for a buy, without fees.

    Args:
        base: What is traded, or None where unknown.
        quote: What it is traded for, or None where unknown.
        side: The order's side.
        told: ``outstanding_hold_amount``.
        remaining: Base units not yet filled, or None for an order by cost.
        remaining_cost: Quote units not yet spent, for an order by cost.
        limit_price: The limit, or None.

    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders
    (checked 2026-11-20)
    """
    asset = base if side is Side.SELL else quote
    if asset is None:
        return None, None
    if told:
        return asset, max(told, ZERO)
    if side is Side.SELL:
        return asset, None if remaining is None else max(remaining, ZERO)
    if remaining_cost is not None:
        return asset, max(remaining_cost, ZERO)
    if remaining is None or limit_price is None:
        return asset, None
    return asset, max(multiply(remaining, limit_price), ZERO)


def fills(body: bytes, names: Names) -> tuple[dict[str, Fill], int, str]:
    """
    One page of fills by their entry, newest first; how many rows it has; and its cursor, empty on the last page.

    Rows of other kinds than ``FILL`` (reversals, corrections) are no executions.
    """
    page = answer(body, wire.Fills, "fills")
    found: dict[str, Fill] = {}
    for row in page.fills:
        if row.trade_type not in (None, "FILL"):
            continue
        where = f"fills {ascii(row.trade_id)[:40]}"
        symbol = names.instrument(row.product_id)
        size, price = amount(row.size, f"{where}.size"), amount(row.price, f"{where}.price")
        if row.size_in_quote:
            step = names.instruments[symbol].quantity_step if symbol is not None else _FINEST
            quantity, cost = _quotient(size, price, step, where), size
        else:
            quantity, cost = size, multiply(size, price)
        at_s = time_s(row.trade_time, f"{where}.trade_time")
        if at_s is None:
            raise PayloadError(f"{where}.trade_time: no time")
        found[row.entry_id or row.trade_id] = Fill(
            fill_id=row.trade_id,
            order_id=row.order_id,
            symbol=symbol,
            side=side_of(row.side, f"{where}.side"),
            quantity=quantity,
            price=price,
            cost=cost,
            fee=stated(row.commission, f"{where}.commission") or ZERO,
            at_s=at_s,
        )
    return found, len(page.fills), page.cursor or ""


_FINEST: Final = Decimal(1).scaleb(-18)
_DIVIDING: Final = decimal.Context(prec=80, rounding=decimal.ROUND_HALF_EVEN, traps=[decimal.DivisionByZero])


def _quotient(size: Decimal, price: Decimal, step: Decimal, where: str) -> Decimal:
    """A size in quote as base: what was executed lies on the instrument's grid, so the nearest step is meant."""
    if price <= 0:
        raise PayloadError(f"{where}.price: {price}")
    steps = _DIVIDING.divide(size, multiply(price, step)).to_integral_value(context=_DIVIDING)
    return multiply(steps, step)
