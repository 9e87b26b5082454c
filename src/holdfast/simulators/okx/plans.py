"""
The fault table as plans: per row, what a simulated OKX has to do so that this row happens.

A plan is drawn from a seed and is a list of commands, each a rule for the fault plan or an event at the venue, to be
given in this order. The rows are those of ``docs/reference/fault-rows.md``; what a row needs besides (two processes, a
stepped clock, a socket that nobody reads) is not the venue's to do and not in here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from holdfast.simulators.core.plans import Command, Plan

__all__ = ["ROWS", "plan_of"]

READS: Final = ["GET account/balance"]
PLACING: Final = ["POST trade/order"]
_SIGNED: Final = [
    *READS,
    *PLACING,
    "POST trade/cancel-order",
    "GET account/config",
    "GET trade/order",
    "GET trade/orders-pending",
    "GET trade/orders-history",
    "GET trade/fills",
]
_GATEWAYS: Final = (500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526)
_AMOUNTS: Final = (
    *("nan", "infinity", "minus_infinity", "big_exponent", "giant_exponent", "inner_blank", "outer_blank"),
    *("underscore", "comma", "foreign_digits", "null", "true", "nested"),
)
_CLOSED: Final[dict[str, Any]] = {"kind": "streams", "action": {"do": "close", "code": 1006}}
# 203.0.113.0/24 is nobody's: it stands in documentation.
_ELSEWHERE: Final = "http://203.0.113.9/"

_Steps = list[Command]
_Draw = Callable[[Random], _Steps]


def plan_of(row: str, *, seed: int = 0) -> Plan:
    """
    The plan of one row; the same row and seed give the same plan.

    Raises:
        ValueError: This venue acts out no such row.
    """
    draw = _DRAWS.get(row)
    if draw is None:
        raise ValueError(f"no plan for row {row!r}; there are {', '.join(ROWS)}")
    # Seeded with text: the same on every platform and in every process.
    return Plan(row=row, seed=seed, commands=tuple(draw(Random(f"{row} {seed}"))))  # noqa: S311 - faults, not secrets.


def _fault(**rule: Any) -> Command:
    return Command(to="faults", body=rule)


def _event(**event: Any) -> Command:
    return Command(to="events", body=event)


def _setting(name: str, value: Any) -> Command:
    return _event(kind="setting", name=name, value=value)


def _rest(action: Mapping[str, Any], **more: Any) -> Command:
    return _fault(kind="rest", action=dict(action), **more)


def _frame(action: Mapping[str, Any], **where: Any) -> Command:
    return _fault(kind="ws_out", action=dict(action), **where)


def _share(rng: Random) -> float:
    return rng.choice((0.6, 0.8, 1.0))


def _sometimes(*actions: Mapping[str, Any], **more: Any) -> _Draw:
    """One of these, on a share of what it applies to."""
    return lambda rng: [_rest(rng.choice(actions), probability=_share(rng), **more)]


def _mutated(*how: str, field: str | None = None, value: str | None = None) -> _Draw:
    """One of these mutations of every balance read."""
    more = {key: said for key, said in (("field", field), ("value", value)) if said is not None}
    return lambda rng: [_rest({"do": "mutate", "how": rng.choice(how), **more}, name=READS)]


def _one(*choices: _Steps) -> _Draw:
    """One of these lists of commands."""
    return lambda rng: rng.choice(choices)


# Network


def _unreachable(how: str) -> _Draw:
    broken = {"do": "unreachable", "how": how}
    return lambda _: [_rest(broken), _fault(kind="handshake", action=broken), _fault(**_CLOSED)]


def _lost(do: str) -> _Draw:
    side = "ws_in" if do == "lose_request" else "ws_out"

    def draw(rng: Random) -> _Steps:
        how = rng.choice(("silence", "reset", "close"))
        return [_rest({"do": do, "how": how}, name=PLACING), _fault(kind=side, name="order", action={"do": "drop"})]

    return draw


def _n5(rng: Random) -> _Steps:
    return [_rest({"do": "cut_body", "at": rng.randrange(40), "how": "silence"}, probability=_share(rng))]


def _n11(rng: Random) -> _Steps:
    return [_rest({"do": "hold_request", "for_s": rng.choice((0.5, 2.0, 4.0))}, name=_SIGNED, every=rng.randint(1, 3))]


def _n12(rng: Random) -> _Steps:
    delay = {"do": "delay", "low_s": 0.2, "high_s": 5.0}
    return [
        _rest({**delay, "where": rng.choice(("request", "reply"))}),
        _rest({"do": rng.choice(("lose_request", "lose_reply")), "how": "silence"}, probability=0.05),
        _frame({"do": "delay", "low_s": 0.0, "high_s": 1.0}, probability=0.2),
    ]


_DEAF: Final = [
    _fault(kind="streams", action={"do": "mute", "direction": "both"}),
    _fault(kind="handshake", action={"do": "refuse", "status": 0}),
]


# HTTP


def _h1(rng: Random) -> _Steps:
    date = "Fri, 20 Nov 2026 10:00:00 GMT"
    asked = rng.choice((None, "1", "20", "-5", "1000000000", "soon", date))
    return [_rest({"do": "too_many", "retry_after": asked}, probability=_share(rng))]


def _h4(rng: Random) -> _Steps:
    code = rng.choice(("50026", "50013", "51054", "59999"))
    beside = rng.choice(("", ',"data":[]', ',"data":[{"details":[],"totalEq":"0","uTime":"1790000000000"}]'))
    body = f'{{"code":"{code}","msg":"whatever it says"{beside}}}'
    return [_rest({"do": "answer", "body": body}, probability=_share(rng))]


def _h12(rng: Random) -> _Steps:
    broken = rng.choice(({"do": "lose_reply", "how": "silence"}, {"do": "html_error"}, {"do": "truncate"}))
    return [_rest(broken, name=["GET trade/fills", "GET trade/orders-history", "GET trade/orders-pending"], every=2)]


# WebSocket


def _w1(rng: Random) -> _Steps:
    status = rng.choice((0, 401, 403, 429, 502))
    return [_fault(kind="handshake", action={"do": "refuse", "status": status}), _fault(**_CLOSED)]


def _w2(rng: Random) -> _Steps:
    kind = rng.randrange(3)
    if kind == 0:
        return [_fault(kind="streams", action={"do": "mute"})]
    if kind == 1:
        return [_fault(kind="mute_channel", channel=rng.choice(("account", "*"))), _fault(**_CLOSED)]
    return [_fault(kind="freeze_channel", channel=rng.choice(("account", "orders", "*")))]


def _w3(rng: Random) -> _Steps:
    late = rng.choice(({"do": "drop"}, {"do": "delay", "low_s": 20.0, "high_s": 40.0}))
    # Beside pongs and repeated snapshots nothing is heard of a quiet account.
    return [_frame(late, name="pong"), _frame({"do": "drop"}, channel="account", type="snapshot")]


def _w4(rng: Random) -> _Steps:
    code = rng.choice((1000, 1001, 1006, 1011, 4001, 4004, 4006, 4008))
    phase = rng.randrange(5)
    if phase == 0:
        return [_fault(kind="handshake", action={"do": "close", "code": code}, count=2), _fault(**_CLOSED)]
    if phase == 4:
        return [_fault(kind="streams", action={"do": "close", "code": code})]
    where = ({"name": "subscribe"}, {"type": "snapshot"}, {"type": "event_update"})[phase - 1]
    return [_frame({"do": "close", "code": code}, **where, count=2), *([] if phase == 3 else [_fault(**_CLOSED)])]


def _w5(rng: Random) -> _Steps:
    # Nothing is numbered: what can go wrong is that an update is missing, comes twice, late, or is an old one.
    kind = rng.choice(("missing_event", "duplicate_event", "reorder_event", "old_row", "repeated_order"))
    more = {} if kind in ("old_row", "repeated_order") else {"channel": rng.choice(("account", "orders"))}
    return [_fault(kind=kind, count=2, **more)]


def _w6(rng: Random) -> _Steps:
    kind = rng.choice(("update_before_snapshot", "extra_snapshot", "snapshot_empty", "lost_page", "stale_snapshot"))
    more: dict[str, Any] = {"lost_page": {}, "stale_snapshot": {"by_s": 5}}.get(kind, {"channel": "account"})
    step = _fault(kind=kind, **more)
    return [step] if kind == "extra_snapshot" else [_setting("snapshot_page_rows", 2), step, _fault(**_CLOSED)]


def _w7(rng: Random) -> _Steps:
    kind = rng.choice(("foreign_ack", "subscribe_error", "connection_count_error"))
    return [_fault(kind=kind, channel=rng.choice(("account", "orders")), count=2), _fault(**_CLOSED)]


def _w8(rng: Random) -> _Steps:
    code = rng.choice(("60009", "60006", "63999"))
    return [_fault(kind="log_out"), _fault(kind="login_refused", code=code, count=2), _fault(**_CLOSED)]


def _w10(rng: Random) -> _Steps:
    if rng.random() < 0.5:
        return [_fault(kind="rest_lag", by_s=rng.choice((1, 5, 30, 55)))]
    return [_fault(kind="false_balance", asset=rng.choice(("USDT", "BTC")), by=rng.choice(("1", "-1", "0.01")))]


def _w11(rng: Random) -> _Steps:
    action = rng.choice(
        (
            {"do": "fragment", "parts": rng.randint(2, 20)},
            {"do": "send_binary"},
            {"do": "invalid_utf8"},
            {"do": "deflate_bomb"},
            {"do": "huge_frame", "total_bytes": 16 << 20},
        )
    )
    return [_frame(action, channel="account", count=2)]


def _w12(rng: Random) -> _Steps:
    return [_setting("account_grid_s", 0.001), _event(kind="burst", count=rng.choice((500, 1_000, 2_000)))]


def _w13(rng: Random) -> _Steps:
    return [
        _event(kind="maintenance", starts_in_s=60.0, lasts_s=30.0),
        _fault(kind="upgrade_notice", after_s=rng.choice((5.0, 30.0, 60.0))),
    ]


# Bodies


def _b5(rng: Random) -> _Steps:
    digits = rng.choice(("1" + "0" * 30, "0." + "0" * 29 + "1", "1234567890123456789.012345678901234567891"))
    return [_fault(kind="override_row", asset="USDT", balance=digits, for_s=60)]


def _b6(rng: Random) -> _Steps:
    how, field = rng.choice((("duplicate_key", "cashBal"), ("duplicate_row", "cashBal"), ("duplicate_key", "data")))
    return [_rest({"do": "mutate", "how": how, "field": field}, name=READS)]


def _b9(rng: Random) -> _Steps:
    return rng.choice(
        (
            _mutated("remove", field=rng.choice(("cashBal", "availBal", "frozenBal", "ccy")))(rng),
            _mutated("rename", field=rng.choice(("data", "details")), value="results")(rng),
        )
    )


def _renamed(*names: str) -> _Draw:
    def draw(rng: Random) -> _Steps:
        if rng.random() < 0.5:
            return [_fault(kind="override_row", asset=rng.choice(names), balance="1", for_s=60)]
        said = rng.choice(names).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\0", "\\u0000")
        return [_rest({"do": "answer", "body": f'{{"code":"50026","msg":"{said}","data":[]}}'}, name=READS)]

    return draw


def _b14(rng: Random) -> _Steps:
    body = rng.choice(
        (
            '{"code":"0","data":[{"ts":"1790000000000"}],"msg":""}',
            '{"code":"0","data":[{"bal":"1","availBal":"1","ccy":"USDT","frozenBal":"0"}],"msg":""}',
            '{"error":[],"result":{"ZUSD":{"balance":"1","hold_trade":"0"}}}',
            '{"accounts":[{"currency":"USD","available_balance":{"value":"1","currency":"USD"}}]}',
            "[]",
        )
    )
    return [_rest({"do": "answer", "body": body}, name=READS)]


def _b15(rng: Random) -> _Steps:
    return [
        _fault(kind="empty_result", form=rng.choice(("details", "no_details", "zeros", "data", "no_data")), for_s=30)
    ]


# Limits, credentials, and the venue's own ways


def _l2(rng: Random) -> _Steps:
    return [
        _setting("rate_limit_form", rng.choice(("200", "429"))),
        _setting("stream_rate_code", rng.choice(("50011", "60014"))),
        _setting("ban_s", rng.choice((0.0, 5.0))),
        _fault(kind="rate_limit", name=rng.choice(("*", "GET account/balance", "POST trade/order"))),
    ]


def _a2(rng: Random) -> _Steps:
    granted = rng.choice((["read_only"], ["trade"], ["read_only", "trade", "withdraw"]))
    return [_event(kind="permissions", permissions=granted)]


def _a3(rng: Random) -> _Steps:
    refused = rng.choice(("50105", "50113", "50119"))
    return rng.choice(
        (
            [_event(kind="passphrase", to="another")],
            [_event(kind="ip_allow_list", addresses=["203.0.113.9"])],
            [_event(kind="key_environment", environment="demo")],
            [_event(kind="key_region", elsewhere=True)],
            [_fault(kind="refuse", code=refused, status=401, when="before", count=100_000)],
        )
    )


def _v2(rng: Random) -> _Steps:
    choice = rng.choice((_event(kind="fee_type", type="1"), _setting("maker_fee_percent", "-0.01")))
    return [_setting("resting_fill_parts", 3), choice]


def _v3(rng: Random) -> _Steps:
    code = rng.choice(("50001", "50004", "50013", "50026", "51054", "51149"))
    return [
        _fault(kind="refuse", name=name, code=code, when=rng.choice(("before", "after")), count=3)
        for name in ("order", *PLACING)
    ]


def _v4(rng: Random) -> _Steps:
    missed = _fault(kind="missing_event", channel="orders", count=20)
    return [missed, _frame({"do": "drop"}, name="order"), *_lost("lose_reply")(rng)]


def _v7(rng: Random) -> _Steps:
    return [
        _setting("market_reserve", rng.choice(("base", "both", "none"))),
        _setting("does_hold_include_fee", rng.random() < 0.5),
        _setting("price_band_percent", rng.choice(("0", "2"))),
    ]


def _v8(rng: Random) -> _Steps:
    again = {"do": "duplicate_request", "reply": rng.choice(("first", "second"))}
    return [_setting("duplicate_code", rng.choice(("51016", "51000", "50071"))), _rest(again, name=PLACING)]


_DRAWS: Final[dict[str, _Draw]] = {
    "N1": _unreachable("refused"),
    "N2": _unreachable("connect_timeout"),
    "N3": _unreachable("dns"),
    "N5": _n5,
    "N6": _sometimes(*({"do": "drip", "bytes_per_s": each} for each in (1.0, 7.0, 20.0))),
    "N7": _sometimes(*({"do": "cut_body", "how": "reset", "chunked": each} for each in (True, False))),
    "N8": _lost("lose_reply"),
    "N9": _lost("lose_request"),
    "N10": _sometimes({"do": "duplicate_request", "reply": "first"}, name=_SIGNED),
    "N11": _n11,
    "N12": _n12,
    "N13": _one([_rest({"do": "lose_request", "how": "silence"})], _DEAF),
    "N14": _unreachable("tls"),
    "N15": _sometimes(*({"do": "html_error", "status": 200, "commits": each} for each in (True, False))),
    "N16": _sometimes({"do": "close_idle", "races": True}),
    "H1": _h1,
    "H2": _sometimes(*({"do": "html_error", "status": each, "commits": each % 2 == 0} for each in _GATEWAYS)),
    "H3": _sometimes(
        *(
            {"do": "answer", "status": 500, "body": f'{{"code":"{code}","msg":"","data":[]}}'}
            for code in ("50026", "50001", "50011")
        )
    ),
    "H4": _h4,
    "H6": _sometimes(*({"do": "redirect", "location": _ELSEWHERE, "status": each} for each in (301, 302, 307))),
    "H7": _sometimes(
        {"do": "empty", "status": 200},
        {"do": "empty", "status": 204},
        {"do": "wrong_length", "by": -3},
        {"do": "wrong_length", "by": 7},
        {"do": "cut_body", "how": "reset", "chunked": True},
        {"do": "cut_body", "how": "close", "chunked": True},
    ),
    "H8": _sometimes(
        {"do": "mislabel", "content_type": "text/html"},
        {"do": "mislabel", "bom": True},
        *({"do": "mislabel", "charset": each} for each in ("utf-16", "utf-32", "utf-7")),
    ),
    "H9": _sometimes(
        {"do": "gzip_bomb", "unpacked_bytes": 64 << 20},
        {"do": "mislabel", "content_encoding": "gzip"},
        {"do": "mislabel", "content_encoding": "br"},
        {"do": "mislabel", "content_encoding": "gzip, gzip", "encodes": True},
    ),
    "H10": _sometimes(
        {"do": "endless_body", "total_bytes": 64 << 20},
        {"do": "huge_headers", "count": 1, "value_bytes": 1 << 20},
        {"do": "huge_headers", "count": 100_000, "value_bytes": 1},
    ),
    "H12": _h12,
    "W1": _w1,
    "W2": _w2,
    "W3": _w3,
    "W4": _w4,
    "W5": _w5,
    "W6": _w6,
    "W7": _w7,
    "W8": _w8,
    "W9": _one([_fault(kind="foreign_uid", count=2)]),
    "W10": _w10,
    "W11": _w11,
    "W12": _w12,
    "W13": _w13,
    "W14": _one([_event(kind="permissions", permissions=["trade"])]),
    "B1": _sometimes({"do": "truncate"}),
    "B2": _mutated(*_AMOUNTS),
    "B3": _mutated("negative", field="cashBal"),
    "B4": _one([_fault(kind="override_row", asset="USDT", balance="10", hold="25", available="10", for_s=60)]),
    "B5": _b5,
    "B6": _b6,
    "B7": _one(
        [_fault(kind="override_row", asset="NEWCOIN", balance="5", for_s=60)],
        [_event(kind="bot_equity", asset="SOL", amount="3")],
        [_event(kind="interest", asset="SOL", amount="0.01")],
    ),
    "B8": _mutated("retype", "exponent", field="cashBal"),
    "B9": _b9,
    "B10": _one(*([_fault(kind="vanish", asset=each, for_s=30)] for each in ("BTC", "USDT", "SOL"))),
    "B11": _renamed("<img src=x onerror=alert(1)>", "<script>alert(1)</script>"),
    "B12": _renamed("A\nB level=error", "A\0B", "\u202eDSU", "A" * 10_000),
    "B13": _one(*(_mutated("nest", field="details", value=each)(Random(0)) for each in ("1000", "100000"))),  # noqa: S311
    "B14": _b14,
    "B15": _b15,
    "T3": _one(*([_fault(kind="clock_skew", by_s=each)] for each in (31, -31))),
    "T7": _one(*([_fault(kind="server_time", form=each)] for each in ("frozen", "backwards", "seconds"))),
    "L2": _l2,
    "L3": _one([_setting("burst_share", 0.5), _setting("do_refused_calls_count", True)]),
    "A1": _one([_event(kind="key_revocation")]),
    "A2": _a2,
    "A3": _a3,
    "A5": _one([_event(kind="new_account", name="another")]),
    "V1": _one(
        [_event(kind="outage", on=True)],
        *([_event(kind="instrument_state", pair="BTC-USDT", state=each)] for each in ("suspend", "preopen", "test")),
        [_event(kind="account_block", on=True)],
    ),
    "V2": _v2,
    "V3": _v3,
    "V4": _v4,
    "V5": _one(
        [_event(kind="withdrawal", asset="USDT", amount="700")],
        [_event(kind="deposit", asset="USDT", amount="250")],
        [_event(kind="pot_transfer", asset="USDT", amount="100", to="funding")],
        [_event(kind="external_trade", pair="BTC-USDT", side="sell", quantity="0.01")],
        [_event(kind="external_order", pair="BTC-USDT", side="buy", quantity="0.01", price="20000")],
        [_event(kind="adjustment", asset="ETH", amount="-0.5")],
        [_event(kind="bot_equity", asset="BTC", amount="0.05")],
    ),
    "V6": _one(*([_fault(kind=kind, by_s=by_s)] for kind in ("rest_lag", "hold_lag") for by_s in (1, 3, 5, 30))),
    "V7": _v7,
    "V8": _v8,
    "V9": _one([_event(kind="instrument_state", pair="SOL-USDT", state="suspend")]),
    "V10": _one(*([_event(kind="account_mode", mode=each)] for each in ("2", "3", "4"))),
    "V11": _one(*([_event(kind="venue_cancel", reason=each)] for each in ("0", "20", "32", "33"))),
}

ROWS: Final = tuple(_DRAWS)
"""Every row that this venue can act out, in the order of the table."""
