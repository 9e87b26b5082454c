"""
OKX's payloads with OKX's field names; every number is text there, and stays text.

Only fields we use are named; others are ignored, and new ones arrive monthly. A field that does not apply to the
account or the order is ``""``, which is never zero. Shapes named ``Fast…`` are for the hot parser, which proves itself
that nothing was lost by it.

Sources: the pages named at each shape (checked 2026-11-20).
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T], kw_only=True):
    """
    ``{"code": "0", "msg": "", "data": [...]}``; what a gateway refuses may have no ``data`` at all.

    Sources: https://www.okx.com/docs-v5/en/#overview-general-info ·
    https://github.com/burakoner/OKX.Api/issues/73
    """

    code: str
    msg: str = ""
    data: list[T] | None = None


class AccountPosition(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One row of ``account/positions``; only what tells a margin position and names any other.

    ``pos`` is in units of ``posCcy``: base of a long one, quote of a short one, of which ``liab`` says how much base
    is owed (negative). A derivative counts in contracts and has no ``posCcy``.
    Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """

    inst_type: str
    inst_id: str
    pos_id: str
    pos: str
    pos_ccy: str = ""
    liab: str = ""
    liab_ccy: str = ""
    margin: str = ""
    upl: str = ""
    c_time: str = ""


class Verdict(msgspec.Struct, kw_only=True):
    """The part of any answer that says whether it failed; ``data`` for what its items say of themselves."""

    code: str
    msg: str = ""
    data: Any = None


class Item(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One order's result: ``sCode`` is what counts, whatever the envelope says.

    Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order ·
    https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-order
    """

    s_code: str | None = None
    s_msg: str = ""
    sub_code: str = ""
    ord_id: str = ""
    cl_ord_id: str = ""


class Triggered(msgspec.Struct, kw_only=True, rename="camel"):
    """``cancel-all-after``: https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-all-after; seconds."""

    trigger_time: str
    tag: str = ""


class Time(msgspec.Struct, kw_only=True):
    """``public/time``: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-system-time; milliseconds."""

    ts: str


class StatusRow(msgspec.Struct, kw_only=True, rename="camel"):
    """One maintenance of ``system/status``: https://www.okx.com/docs-v5/en/#status-get-status."""

    state: str
    service_type: str = ""
    env: str = ""
    title: str = ""


class Instrument(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One row of ``public/instruments`` and ``account/instruments``.

    Sources: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments ·
    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-instruments
    """

    inst_id: str
    inst_type: str
    base_ccy: str
    quote_ccy: str
    tick_sz: str
    lot_sz: str
    min_sz: str
    state: str
    group_id: str = ""
    inst_id_code: str | None = None
    trade_quote_ccy_list: list[str] = []


class TickerRow(msgspec.Struct, kw_only=True, rename="camel"):
    """One row of ``market/ticker``; a side without orders is ``""``."""

    inst_id: str
    last: str
    ask_px: str
    bid_px: str


class Config(msgspec.Struct, kw_only=True, rename="camel"):
    """
    ``account/config``.

    Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
    """

    uid: str
    main_uid: str
    acct_lv: str
    pos_mode: str
    perm: str
    ip: str
    fee_type: str = "0"
    enable_spot_borrow: bool = False


class BalanceRow(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One currency of ``account/balance`` and of the ``account`` channel.

    Sources: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance ·
    https://www.okx.com/docs-v5/en/#trading-account-websocket-account-channel
    """

    ccy: str
    cash_bal: str
    avail_bal: str
    frozen_bal: str
    u_time: str
    eq: str = ""
    liab: str = ""
    stgy_eq: str = ""


class Account(msgspec.Struct, kw_only=True, rename="camel"):
    """The one object around the currencies; ``uTime`` is when the view was made."""

    u_time: str
    details: list[BalanceRow]


class FastBalanceRow(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    """A currency in its usual form: what we use has to be there, and to be text."""

    avail_bal: str
    cash_bal: str
    ccy: str
    eq: str
    frozen_bal: str
    liab: str
    stgy_eq: str
    u_time: str


class FastAccount(msgspec.Struct, kw_only=True, rename="camel"):
    """The account in its usual form."""

    details: list[FastBalanceRow]
    u_time: str


class FastBalance(msgspec.Struct, kw_only=True):
    """``account/balance`` in its usual form."""

    code: str
    data: list[FastAccount]


class FundingRow(msgspec.Struct, kw_only=True, rename="camel"):
    """One row of ``asset/balances``: https://www.okx.com/docs-v5/en/#funding-account-rest-api-get-balance."""

    ccy: str
    bal: str
    avail_bal: str
    frozen_bal: str


class FeeGroup(msgspec.Struct, kw_only=True, rename="camel"):
    """The rates of one group of instruments; negative where they are paid."""

    group_id: str
    taker: str
    maker: str


class TradeFee(msgspec.Struct, kw_only=True, rename="camel"):
    """``account/trade-fee``: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-fee-rates."""

    inst_type: str
    fee_group: list[FeeGroup] = []
    taker: str = ""
    maker: str = ""


class Order(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One order of ``trade/order``, ``orders-pending``, ``orders-history`` and of the ``orders`` channel.

    ``accFillSz`` is all that was filled, in base; ``fillSz`` the last fill. ``sz`` is in base, but for market orders
    whose ``tgtCcy`` says quote. ``fee`` and ``rebate`` are signed: negative where they were charged.

    Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-details ·
    https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel
    """

    ord_id: str
    inst_id: str
    inst_type: str
    side: str
    ord_type: str
    state: str
    sz: str
    acc_fill_sz: str
    u_time: str
    px: str = ""
    avg_px: str = ""
    tgt_ccy: str = ""
    td_mode: str = ""
    cl_ord_id: str = ""
    fee: str = ""
    fee_ccy: str = ""
    rebate: str = ""
    rebate_ccy: str = ""
    trade_quote_ccy: str = ""
    cancel_source: str = ""
    cancel_source_reason: str = ""
    # The channel only.
    trade_id: str = ""
    fill_sz: str = ""
    fill_px: str = ""
    fill_fee: str = ""
    fill_fee_ccy: str = ""


class Trade(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One row of ``trade/fills`` and ``fills-history``.

    Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-days
    """

    bill_id: str
    trade_id: str
    ord_id: str
    inst_id: str
    side: str
    fill_sz: str
    fill_px: str
    fill_time: str
    ts: str
    fee: str = ""
    fee_ccy: str = ""
    trade_quote_ccy: str = ""


class Bill(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One row of ``account/bills``: ``balChg`` is what the balance moved by, fee included, ``bal`` the balance after it.

    Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-bills-details-last-7-days
    """

    bill_id: str
    ccy: str
    type: str
    sub_type: str
    bal_chg: str
    bal: str
    ts: str
    fee: str = ""
    ord_id: str = ""
    trade_id: str = ""


# Stream


class Argument(msgspec.Struct, kw_only=True):
    """Which channel a frame is about, and whose."""

    channel: str
    uid: str | None = None


class FastPush(msgspec.Struct, kw_only=True, rename="camel"):
    """A push of the ``account`` channel in its usual form."""

    arg: Argument
    data: list[FastAccount]
    event_type: str
    cur_page: int | None = None
    last_page: bool | None = None


class Frame(msgspec.Struct, kw_only=True, rename="camel"):
    """
    Any frame but a pong: an event, the answer to an operation, or a push.

    Sources: https://www.okx.com/docs-v5/en/#overview-websocket-subscribe ·
    https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order ·
    https://www.okx.com/docs-v5/en/#trading-account-websocket-account-channel
    """

    event: str | None = None
    op: str | None = None
    arg: Argument | None = None
    id: str | None = None
    code: str | None = None
    msg: str = ""
    channel: str | None = None  # Of connection counts, which have no ``arg``.
    event_type: str | None = None
    cur_page: int | None = None
    last_page: bool | None = None
    data: Any = None


class Cash(msgspec.Struct, kw_only=True, rename="camel"):
    """
    One currency of ``balance_and_position``.

    Source: https://www.okx.com/docs-v5/en/#trading-account-websocket-balance-and-position-channel
    """

    ccy: str
    cash_bal: str
    u_time: str


class CashChange(msgspec.Struct, kw_only=True, rename="camel"):
    """One push of ``balance_and_position``; what did not change may be left out."""

    event_type: str = ""
    bal_data: list[Cash] = []
