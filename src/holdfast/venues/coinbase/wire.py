"""
Coinbase's payloads with Coinbase's field names; numbers that matter stay text.

Only fields we use are named; others are ignored. Shapes are read through ``holdfast.core.payloads``, which hands JSON
numbers over as their exact text, so ``str`` covers both ways of writing them. Times are RFC 3339 text. A field is
required where nothing could be told without it; everything that pages or captures leave out now and then is optional.

Sources: the pages named at each shape, below
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api (checked 2026-11-20).
"""

from __future__ import annotations

from typing import Any

import msgspec

# The venue and its listing


class Time(msgspec.Struct, kw_only=True, rename="camel"):
    """``GET /time``: milliseconds since 1970, as text. …/public/get-public-product …/time."""

    epoch_millis: int


class Product(msgspec.Struct, kw_only=True):
    """
    One product; switches are booleans of their own.

    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products
    """

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    base_increment: str
    quote_increment: str
    status: str
    price_increment: str | None = None
    base_min_size: str | None = None
    quote_min_size: str | None = None
    product_type: str = "SPOT"
    is_disabled: bool = False
    trading_disabled: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    view_only: bool = False


class Products(msgspec.Struct, kw_only=True):
    """One page of products; ``num_products`` counts all of them."""

    products: list[Product]
    num_products: int | None = None


class Trade(msgspec.Struct, kw_only=True):
    """One public trade."""

    price: str


class MarketTrades(msgspec.Struct, kw_only=True):
    """``GET …/ticker``: …/public/get-public-market-trades."""

    trades: list[Trade]
    best_bid: str
    best_ask: str


class Candle(msgspec.Struct, kw_only=True):
    """One candle; ``start`` is Unix seconds, as text."""

    start: int
    low: str
    high: str
    open: str
    close: str
    volume: str


class Candles(msgspec.Struct, kw_only=True):
    """``GET …/candles``, newest first: …/public/get-public-product-candles."""

    candles: list[Candle]


# The account


class Money(msgspec.Struct, kw_only=True):
    """An amount and its currency."""

    value: str
    currency: str


class Account(msgspec.Struct, kw_only=True):
    """
    One wallet: of one currency on one platform.

    ``available_balance`` is without ``hold`` already.
    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/accounts/list-accounts
    """

    uuid: str
    currency: str
    available_balance: Money
    hold: Money | None = None
    active: bool = True
    deleted_at: str | None = None
    type: str | None = None
    platform: str | None = None
    retail_portfolio_id: str | None = None


class Accounts(msgspec.Struct, kw_only=True):
    """One page of accounts."""

    accounts: list[Account]
    has_next: bool
    cursor: str | None = None


class AccountAlone(msgspec.Struct, kw_only=True):
    """``GET /accounts/{uuid}``: …/accounts/get-account."""

    account: Account


class SpotPosition(msgspec.Struct, kw_only=True):
    """One asset of a portfolio; its figures are JSON numbers, rounded through floats: only good to tell zero."""

    account_uuid: str
    total_balance_crypto: float = 1.0


class Breakdown(msgspec.Struct, kw_only=True):
    """What a portfolio is made of."""

    spot_positions: list[SpotPosition]


class Portfolio(msgspec.Struct, kw_only=True):
    """``GET /portfolios/{uuid}``: …/portfolios/get-portfolio-breakdown."""

    breakdown: Breakdown


class KeyPermissions(msgspec.Struct, kw_only=True):
    """``GET /key_permissions``: …/data-api/get-api-key-permissions."""

    can_view: bool
    can_trade: bool
    can_transfer: bool
    portfolio_uuid: str
    can_receive: bool = False
    portfolio_type: str = "UNDEFINED"


class FeeTier(msgspec.Struct, kw_only=True):
    """Rates as fractions: ``"0.006"`` is 0.6 %."""

    taker_fee_rate: str
    maker_fee_rate: str
    pricing_tier: str = ""


class TransactionSummary(msgspec.Struct, kw_only=True):
    """``GET /transaction_summary``: …/fees/get-transaction-summary."""

    fee_tier: FeeTier


# Orders


class Order(msgspec.Struct, kw_only=True):
    """
    One order as REST tells it; numbers are empty texts where there is nothing to tell.

    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders
    """

    order_id: str
    product_id: str
    side: str
    status: str
    client_order_id: str | None = None
    order_configuration: dict[str, Any] = {}
    order_type: str | None = None
    filled_size: str | None = None
    filled_value: str | None = None
    average_filled_price: str | None = None
    total_fees: str | None = None
    size_in_quote: bool = False
    outstanding_hold_amount: str | None = None
    reject_reason: str | None = None
    reject_message: str | None = None
    cancel_message: str | None = None
    product_type: str | None = None
    created_time: str | None = None
    last_fill_time: str | None = None
    last_update_time: str | None = None


class Orders(msgspec.Struct, kw_only=True):
    """One page of ``GET /orders/historical/batch``."""

    orders: list[Order]
    has_next: bool
    cursor: str | None = None


class OrderAlone(msgspec.Struct, kw_only=True):
    """``GET /orders/historical/{order_id}``: …/orders/get-order."""

    order: Order


class Fill(msgspec.Struct, kw_only=True):
    """
    One execution; ``size`` is in quote units where ``size_in_quote`` says so.

    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-fills
    """

    trade_id: str
    order_id: str
    trade_time: str
    price: str
    size: str
    commission: str
    product_id: str
    side: str
    entry_id: str | None = None
    trade_type: str = "FILL"
    size_in_quote: bool = False


class Fills(msgspec.Struct, kw_only=True):
    """One page of ``GET /orders/historical/fills``: the last one has no cursor, or no rows."""

    fills: list[Fill]
    cursor: str | None = None


# Order entry


class PlacedOrder(msgspec.Struct, kw_only=True):
    """What was placed, or what has our id already."""

    order_id: str
    product_id: str | None = None
    side: str | None = None
    client_order_id: str | None = None


class Refusal(msgspec.Struct, kw_only=True):
    """Why an order was refused: any of the three may be the one that says it."""

    error: str | None = None
    message: str | None = None
    error_details: str | None = None
    preview_failure_reason: str | None = None
    new_order_failure_reason: str | None = None


class Created(msgspec.Struct, kw_only=True):
    """
    ``POST /orders``: an order was refused where ``success`` is false, whatever the status.

    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order
    """

    success: bool
    success_response: PlacedOrder | None = None
    error_response: Refusal | None = None
    order_id: str | None = None  # Deprecated, and sometimes still filled.
    order_configuration: dict[str, Any] = {}


class Previewed(msgspec.Struct, kw_only=True):
    """
    ``POST /orders/preview``.

    Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/preview-orders
    """

    errs: list[str]
    order_total: str
    warning: list[str] = []


class CancelResult(msgspec.Struct, kw_only=True):
    """What became of the cancel of one order."""

    success: bool
    order_id: str
    failure_reason: str | None = None


class Cancelled(msgspec.Struct, kw_only=True):
    """``POST /orders/batch_cancel``: …/orders/cancel-order."""

    results: list[CancelResult]


# Stream


class Frame(msgspec.Struct, kw_only=True):
    """
    Any frame; ``type`` and ``message`` are of errors, which have neither channel nor number.

    Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview
    """

    channel: str | None = None
    sequence_num: int | None = None
    events: Any = None
    type: str | None = None
    message: str | None = None


class Subscriptions(msgspec.Struct, kw_only=True):
    """An event of ``subscriptions``: everything that is subscribed on this connection."""

    subscriptions: dict[str, Any]


class UserOrder(msgspec.Struct, kw_only=True):
    """
    One order as the ``user`` channel tells it: everything is cumulative.

    Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
    """

    order_id: str
    product_id: str
    order_side: str
    status: str
    client_order_id: str | None = None
    order_type: str | None = None
    limit_price: str | None = None
    cumulative_quantity: str | None = None
    leaves_quantity: str | None = None
    filled_value: str | None = None
    avg_price: str | None = None
    total_fees: str | None = None
    total_value_after_fees: str | None = None
    outstanding_hold_amount: str | None = None
    cancel_reason: str | None = None
    reject_reason: str | None = None
    product_type: str | None = None


class UserEvent(msgspec.Struct, kw_only=True):
    """An event of ``user``: a batch of the snapshot, or an update."""

    type: str
    orders: list[UserOrder]
