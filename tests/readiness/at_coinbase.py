"""Single defects at Coinbase, and what each costs. Its status and nonces are exempt: it has neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.readiness.defect import Act, Defect, answer, both, fault, happen, lasting, nothing, rest, rights, spoil
from tests.readiness.rooms import Room

__all__ = ["COINBASE"]


def _candles(change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Act:
    """Candles of now, changed; newest first, as Coinbase has them."""

    def act(room: Room) -> None:
        at_s = int(room.venue.now_us() // 1_000_000) // 60 * 60
        prices = {"low": "39990", "high": "40010", "open": "40000", "close": "40001", "volume": "1.5"}
        rows: list[dict[str, str]] = [{"start": str(at_s - 60 * back), **prices} for back in range(60)]
        answer("GetProductCandles", json.dumps({"candles": change(rows)}))(room)

    return act


def _late_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "start": str(int(row["start"]) - 3600)} for row in rows]


def _off_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "start": str(int(row["start"]) + 7)} for row in rows]


def _row(read: str, **figures: str) -> Act:
    return lasting(kind="override_row", read=read, asset="USD", **figures)


def _order(room: Room) -> None:
    room.happen(kind="external_order", pair="BTC-USD", side="buy", quantity="0.001", price="20000")


def _ordered_again(room: Room) -> None:
    room.happen(kind="external_order", pair="BTC-USD", side="buy", quantity="0.0001", price="20000")


def _swap(room: Room) -> None:
    room.use_key(room.happen(kind="new_account", name="other"))


def _c(name: str, points: int, lost: tuple[str, ...], says: str, act: Act, **more: Any) -> Defect:
    return Defect(venue="coinbase", name=name, points=points, lost=lost, says=says, act=act, **more)


COINBASE: list[Defect] = [
    _c(
        "no secret",
        63,
        ("credentials.present",),
        "COINBASE_MASTER_API_SECRET is not set",
        spoil("SECRET", lambda _: None),
    ),
    _c(
        "secret with a blank before it",
        62,
        ("credentials.form",),
        "a blank or a line break",
        spoil("SECRET", lambda text: " " + text),
    ),
    _c(
        "secret that is no key",
        62,
        ("credentials.form",),
        "PEM key without its end",
        spoil("SECRET", lambda text: text[:60]),
    ),
    _c(
        "real key in the simulated environment",
        62,
        ("credentials.form",),
        "not a simulator's key",
        spoil("KEY", lambda text: text.replace("0000", "1234")),
    ),
    _c("key deleted", 61, ("credentials.accepted",), "the venue does not know the key", happen(kind="key_revocation")),
    _c("right missing: trade", 7, ("credentials.trade_rights",), "The key lacks trade", rights("view")),
    _c(
        "right missing: view",
        59,
        ("credentials.read_rights",),
        "PermissionMissingError",
        rights("trade"),
    ),
    _c(
        "right to transfer",
        2,
        ("credentials.no_withdrawal",),
        "THIS KEY CAN WITHDRAW",
        rights("view", "trade", "transfer"),
    ),
    _c("venue clock 31 s ahead", 4, ("connection.clock",), "31.0 s behind", happen(kind="clock", by_s=31)),
    _c("maintenance", 88, ("market.products",), "service unavailable", happen(kind="mode", mode="maintenance")),
    _c("cancel only", 8, ("trade.rules",), "cancel_only", happen(kind="mode", mode="cancel_only")),
    _c("HTML for everything", 98, ("connection.reach",), "HTTP 502", rest(do="html_error", status=502)),
    _c("unreachable", 98, ("connection.reach",), "connection refused", rest(do="unreachable")),
    _c("slow", 6, ("connection.latency",), "took 2556 ms", rest(do="delay", low_s=2.5)),
    _c(
        "5xx for accounts",
        36,
        ("credentials.read_rights",),
        "answered accounts with HTTP 503",
        rest("ListAccounts", do="html_error", status=503),
    ),
    _c("empty list of accounts", 4, ("balance.agree",), "BTC 0 in accounts", lasting(kind="empty_result", form="list")),
    _c("malformed row", 35, ("balance.agree",), "'NaN' is no amount", _row("ListAccounts", balance="NaN", hold="0")),
    _c(
        "asset that vanishes",
        4,
        ("balance.agree",),
        "USD 0 in accounts",
        lasting(kind="vanish", read="ListAccounts", asset="USD"),
    ),
    _c("holds that lag", 4, ("balance.held",), "open orders explain 20", both(fault(kind="hold_lag", by_s=60), _order)),
    _c(
        "holds that nothing explains",
        4,
        ("balance.held",),
        "the venue holds 100, open orders explain 0",
        _row("*", balance="9900", hold="100"),
    ),
    _c(
        "BTC-USD offline",
        3,
        ("symbols.usd",),
        "BTC-USD is not listed",
        happen(kind="pair_status", pair="BTC-USD", status="offline"),
    ),
    _c(
        "BTC-USD cancel only",
        8,
        ("trade.rules",),
        "cancel_only",
        happen(kind="pair_status", pair="BTC-USD", status="cancel_only"),
    ),
    _c("BUSD listed", 0, (), "", nothing, settings={"is_busd_listed": True}),  # Filtered, and said.
    _c("no candles", 10, ("market.candles",), "0 candles", _candles(lambda _: [])),
    _c("candles of an hour ago", 4, ("market.candle_age",), "s ago", _candles(_late_rows)),
    _c("candles off the minute", 3, ("market.candle_order",), "do not begin on a minute", _candles(_off_rows)),
    _c("candle twice", 10, ("market.candles",), "two of one start", _candles(lambda rows: [rows[0], *rows])),
    _c(
        "candle beyond its own high",
        10,
        ("market.candles",),
        "beyond their own high and low",
        _candles(lambda rows: [{**rows[0], "high": "9"}, *rows[1:]]),
    ),
    _c(
        "listing without products",
        57,
        ("market.products",),
        "nothing listed for spot",
        answer("GetProducts", '{"products":[],"num_products":0}'),
    ),
    _c(
        "listing refused",
        58,
        ("market.products",),
        "answered market/products with HTTP 502",
        rest("GetProducts", do="html_error", status=502),
    ),
    _c(
        "no price",
        8,
        ("trade.rules",),
        "ticker with HTTP 502",
        rest("GetMarketTrades", do="html_error", status=502),
    ),
    _c("swapped account", 43, ("connection.account",), "belongs to account", _swap, swaps=True),
    _c(
        "dry run refused",
        6,
        ("trade.dry_run",),
        "INVALID_ARGUMENT",
        lasting(kind="refuse", name="PreviewOrder", status=400, error="INVALID_ARGUMENT"),
    ),
    _c(
        "fees refused",
        2,
        ("trade.fees",),
        "answered transaction_summary with HTTP 502",
        rest("GetTransactionsSummary", do="html_error", status=502),
    ),
    _c("no funds", 6, ("trade.dry_run",), "INSUFFICIENT_FUND", nothing, profile="empty"),
    _c("mute stream", 8, ("stream.snapshot",), "nothing was heard", fault(kind="mute_stream", for_s=600)),
    _c(
        "orders channel mute",
        8,
        ("stream.snapshot",),
        "orders acknowledged, and no snapshot came",
        fault(kind="mute_channel", channel="user", for_s=600),
    ),
    _c(
        "orders channel refused",
        8,
        ("stream.snapshot",),
        "authentication failure",
        lasting(kind="unauthorized_stream"),
    ),
    _c(
        "stream refused",
        8,
        ("stream.snapshot",),
        "the venue refuses the connection",
        fault(kind="handshake", action={"do": "refuse", "status": 403}),
    ),
    _c(
        "sequence gap",
        3,
        ("stream.sequence",),
        "something was missing from the channel orders",
        fault(kind="sequence_gap", channel="user"),
        late=True,
        meanwhile=_ordered_again,
    ),
    _c(
        "streams cut again and again",
        3,
        ("stream.sequence",),
        "the connection was lost",
        nothing,
        late=True,
        meanwhile=fault(kind="close_streams"),
    ),
]
