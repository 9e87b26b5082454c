"""Single defects at OKX, and what each costs. Dry run and nonces are exempt: in spot mode it has neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.readiness.defect import Act, Defect, answer, both, fault, happen, lasting, nothing, rest, rights, spoil
from tests.readiness.rooms import Room

__all__ = ["OKX"]


def _candles(change: Callable[[list[list[str]]], list[list[str]]]) -> Act:
    """Candles of now, changed; newest first, as OKX has them."""

    def act(room: Room) -> None:
        at_s = int(room.venue.now_us() // 1_000_000) // 60 * 60
        prices = ["40000", "40010", "39990", "40001", "1.5", "60000", "60000", "1"]
        rows = [[str((at_s - 60 * back) * 1000), *prices] for back in range(60)]
        body = json.dumps({"code": "0", "msg": "", "data": change(rows)})
        for name in ("GET market/candles", "GET market/history-candles"):
            answer(name, body)(room)

    return act


def _moved(rows: list[list[str]], by_s: int) -> list[list[str]]:
    return [[str(int(row[0]) + by_s * 1000), *row[1:]] for row in rows]


def _row(**figures: str) -> Act:
    return lasting(kind="override_row", asset="USD", **figures)


def _order(room: Room) -> None:
    room.happen(kind="external_order", pair="BTC-USD", side="buy", quantity="0.001", price="20000")


def _deposit(room: Room) -> None:
    room.happen(kind="deposit", asset="USD", amount="1")


def _withdrawn(room: Room) -> None:
    room.happen(kind="withdrawal", asset="USD", amount="10")


def _swap(room: Room) -> None:
    room.use_key(room.happen(kind="new_account", name="other"))


def _o(name: str, points: int, lost: tuple[str, ...], says: str, act: Act, **more: Any) -> Defect:
    return Defect(venue="okx", name=name, points=points, lost=lost, says=says, act=act, **more)


OKX: list[Defect] = [
    _o(
        "no passphrase",
        57,
        ("credentials.present",),
        "OKX_MASTER_API_PASSPHRASE is not set",
        spoil("PASSPHRASE", lambda _: None),
    ),
    _o(
        "secret with a trailing newline",
        56,
        ("credentials.form",),
        "a blank or a line break around its value",
        spoil("SECRET", lambda text: text + "\n"),
    ),
    _o(
        "real key in the simulated environment",
        56,
        ("credentials.form",),
        "not a simulator's key",
        spoil("KEY", lambda text: "1234" + text[4:]),
    ),
    _o(
        "wrong secret",
        55,
        ("credentials.accepted",),
        "the venue refuses the signature",
        spoil("SECRET", lambda text: text[::-1]),
    ),
    _o(
        "wrong passphrase",
        55,
        ("credentials.accepted",),
        "PASSPHRASE incorrect",
        happen(kind="passphrase", to="Another-1"),
    ),
    _o("key deleted", 55, ("credentials.accepted",), "the venue does not know the key", happen(kind="key_revocation")),
    _o("key frozen", 55, ("credentials.accepted",), "API frozen", happen(kind="key_freeze", on=True)),
    _o("key of another region", 55, ("credentials.accepted",), "50119", happen(kind="key_region", elsewhere=True)),
    _o(
        "demo key",
        55,
        ("credentials.accepted",),
        "does not match current environment",
        happen(kind="key_environment", environment="demo"),
    ),
    _o(
        "address not on the key's list",
        55,
        ("credentials.accepted",),
        "Your IP 127.0.0.1 is not included",
        happen(kind="ip_allow_list", addresses=["192.0.2.1"]),
    ),
    _o("right missing: trade", 1, ("credentials.trade_rights",), "The key lacks trade", rights("read_only")),
    _o(
        "right to withdraw",
        2,
        ("credentials.no_withdrawal",),
        "THIS KEY CAN WITHDRAW",
        rights("read_only", "trade", "withdraw"),
    ),
    _o(
        "account in margin mode",
        37,
        ("connection.account",),
        "multi-currency margin",
        happen(kind="account_mode", mode="3"),
    ),
    _o("venue clock 31 s ahead", 4, ("connection.clock",), "31.0 s behind", happen(kind="clock", by_s=31)),
    _o(
        "venue clock in seconds",
        59,
        ("connection.clock",),
        "public/time",
        fault(kind="server_time", form="seconds"),
    ),
    _o(
        "maintenance", 4, ("connection.status",), "maintenance", happen(kind="maintenance", starts_in_s=0, lasts_s=3600)
    ),
    _o("outage", 55, ("credentials.accepted",), "Service temporarily unavailable", happen(kind="outage", on=True)),
    _o("HTML for everything", 96, ("connection.reach",), "HTTP 502", rest(do="html_error", status=502)),
    _o("unreachable", 96, ("connection.reach",), "connection refused", rest(do="unreachable")),
    _o("slow", 6, ("connection.latency",), "took 2554 ms", rest(do="delay", low_s=2.5)),
    _o(
        "status refused",
        4,
        ("connection.status",),
        "answered system/status with HTTP 502",
        rest("GET system/status", do="html_error", status=502),
    ),
    _o(
        "5xx for balances",
        26,
        ("credentials.read_rights",),
        "answered account/balance with HTTP 503",
        rest("GET account/balance", do="html_error", status=503),
    ),
    _o(
        "empty balance",
        6,
        ("balance.current",),
        "in dispute",
        lasting(kind="empty_result", form="details"),
        late=True,
    ),
    _o("malformed row", 25, ("balance.agree",), "'NaN' is no amount", _row(balance="NaN")),
    _o(
        "asset that vanishes",
        6,
        ("balance.current",),
        "in dispute",
        lasting(kind="vanish", asset="USD"),
        late=True,
    ),
    _o("holds that lag", 4, ("balance.held",), "open orders explain 20", both(fault(kind="hold_lag", by_s=60), _order)),
    _o(
        "BTC-USD suspended",
        3,
        ("symbols.usd",),
        "BTC-USD is not listed",
        happen(kind="instrument_state", pair="BTC-USD", state="suspend"),
    ),
    _o("BUSD listed", 0, (), "", nothing, settings={"is_busd_listed": True}),  # Filtered, and said.
    _o("no candles", 10, ("market.candles",), "0 candles", _candles(lambda _: [])),
    _o("candles of an hour ago", 4, ("market.candle_age",), "s ago", _candles(lambda rows: _moved(rows, -3600))),
    _o(
        "candles off the minute",
        3,
        ("market.candle_order",),
        "do not begin on a minute",
        _candles(lambda rows: _moved(rows, 7)),
    ),
    _o(
        "candles out of order",
        10,
        ("market.candles",),
        "starts do not fall",
        _candles(lambda rows: [rows[1], rows[0], *rows[2:]]),
    ),
    _o(
        "candle beyond its own high",
        10,
        ("market.candles",),
        "beyond their own high and low",
        _candles(lambda rows: [[*rows[0][:2], "9", *rows[0][3:]], *rows[1:]]),
    ),
    _o(
        "listing without instruments",
        65,
        ("market.products",),
        "nothing listed",
        answer("GET public/instruments", '{"code":"0","msg":"","data":[]}'),
    ),
    _o(
        "listing refused",
        66,
        ("market.products",),
        "public/instruments with HTTP 502",
        rest("GET public/instruments", do="html_error", status=502),
    ),
    _o(
        "no price",
        2,
        ("trade.rules",),
        "market/ticker",
        rest(["GET market/ticker", "GET market/tickers"], do="html_error", status=502),
    ),
    _o("swapped account", 37, ("connection.account",), "belongs to account", _swap, swaps=True),
    _o(
        "positions malformed",
        10,
        ("positions.retrieved",),
        "account/positions",
        answer("GET account/positions", '{"code":"0","msg":"","data":[{"a":1}]}'),
    ),
    _o(
        "positions refused",
        10,
        ("positions.retrieved",),
        "account/positions with HTTP 502",
        rest("GET account/positions", do="html_error", status=502),
    ),
    _o(
        "fees refused",
        2,
        ("trade.fees",),
        "account/trade-fee with HTTP 502",
        rest("GET account/trade-fee", do="html_error", status=502),
    ),
    _o("mute stream", 8, ("stream.snapshot",), "connection_lost", fault(kind="mute_stream", for_s=600)),
    _o(
        "balances channel mute",
        8,
        ("stream.snapshot",),
        "balances acknowledged, and no snapshot came",
        fault(kind="mute_channel", channel="account", for_s=600),
    ),
    _o("login refused", 8, ("stream.snapshot",), "connection_lost", lasting(kind="login_refused")),
    _o(
        "stream refused",
        8,
        ("stream.snapshot",),
        "the venue refuses the connection",
        fault(kind="handshake", action={"do": "refuse", "status": 403}),
    ),
    _o(
        "frozen channel",
        3,
        ("stream.sequence",),
        "something was missing from the channel balances",
        both(fault(kind="freeze_channel", channel="account", for_s=600), _withdrawn),
        late=True,
    ),
    _o(
        "streams cut again and again",
        3,
        ("stream.sequence",),
        "the connection was lost",
        nothing,
        late=True,
        meanwhile=fault(kind="close_streams"),
    ),
]
