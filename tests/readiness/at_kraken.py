"""Single defects at Kraken, and what each costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.readiness.defect import Act, Defect, answer, both, fault, happen, lasting, nothing, rest, rights, spoil
from tests.readiness.rooms import Room

__all__ = ["KRAKEN"]

_RIGHTS = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "create-ws-token",
)


def _without(missing: str) -> Act:
    return rights(*(each for each in _RIGHTS if each != missing))


def _with(more: str) -> Act:
    return rights(*_RIGHTS, more)


def _candles(change: Callable[[list[list[Any]]], list[list[Any]]]) -> Act:
    """Kraken's candles of now, changed; the answer is made when the defect is put in force."""

    def act(room: Room) -> None:
        at_s = int(room.venue.now_us() // 1_000_000) // 60 * 60
        rows = [[at_s - 60 * back, "40000", "40010", "39990", "40001", "40000", "1.5", 7] for back in range(59, -1, -1)]
        document = {"error": [], "result": {"XXBTZUSD": change(rows), "last": at_s - 60}}
        answer("OHLC", json.dumps(document))(room)

    return act


def _row(read: str, *, balance: str, hold: str) -> Act:
    return lasting(kind="override_row", read=read, asset="ZUSD", balance=balance, hold=hold)


def _order(room: Room) -> None:
    room.happen(kind="external_order", pair="BTC-USD", side="buy", quantity="0.001", price="20000")


def _withdrawn(room: Room) -> None:
    room.happen(kind="withdrawal", asset="USD", amount="10")


def _deposit(room: Room) -> None:
    room.happen(kind="deposit", asset="USD", amount="1")


def _dry_run_refused(room: Room) -> None:
    for name in ("AddOrder", "add_order"):
        room.fault(kind="refuse", name=name, error="EGeneral:Invalid arguments:volume", for_s=600)


def _swap(room: Room) -> None:
    """Put the key of another account in place."""
    room.use_key(room.happen(kind="new_account", name="other"))


def _k(name: str, points: int, lost: tuple[str, ...], says: str, act: Act, **more: Any) -> Defect:
    return Defect(venue="kraken", name=name, points=points, lost=lost, says=says, act=act, **more)


KRAKEN: list[Defect] = [
    _k(
        "no secret",
        65,
        ("credentials.present",),
        "KRAKEN_MASTER_API_SECRET is not set",
        spoil("SECRET", lambda _: None),
    ),
    _k(
        "secret with a trailing newline",
        64,
        ("credentials.form",),
        "a blank or a line break around its value",
        spoil("SECRET", lambda text: text + "\n"),
    ),
    _k(
        "secret that is not base64",
        64,
        ("credentials.form",),
        "not base64",
        spoil("SECRET", lambda text: text[:-3] + "!"),
    ),
    _k(
        "key with a blank before it",
        64,
        ("credentials.form",),
        "a blank or a line break around its value",
        spoil("KEY", lambda text: " " + text),
    ),
    _k(
        "real key in the simulated environment",
        64,
        ("credentials.form",),
        "not a simulator's key",
        spoil("KEY", lambda text: "K" + text[1:]),
    ),
    _k(
        "wrong secret",
        63,
        ("credentials.accepted",),
        "the venue refuses the signature",
        spoil("SECRET", lambda text: text[::-1].replace("=", "") + "=="),
    ),
    _k("key deleted", 63, ("credentials.accepted",), "the venue does not know the key", happen(kind="key_revocation")),
    _k(
        "key deleted while it was used",
        63,
        ("credentials.accepted",),
        "the venue does not know the key",
        happen(kind="key_revocation"),
        late=True,
    ),
    _k(
        "key expired",
        63,
        ("credentials.accepted",),
        "the venue does not know the key",
        happen(kind="key_expiry", in_s=-60),
    ),
    _k(
        "key that ends in three days",
        1,
        ("credentials.expiry",),
        "ends in 3.0 days",
        happen(kind="key_expiry", in_s=3 * 86400),
    ),
    _k(
        "right missing: query-funds",
        46,
        ("credentials.read_rights",),
        "Reading balances: PermissionMissingError",
        _without("query-funds"),
    ),
    _k(
        "right missing: query-open-trades",
        23,
        ("credentials.read_rights",),
        "Reading open orders: PermissionMissingError",
        _without("query-open-trades"),
    ),
    _k(
        "right missing: query-closed-trades",
        1,
        ("credentials.read_rights",),
        "Reading closed orders: PermissionMissingError",
        _without("query-closed-trades"),
    ),
    _k(
        "right missing: query-ledger",
        1,
        ("credentials.read_rights",),
        "Reading ledger: PermissionMissingError",
        _without("query-ledger"),
    ),
    _k(
        "right missing: modify-trades",
        7,
        ("credentials.trade_rights",),
        "The key lacks modify-trades",
        _without("modify-trades"),
    ),
    _k(
        "right missing: create-ws-token",
        8,
        ("stream.snapshot",),
        "The key lacks create-ws-token",
        _without("create-ws-token"),
    ),
    _k("right to withdraw", 2, ("credentials.no_withdrawal",), "THIS KEY CAN WITHDRAW", _with("withdraw-funds")),
    _k(
        "right to add addresses",
        2,
        ("credentials.no_withdrawal",),
        "add-withdraw-address",
        _with("add-withdraw-address"),
    ),
    _k("venue clock 31 s ahead", 4, ("connection.clock",), "31.5 s behind", happen(kind="clock", by_s=31)),
    _k("venue clock 5 s behind", 4, ("connection.clock",), "ahead of the venue's", happen(kind="clock", by_s=-5)),
    _k(
        "venue clock in milliseconds",
        4,
        ("connection.clock",),
        "no Unix time in seconds",
        fault(kind="server_time", form="milliseconds"),
    ),
    _k("maintenance", 67, ("connection.status",), "maintenance", happen(kind="mode", mode="maintenance")),
    _k("cancel only", 10, ("connection.status",), "cancel_only", happen(kind="mode", mode="cancel_only")),
    _k("limit only", 4, ("connection.status",), "limit_only", happen(kind="mode", mode="limit_only")),
    _k("post only", 4, ("connection.status",), "post_only", happen(kind="mode", mode="post_only")),
    _k("HTML for everything", 104, ("connection.reach",), "HTTP 502", rest(do="html_error", status=502)),
    _k("captive portal", 104, ("connection.reach",), "that are no answer", rest(do="html_error", status=200)),
    _k("unreachable", 104, ("connection.reach",), "connection refused", rest(do="unreachable")),
    _k("name not found", 104, ("connection.reach",), "name not found", rest(do="unreachable", how="dns")),
    _k("certificate refused", 104, ("connection.reach",), "TLS handshake failed", rest(do="unreachable", how="tls")),
    _k("slow", 6, ("connection.latency",), "took 2552 ms", rest(do="delay", low_s=2.5)),
    _k(
        "status refused",
        4,
        ("connection.status",),
        "answered SystemStatus with HTTP 502",
        rest("SystemStatus", do="html_error", status=502),
    ),
    _k(
        "5xx for balances",
        36,
        ("credentials.read_rights",),
        "answered BalanceEx with HTTP 503",
        rest(["Balance", "BalanceEx"], do="html_error", status=503),
    ),
    _k(
        "empty detailed balance",
        22,
        ("balance.agree",),
        "BTC 0 in BalanceEx",
        lasting(kind="empty_result", read="BalanceEx", form="object"),
    ),
    _k(
        "empty balance beside a stream that says otherwise",
        7,
        ("balance.agree",),
        "BTC 0 in BalanceEx, 0.4 shown",
        lasting(kind="empty_result", read="*", form="object"),
        late=True,
    ),
    _k("malformed row", 35, ("balance.agree",), "'NaN' is no amount", _row("BalanceEx", balance="NaN", hold="0")),
    _k(
        "asset that vanishes",
        19,
        ("balance.agree",),
        "USD 0 in BalanceEx",
        lasting(kind="vanish", read="BalanceEx", asset="ZUSD"),
    ),
    _k("two reads that disagree", 4, ("balance.agree",), "1 in Balance", _row("Balance", balance="1", hold="0")),
    _k("holds that lag", 4, ("balance.held",), "open orders explain 20", both(fault(kind="hold_lag", by_s=60), _order)),
    _k(
        "holds that nothing explains",
        4,
        ("balance.held",),
        "the venue holds 100, open orders explain 0",
        _row("BalanceEx", balance="10000.0000", hold="100"),
    ),
    _k(
        "BTC-USD not listed",
        3,
        ("symbols.usd",),
        "BTC-USD is not listed",
        happen(kind="pair_status", pair="BTC-USD", status="delisted"),
    ),
    _k(
        "BTC-USD cancel only",
        8,
        ("trade.rules",),
        "cancel_only",
        happen(kind="pair_status", pair="BTC-USD", status="cancel_only"),
    ),
    _k("BUSD listed", 0, (), "", nothing, settings={"is_busd_listed": True}),  # Filtered, and said.
    _k("no candles", 10, ("market.candles",), "0 candles", _candles(lambda _: [])),
    _k(
        "candles of an hour ago",
        4,
        ("market.candle_age",),
        "s ago",
        _candles(lambda rows: [[row[0] - 3600, *row[1:]] for row in rows]),
    ),
    _k(
        "candles out of order",
        10,
        ("market.candles",),
        "starts do not rise",
        _candles(lambda rows: [*rows[:5], rows[7], rows[6], *rows[8:]]),
    ),
    _k(
        "candles off the minute",
        3,
        ("market.candle_order",),
        "do not begin on a minute",
        _candles(lambda rows: [[row[0] + 7, *row[1:]] for row in rows]),
    ),
    _k(
        "candle beyond its own high",
        10,
        ("market.candles",),
        "beyond their own high and low",
        _candles(lambda rows: [[*rows[0][:2], "9", *rows[0][3:]], *rows[1:]]),
    ),
    _k(
        "candles refused",
        10,
        ("market.candles",),
        "EGeneral:Internal error",
        lasting(kind="refuse", name="OHLC", error="EGeneral:Internal error"),
    ),
    _k(
        "product without a minimum",
        5,
        ("market.products",),
        "ETH-USD",
        rest("AssetPairs", do="mutate", how="remove", field="XETHZUSD.ordermin"),
    ),
    _k(
        "BTC-USD without a minimum",
        11,
        ("market.products",),
        "BTC-USD",
        rest("AssetPairs", do="mutate", how="remove", field="XXBTZUSD.ordermin"),
    ),
    _k(
        "listing without pairs",
        45,
        ("market.products",),
        "listing is empty",
        answer("AssetPairs", '{"error":[],"result":{}}'),
    ),
    _k(
        "listing refused",
        79,
        ("market.products",),
        "answered AssetPairs with HTTP 502",
        rest("AssetPairs", do="html_error", status=502),
    ),
    _k("no price", 8, ("trade.rules",), "answered Ticker with HTTP 502", rest("Ticker", do="html_error", status=502)),
    _k("lockout", 75, ("credentials.accepted",), "Temporary lockout", fault(kind="lockout", for_s=600)),
    _k("foreign nonce scale", 63, ("credentials.accepted",), "Invalid nonce", fault(kind="stolen_nonce", scale="ns")),
    _k(
        "rate limit used up by others",
        63,
        ("credentials.accepted",),
        "RateLimitedError",
        fault(kind="rate_limit", above=500),
    ),
    _k("swapped account", 43, ("connection.account",), "belongs to account", _swap, swaps=True),
    _k(
        "positions malformed",
        10,
        ("positions.retrieved",),
        "posstatus",
        answer("OpenPositions", '{"error":[],"result":{"T1":{"pair":1}}}'),
    ),
    _k(
        "positions refused",
        10,
        ("positions.retrieved",),
        "answered OpenPositions with HTTP 502",
        rest("OpenPositions", do="html_error", status=502),
    ),
    _k("dry run refused", 6, ("trade.dry_run",), "Invalid arguments:volume", _dry_run_refused),
    _k(
        "fees refused",
        2,
        ("trade.fees",),
        "answered TradeVolume with HTTP 502",
        rest("TradeVolume", do="html_error", status=502),
    ),
    _k(
        "no funds at a venue that looks for them",
        6,
        ("trade.dry_run",),
        "Insufficient funds",
        nothing,
        profile="empty",
        settings={"does_validate_check_funds": True},
    ),
    _k("mute stream", 8, ("stream.snapshot",), "no snapshot came", fault(kind="mute_stream", for_s=600)),
    _k(
        "balances channel mute",
        8,
        ("stream.snapshot",),
        "balances acknowledged, and no snapshot came",
        fault(kind="mute_channel", channel="balances", for_s=600),
    ),
    _k(
        "orders channel mute",
        8,
        ("stream.snapshot",),
        "orders acknowledged, and no snapshot came",
        fault(kind="mute_channel", channel="executions", for_s=600),
    ),
    _k(
        "orders channel refused",
        8,
        ("stream.snapshot",),
        "orders refused: EGeneral:Internal error",
        lasting(kind="subscribe_error", channel="executions"),
    ),
    _k(
        "stream refused",
        8,
        ("stream.snapshot",),
        "the venue refuses the connection",
        fault(kind="handshake", action={"do": "refuse", "status": 403}),
    ),
    _k(
        "frozen channel",
        3,
        ("stream.sequence",),
        "contradicted what was read",
        both(fault(kind="freeze_channel", channel="balances", for_s=600), _withdrawn),
        late=True,
    ),
    _k(
        "sequence gap",
        3,
        ("stream.sequence",),
        "something was missing from the channel balances",
        fault(kind="sequence_gap", channel="balances"),
        late=True,
        meanwhile=_deposit,
    ),
    _k(
        "sequence that goes back",
        3,
        ("stream.sequence",),
        "something was missing from the channel balances",
        fault(kind="sequence_regress", channel="balances"),
        late=True,
        meanwhile=_deposit,
    ),
    _k(
        "sequence that goes back again and again",
        9,
        ("balance.current", "stream.sequence"),
        "stale (gap)",
        lasting(kind="sequence_regress", channel="balances"),
        late=True,
        meanwhile=_deposit,
    ),
    _k(
        "streams cut again and again",
        3,
        ("stream.sequence",),
        "the connection was lost",
        nothing,
        late=True,
        meanwhile=fault(kind="close_streams"),
    ),
]
