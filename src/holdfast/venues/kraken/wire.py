"""
Kraken's payloads with Kraken's field names; numbers that matter stay text.

Only fields we use are named; others are ignored. REST shapes are read through ``holdfast.core.payloads``, which hands
JSON numbers over as their exact text, so ``str`` covers both ways of writing them. Shapes named ``Fast…`` are for the
hot parsers, which prove themselves that nothing else was there.

Sources: the pages named at each shape (checked 2026-11-20).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T], kw_only=True):
    """
    ``{"error": [text, …], "result": …}``; ``result`` may be absent, null or empty.

    Source: https://docs.kraken.com/exchange/guides/rest/introduction
    """

    error: list[str]
    result: T | None = None


class ErrorsOnly(msgspec.Struct, kw_only=True):
    """The part of any answer that says whether it failed."""

    error: list[str]


class BalanceExRow(msgspec.Struct, kw_only=True, gc=False):
    """
    One row of ``BalanceEx``; credit fields only where the account has a credit line.

    Source: https://docs.kraken.com/api-reference/account-data/get-extended-balance
    """

    balance: str
    hold_trade: str
    credit: str | None = None
    credit_used: str | None = None


class FastBalanceEx(msgspec.Struct, kw_only=True):
    """``BalanceEx`` in its usual form."""

    error: list[str]
    result: dict[str, BalanceExRow]


class FastBalance(msgspec.Struct, kw_only=True):
    """``Balance`` in its usual form: https://docs.kraken.com/api-reference/account-data/get-account-balance."""

    error: list[str]
    result: dict[str, str]


class Time(msgspec.Struct, kw_only=True):
    """``Time``: whole seconds."""

    unixtime: int


class SystemStatus(msgspec.Struct, kw_only=True):
    """``SystemStatus``: https://docs.kraken.com/api/docs/rest-api/get-system-status/."""

    status: str
    upcoming_maintenance: list[Any] = []
    emergency: list[Any] = []


class Asset(msgspec.Struct, kw_only=True):
    """One entry of ``Assets``: https://docs.kraken.com/api/docs/rest-api/get-asset-info."""

    altname: str
    decimals: int
    aclass: str = "currency"
    status: str = "enabled"


class AssetPair(msgspec.Struct, kw_only=True):
    """
    One entry of ``AssetPairs``; fees are ``[volume, percent]`` pairs.

    Source: https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs
    """

    altname: str
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    wsname: str | None = None
    cost_decimals: int | None = None
    ordermin: str | None = None
    costmin: str | None = None
    tick_size: str | None = None
    status: str = "online"
    fees: list[list[str]] = []
    fees_maker: list[list[str]] = []


class TickerRow(msgspec.Struct, kw_only=True):
    """One entry of ``Ticker``: price first in each list."""

    a: list[str]
    b: list[str]
    c: list[str]


class OrderDescription(msgspec.Struct, kw_only=True):
    """``descr`` of an order; ``pair`` is the *altname*."""

    pair: str
    type: str
    ordertype: str
    price: str = "0"
    price2: str = "0"
    leverage: str | None = None


class Order(msgspec.Struct, kw_only=True):
    """
    One order of ``OpenOrders``, ``ClosedOrders`` or ``QueryOrders``.

    ``price`` is the average fill, ``descr.price`` the order's own. ``vol`` is in base units unless ``oflags`` has
    ``viqc``, then in quote.
    Source: https://docs.kraken.com/api/docs/rest-api/get-open-orders
    """

    status: str
    descr: OrderDescription
    vol: str
    vol_exec: str
    cost: str
    fee: str
    oflags: str = ""
    margin: bool = False
    cl_ord_id: str | None = None
    closetm: float | None = None
    reason: str | None = None


class OpenPosition(msgspec.Struct, kw_only=True):
    """
    One row of ``OpenPositions``; ``vol`` and ``vol_closed`` in base units, money in quote.

    ``value`` and ``net`` only where ``docalcs`` was asked for; ``net`` carries a sign, a plus included.
    Source: https://docs.kraken.com/api/docs/rest-api/get-open-positions
    """

    posstatus: str
    pair: str
    type: str
    vol: str
    vol_closed: str
    time: float | None = None
    cost: str | None = None
    fee: str | None = None
    margin: str | None = None
    value: str | None = None
    net: str | None = None


class OpenOrders(msgspec.Struct, kw_only=True):
    """``OpenOrders``."""

    open: dict[str, Order]


class ClosedOrders(msgspec.Struct, kw_only=True):
    """One page of ``ClosedOrders``."""

    closed: dict[str, Order]


class Trade(msgspec.Struct, kw_only=True):
    """One fill of ``TradesHistory``: https://docs.kraken.com/api/docs/rest-api/get-trade-history."""

    ordertxid: str
    pair: str
    time: float
    type: str
    price: str
    cost: str
    fee: str
    vol: str


class Trades(msgspec.Struct, kw_only=True):
    """One page of ``TradesHistory``."""

    trades: dict[str, Trade]


class LedgerEntry(msgspec.Struct, kw_only=True):
    """One entry of ``Ledgers``: https://docs.kraken.com/api-reference/account-data/get-ledgers-info."""

    time: float
    type: str
    asset: str
    amount: str
    fee: str
    refid: str | None = None
    balance: str | None = None


class Ledger(msgspec.Struct, kw_only=True):
    """One page of ``Ledgers``."""

    ledger: dict[str, LedgerEntry]


class Fee(msgspec.Struct, kw_only=True):
    """One pair's fee, in percent."""

    fee: str


class TradeVolume(msgspec.Struct, kw_only=True):
    """
    ``TradeVolume``: ``fees`` are for takers, ``fees_maker`` for makers; absent where they are the same.

    Source: https://docs.kraken.com/api/docs/rest-api/get-trade-volume
    """

    currency: str
    fees: dict[str, Fee] | None = None
    fees_maker: dict[str, Fee] | None = None


class Token(msgspec.Struct, kw_only=True):
    """``GetWebSocketsToken``: https://docs.kraken.com/api-reference/trading/get-websockets-token."""

    token: str
    expires: int = 900


class ApiKeyInfo(msgspec.Struct, kw_only=True, rename="camel"):
    """``GetApiKeyInfo``: https://docs.kraken.com/api/docs/rest-api/get-api-key-info."""

    permissions: list[str]
    iban: str
    api_key: str | None = None
    nonce_window: int | None = None
    valid_until: str | None = None
    ip_allowlist: list[str] = []


# Stream, WebSocket v2. Numbers are JSON numbers there.


class Frame(msgspec.Struct, kw_only=True):
    """
    Any frame: data of a channel, or the answer to a request.

    Source: https://docs.kraken.com/exchange/guides/websockets/introduction
    """

    channel: str | None = None
    type: str | None = None
    sequence: int | None = None
    data: Any = None
    method: str | None = None
    success: bool | None = None
    error: str | None = None
    req_id: int | None = None
    result: Any = None


class Wallet(msgspec.Struct, kw_only=True):
    """One wallet of one asset."""

    type: str
    id: str
    balance: str


class BalancesSnapshotRow(msgspec.Struct, kw_only=True):
    """One asset of a ``balances`` snapshot."""

    asset: str
    balance: str
    wallets: list[Wallet] = []
    user: str | None = None


class BalancesUpdateRow(msgspec.Struct, kw_only=True):
    """One ledger transaction of a ``balances`` update; ``fee`` is positive and charged in this asset."""

    asset: str
    amount: str
    fee: str
    balance: str
    wallet_type: str
    wallet_id: str
    type: str
    subtype: str | None = None
    category: str = ""
    ledger_id: str | None = None
    ref_id: str | None = None
    user: str | None = None


class FastBalancesUpdateRow(msgspec.Struct, kw_only=True, gc=False):
    """The same in its usual form, in the order of the page's sample: fields met in order are found quicker."""

    ledger_id: str
    ref_id: str
    timestamp: str
    type: str
    subtype: str | None = None
    category: str
    asset: str
    asset_class: str
    wallet_type: str
    wallet_id: str
    amount: Decimal
    fee: Decimal
    balance: Decimal


class FastBalancesUpdate(msgspec.Struct, kw_only=True):
    """A ``balances`` update in its usual form."""

    channel: str
    type: str
    sequence: int
    data: list[FastBalancesUpdateRow]


class ExecutionFee(msgspec.Struct, kw_only=True):
    """A fill's fee in one asset: positive where it was paid."""

    asset: str
    qty: str


class Execution(msgspec.Struct, kw_only=True):
    """
    One row of ``executions``: every field is optional, updates carry only what changed.

    Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/executions
    """

    order_id: str
    exec_type: str = ""
    order_status: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_type: str | None = None
    order_qty: str | None = None
    cash_order_qty: str | None = None
    limit_price: str | None = None
    limit_price_type: str | None = None
    cum_qty: str | None = None
    cum_cost: str | None = None
    last_qty: str | None = None
    last_price: str | None = None
    cost: str | None = None
    fees: list[ExecutionFee] | None = None
    cl_ord_id: str | None = None
    exec_id: str | None = None
    margin: bool | None = None
    reason: str | None = None
    cancel_reason: str | None = None
    user: str | None = None


# Order entry


class Placed(msgspec.Struct, kw_only=True):
    """``AddOrder``: no ``txid`` where it was only validated. https://docs.kraken.com/api-reference/trading/add-order"""

    txid: list[str] | None = None


class Cancelled(msgspec.Struct, kw_only=True):
    """``CancelOrder``: https://docs.kraken.com/api-reference/trading/cancel-order."""

    count: int
    pending: bool | None = None


class Switch(msgspec.Struct, kw_only=True, rename="camel"):
    """
    The dead-man switch, of REST and stream alike.

    Source: https://docs.kraken.com/api-reference/trading/cancel-all-orders-after-x
    """

    current_time: str
    trigger_time: str


class StreamPlaced(msgspec.Struct, kw_only=True):
    """
    ``result`` of ``add_order`` and ``cancel_order``.

    Sources: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/add_order and …/cancel_order
    """

    order_id: str | None = None
    cl_ord_id: str | None = None
    warnings: list[str] | None = None
