"""
The fault table as plans: per row, what a simulated Kraken has to do so that this row happens.

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

READS: Final = ["BalanceEx", "Balance"]
ORDERS: Final = ["AddOrder", "CancelOrder"]
_SIGNED: Final = [*READS, *ORDERS, "OpenOrders", "ClosedOrders", "TradesHistory", "QueryOrders", "GetWebSocketsToken"]
_GATEWAYS: Final = (500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526)
_AMOUNTS: Final = (
    "nan",
    "infinity",
    "minus_infinity",
    "big_exponent",
    "giant_exponent",
    "empty",
    "inner_blank",
    "outer_blank",
    "underscore",
    "comma",
    "foreign_digits",
    "null",
    "true",
    "nested",
)
_CLOSED: Final[dict[str, Any]] = {"kind": "streams", "action": {"do": "close", "code": 1006}}


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


def _rest(action: Mapping[str, Any], *, name: list[str] | None = None, **more: Any) -> Command:
    rule: dict[str, Any] = {"kind": "rest", "action": dict(action), **more}
    return _fault(**rule) if name is None else _fault(**rule, name=name)


def _on_reads(action: Mapping[str, Any], **more: Any) -> _Steps:
    return [_rest(action, name=READS, **more)]


def _frame(action: Mapping[str, Any], **where: Any) -> Command:
    return _fault(kind="ws_out", action=dict(action), **where)


def _share(rng: Random) -> float:
    return rng.choice((0.6, 0.8, 1.0))


# Network


def _unreachable(how: str) -> _Draw:
    def draw(rng: Random) -> _Steps:
        broken = {"do": "unreachable", "how": how}
        return [_rest(broken), _fault(kind="handshake", action=broken), _fault(**_CLOSED)]

    return draw


def _n5(rng: Random) -> _Steps:
    return [_rest({"do": "cut_body", "at": rng.randrange(40), "how": "silence"}, probability=_share(rng))]


def _n6(rng: Random) -> _Steps:
    return [_rest({"do": "drip", "bytes_per_s": rng.choice((1.0, 7.0, 20.0))}, probability=_share(rng))]


def _n7(rng: Random) -> _Steps:
    return [_rest({"do": "cut_body", "how": "reset", "chunked": rng.random() < 0.5}, probability=_share(rng))]


def _lost(do: str) -> _Draw:
    def draw(rng: Random) -> _Steps:
        how = rng.choice(("silence", "reset", "close"))
        return [
            _rest({"do": do, "how": how}, name=["AddOrder"]),
            _fault(kind="ws_in" if do == "lose_request" else "ws_out", name="add_order", action={"do": "drop"}),
        ]

    return draw


def _n10(rng: Random) -> _Steps:
    # Of the second of two orders the client may only hear in a way that says what became of the first.
    return [_rest({"do": "duplicate_request", "reply": "first"}, name=_SIGNED, probability=rng.choice((0.7, 1.0)))]


def _n11(rng: Random) -> _Steps:
    return [_rest({"do": "hold_request", "for_s": rng.choice((0.5, 2.0, 4.0))}, name=_SIGNED, every=rng.randint(1, 3))]


def _n12(rng: Random) -> _Steps:
    delay = {"do": "delay", "low_s": 0.2, "high_s": 5.0}
    return [
        _rest({**delay, "where": rng.choice(("request", "reply"))}),
        _rest({"do": rng.choice(("lose_request", "lose_reply")), "how": "silence"}, probability=0.05),
        _fault(kind="ws_out", action={"do": "delay", "low_s": 0.0, "high_s": 1.0}, probability=0.2),
    ]


def _n13(rng: Random) -> _Steps:
    if rng.random() < 0.5:
        return [_rest({"do": "lose_request", "how": "silence"})]
    return [
        _fault(kind="streams", action={"do": "mute", "direction": "both"}),
        _fault(kind="handshake", action={"do": "refuse", "status": 0}),
    ]


def _n15(rng: Random) -> _Steps:
    return [_rest({"do": "html_error", "status": 200, "commits": rng.random() < 0.5}, probability=_share(rng))]


def _n16(rng: Random) -> _Steps:
    return [_rest({"do": "close_idle", "races": True}, probability=_share(rng))]


# HTTP


def _h1(rng: Random) -> _Steps:
    date = "Fri, 20 Nov 2026 10:00:00 GMT"
    asked = rng.choice((None, "1", "20", "-5", "1000000000", "soon", date))
    return [_rest({"do": "too_many", "retry_after": asked}, probability=_share(rng))]


def _h2(rng: Random) -> _Steps:
    return [_rest({"do": "html_error", "status": rng.choice(_GATEWAYS), "commits": rng.random() < 0.5})]


def _h3(rng: Random) -> _Steps:
    error = rng.choice(("EService:Unavailable", "EGeneral:Internal error", "EAPI:Rate limit exceeded"))
    return [_rest({"do": "answer", "status": 500, "body": f'{{"error":["{error}"]}}'}, probability=_share(rng))]


def _h4(rng: Random) -> _Steps:
    error = rng.choice(("EService:Busy", "EGeneral:Internal error:5", "EWhatever:Never heard of"))
    beside = rng.choice(("", ',"result":{}', ',"result":{"ZUSD":{"balance":"0","hold_trade":"0"}}'))
    return [_rest({"do": "answer", "body": f'{{"error":["{error}"]{beside}}}'}, probability=_share(rng))]


def _h5(rng: Random) -> _Steps:
    warning = {"do": "mutate", "how": "set", "field": "error", "value": '["WGeneral:Deprecated"]'}
    return _on_reads(warning, probability=_share(rng))


def _h6(rng: Random) -> _Steps:
    # 203.0.113.0/24 is nobody's: it stands in documentation.
    elsewhere = {"do": "redirect", "location": "http://203.0.113.9/", "status": rng.choice((301, 302, 303, 307, 308))}
    return [_rest(elsewhere, probability=_share(rng))]


def _h7(rng: Random) -> _Steps:
    return [
        _rest(
            rng.choice(
                (
                    {"do": "empty", "status": rng.choice((200, 204))},
                    {"do": "wrong_length", "by": rng.choice((-3, 7))},
                    {"do": "cut_body", "how": rng.choice(("reset", "close")), "chunked": True},
                )
            ),
            probability=_share(rng),
        )
    ]


def _h8(rng: Random) -> _Steps:
    return [
        _rest(
            rng.choice(
                (
                    {"do": "mislabel", "content_type": "text/html"},
                    {"do": "mislabel", "bom": True},
                    {"do": "mislabel", "charset": rng.choice(("utf-16", "utf-32", "utf-7"))},
                )
            )
        )
    ]


def _h9(rng: Random) -> _Steps:
    return [
        _rest(
            rng.choice(
                (
                    {"do": "gzip_bomb", "unpacked_bytes": 64 << 20},
                    {"do": "mislabel", "content_encoding": rng.choice(("gzip", "br"))},
                    {"do": "mislabel", "content_encoding": "gzip, gzip", "encodes": True},
                )
            ),
            probability=_share(rng),
        )
    ]


def _h10(rng: Random) -> _Steps:
    return [
        _rest(
            rng.choice(
                (
                    {"do": "endless_body", "total_bytes": 64 << 20},
                    {"do": "huge_headers", "count": 1, "value_bytes": 1 << 20},
                    {"do": "huge_headers", "count": 100_000, "value_bytes": 1},
                )
            ),
            probability=_share(rng),
        )
    ]


def _h12(rng: Random) -> _Steps:
    pages = ["TradesHistory", "ClosedOrders"]
    broken = rng.choice(({"do": "lose_reply", "how": "silence"}, {"do": "html_error"}, {"do": "truncate"}))
    return [_rest(broken, name=pages, every=2)]


# WebSocket


def _w1(rng: Random) -> _Steps:
    status = rng.choice((0, 401, 403, 429, 502))
    return [_fault(kind="handshake", action={"do": "refuse", "status": status}), _fault(**_CLOSED)]


def _w2(rng: Random) -> _Steps:
    kind = rng.randrange(3)
    if kind == 0:
        return [_fault(kind="streams", action={"do": "mute"})]
    if kind == 1:
        return [_fault(kind="mute_channel", channel=rng.choice(("balances", "*"))), _fault(**_CLOSED)]
    return [_fault(kind="freeze_channel", channel=rng.choice(("balances", "executions", "*")))]


def _w3(rng: Random) -> _Steps:
    answer = rng.choice(({"do": "drop"}, {"do": "delay", "low_s": 6.0, "high_s": 20.0}))
    quiet = {"do": "drop"}
    return [
        _frame(answer, name="pong"),
        # Beside heartbeats and pongs nothing is heard of a quiet account.
        _frame(quiet, channel="heartbeat"),
    ]


def _w4(rng: Random) -> _Steps:
    code = rng.choice((1000, 1001, 1006, 1008, 1011, 4000))
    phase = rng.randrange(5)
    if phase == 0:
        return [_fault(kind="handshake", action={"do": "close", "code": code}, count=2), _fault(**_CLOSED)]
    if phase == 4:
        return [_fault(kind="streams", action={"do": "close", "code": code})]
    where = ({"name": "subscribe"}, {"type": "snapshot"}, {"type": "update"})[phase - 1]
    return [_frame({"do": "close", "code": code}, **where, count=2), *([] if phase == 3 else [_fault(**_CLOSED)])]


def _w5(rng: Random) -> _Steps:
    kinds = ("sequence_gap", "sequence_duplicate", "sequence_regress", "sequence_reorder")
    kind, channel = rng.choice(kinds), rng.choice(("balances", "executions"))
    if kind == "sequence_regress" and rng.random() < 0.5:
        return [_fault(kind=kind, channel=channel, to=rng.choice((0, 1)), count=2)]
    return [_fault(kind=kind, channel=channel, count=2)]


def _w6(rng: Random) -> _Steps:
    channel = rng.choice(("balances", "executions"))
    kind = rng.choice(("update_before_snapshot", "extra_snapshot", "snapshot_empty"))
    if kind == "extra_snapshot":
        return [_fault(kind=kind, channel=channel)]
    # An account that holds something has a snapshot that says so, and an empty one would be a lie twice told.
    return [_fault(kind=kind, channel="balances" if kind == "snapshot_empty" else channel), _fault(**_CLOSED)]


def _w7(rng: Random) -> _Steps:
    kind = rng.choice(("foreign_ack", "subscribe_error"))
    return [_fault(kind=kind, channel=rng.choice(("balances", "executions")), count=2), _fault(**_CLOSED)]


def _w8(rng: Random) -> _Steps:
    return [_fault(kind="token_death", closes=rng.random() < 0.7)]


def _w9(rng: Random) -> _Steps:
    asset, amount = rng.choice((("USD", "5000"), ("BTC", "3"), ("SOL", "12")))
    wallet = rng.choice(("futures", "staking", "margin"))
    return [_fault(kind="foreign_row", asset=asset, amount=amount, wallet_type=wallet)]


def _w10(rng: Random) -> _Steps:
    if rng.random() < 0.5:
        return [_fault(kind="rest_lag", by_s=rng.choice((1, 5, 30, 55)))]
    return [_fault(kind="false_balance", asset=rng.choice(("USD", "BTC")), by=rng.choice(("1", "-1", "0.01")))]


def _w11(rng: Random) -> _Steps:
    return [
        _frame(
            rng.choice(
                (
                    {"do": "fragment", "parts": rng.randint(2, 20)},
                    {"do": "send_binary"},
                    {"do": "invalid_utf8"},
                    {"do": "deflate_bomb"},
                    {"do": "huge_frame", "total_bytes": 16 << 20},
                )
            ),
            type="update",
            count=2,
        )
    ]


def _w12(rng: Random) -> _Steps:
    return [_event(kind="burst", count=rng.choice((500, 1_000, 2_000)))]


def _w13(rng: Random) -> _Steps:
    return [
        _event(kind="maintenance", starts_in_s=5.0, lasts_s=30.0),
        _fault(kind="close_streams", code=rng.choice((1000, 1001, 1012)), reason="maintenance"),
    ]


def _w14(rng: Random) -> _Steps:
    # What a channel needs, by the venue's pages: without it the subscription is refused, or acknowledged and mute.
    rights = ["query-closed-trades", "query-ledger", "modify-trades", "close-trades", "create-ws-token"]
    kept = rng.choice(("query-funds", "query-open-trades"))
    return [
        _setting("missing_permission_on_stream", rng.choice(("mute", "error"))),
        _event(kind="permissions", permissions=[*rights, kept]),
        _event(kind="token_revocation", closes=True),
    ]


# Bodies


def _b1(rng: Random) -> _Steps:
    return [_rest({"do": "truncate"}, probability=_share(rng))]


def _b2(rng: Random) -> _Steps:
    return _on_reads({"do": "mutate", "how": rng.choice(_AMOUNTS)})


def _b3(rng: Random) -> _Steps:
    return _on_reads({"do": "mutate", "how": "negative", "field": rng.choice(("ZUSD.balance", "ZUSD"))})


def _b4(rng: Random) -> _Steps:
    return [_fault(kind="override_row", asset="ZUSD", balance="10.0000", hold="25.0000", for_s=60)]


def _b5(rng: Random) -> _Steps:
    digits = rng.choice(("1" + "0" * 30, "0." + "0" * 29 + "1", "1234567890123456789.012345678901234567891"))
    return [_fault(kind="override_row", asset="ZUSD", balance=digits, for_s=60)]


def _b6(rng: Random) -> _Steps:
    how, field = rng.choice((("duplicate_key", "ZUSD"), ("duplicate_row", "ZUSD"), ("duplicate_key", "result")))
    return _on_reads({"do": "mutate", "how": how, "field": field})


def _b7(rng: Random) -> _Steps:
    return rng.choice(
        (
            _on_reads({"do": "mutate", "how": "rename", "field": "SOL", "value": rng.choice(("NEWCOIN", "XBT"))}),
            [_event(kind="auto_earn", asset="SOL", on=True), _event(kind="auto_earn", asset="SOL", on=False)],
            [_event(kind="staking", asset="SOL", amount="1", suffix=rng.choice("SB"))],
        )
    )


def _b8(rng: Random) -> _Steps:
    return _on_reads({"do": "mutate", "how": rng.choice(("retype", "exponent")), "field": "ZUSD.balance"})


def _b9(rng: Random) -> _Steps:
    if rng.random() < 0.5:
        return _on_reads({"do": "mutate", "how": "remove", "field": rng.choice(("ZUSD.balance", "ZUSD.hold_trade"))})
    renamed = {"do": "mutate", "how": "rename", "field": "result", "value": "results"}
    return _on_reads(renamed)


def _b10(rng: Random) -> _Steps:
    return [_fault(kind="vanish", asset=rng.choice(("XXBT", "ZUSD", "SOL")), read=rng.choice(READS), for_s=30)]


def _renamed(*names: str) -> _Draw:
    def draw(rng: Random) -> _Steps:
        named = _on_reads({"do": "mutate", "how": "rename", "field": "SOL", "value": rng.choice(names)})
        said = rng.choice(names).replace("\\", "\\\\").replace('"', '\\"')
        return rng.choice((named, [_rest({"do": "answer", "body": f'{{"error":["EGeneral:{said}"]}}'}, name=READS)]))

    return draw


def _b13(rng: Random) -> _Steps:
    depth = rng.choice(("1000", "100000"))
    return _on_reads({"do": "mutate", "how": "nest", "field": "ZUSD", "value": depth})


def _b14(rng: Random) -> _Steps:
    body = rng.choice(
        (
            '{"error":[],"result":{"unixtime":1790000000,"rfc1123":"Mon, 21 Sep 26 10:13:20 +0000"}}',
            '{"error":[],"result":{"open":{}}}',
            '{"accounts":[{"currency":"USD","available_balance":{"value":"1","currency":"USD"}}]}',
            '{"code":"0","data":[{"details":[{"ccy":"USD","cashBal":"1"}]}],"msg":""}',
            "[]",
        )
    )
    return _on_reads({"do": "answer", "body": body})


def _b15(rng: Random) -> _Steps:
    form = rng.choice(("object", "absent", "null", "zeros"))
    return [_fault(kind="empty_result", form=form, read=rng.choice(READS), for_s=30)]


# Time


def _t3(rng: Random) -> _Steps:
    return [_fault(kind="clock_skew", by_s=rng.choice((31, -31)))]


def _t7(rng: Random) -> _Steps:
    return [_fault(kind="server_time", form=rng.choice(("frozen", "backwards", "milliseconds")))]


# Limits and credentials


def _l1(rng: Random) -> _Steps:
    return rng.choice(
        (
            [_event(kind="tier", tier="starter"), _fault(kind="rate_limit", above=rng.randint(0, 10))],
            [_fault(kind="rate_limit", above=rng.randint(0, 10), engine=True)],
            [_fault(kind="lockout", for_s=rng.choice((20, 120, 900)))],
        )
    )


def _l3(rng: Random) -> _Steps:
    return [_event(kind="tier", tier="starter")]


def _a1(rng: Random) -> _Steps:
    return [_event(kind="key_revocation"), _fault(kind="close_streams")]


def _a2(rng: Random) -> _Steps:
    reading = ["query-funds", "query-open-trades", "query-closed-trades", "query-ledger", "create-ws-token"]
    trading = [*reading, "modify-trades", "close-trades"]
    granted = rng.choice(
        (reading, [right for right in trading if right != "query-funds"], [*trading, "withdraw-funds"])
    )
    return [_event(kind="permissions", permissions=granted)]


def _a3(rng: Random) -> _Steps:
    kind = rng.randrange(3)
    if kind == 0:
        return [_event(kind="key_expiry", in_s=0)]
    if kind == 1:
        return [_fault(kind="refuse", error="EAPI:Invalid signature", when="before", count=100_000)]
    return [_fault(kind="refuse", error="EAPI:Invalid key", when="before", count=100_000)]


def _a5(rng: Random) -> _Steps:
    return [_event(kind="new_account", name="another")]


# The venue's own ways


def _v1(rng: Random) -> _Steps:
    if rng.random() < 0.5:
        return [_event(kind="mode", mode=rng.choice(("maintenance", "cancel_only", "post_only", "limit_only")))]
    status = rng.choice(("cancel_only", "post_only", "limit_only", "reduce_only"))
    return [_event(kind="pair_status", pair="BTC-USD", status=status)]


def _setting(name: str, value: Any) -> Command:
    return _event(kind="setting", name=name, value=value)


def _v2(rng: Random) -> _Steps:
    return [
        _setting("resting_fill_parts", 3),
        rng.choice(
            (
                _setting("are_fees_paid_in_credits", True),
                _setting("sell_fee_default", "fcib"),
                _setting("maker_rebate_percent", "0.02"),
            )
        ),
    ]


def _v3(rng: Random) -> _Steps:
    error = rng.choice(
        ("EService:Unavailable", "EService:Busy", "EGeneral:Internal error", "EService:Deadline elapsed")
    )
    return [
        _fault(kind="refuse", name=name, error=error, when=rng.choice(("before", "after")), count=3)
        for name in ("add_order", "AddOrder")
    ]


def _v4(rng: Random) -> _Steps:
    return [
        _fault(kind="missing_event", channel="executions", exec_type=word, count=20)
        for word in ("pending_new", "new", "trade", "filled")
    ] + [_fault(kind="ws_out", name="add_order", action={"do": "drop"}), *_lost("lose_reply")(rng)]


def _v5(rng: Random) -> _Steps:
    return [
        rng.choice(
            (
                _event(kind="withdrawal", asset="USD", amount="700"),
                _event(kind="deposit", asset="USD", amount="250"),
                _event(kind="external_trade", pair="BTC-USD", side="sell", quantity="0.01"),
                _event(kind="external_order", pair="BTC-USD", side="buy", quantity="0.01", price="20000.0"),
                _event(kind="staking", asset="SOL", amount="1", suffix="S"),
                _event(kind="auto_earn", asset="SOL", on=True),
                _event(kind="adjustment", asset="EUR", amount="-1.5"),
            )
        )
    ]


def _v6(rng: Random) -> _Steps:
    return [_fault(kind=rng.choice(("rest_lag", "hold_lag")), by_s=rng.choice((1, 3, 5, 30)))]


def _v7(rng: Random) -> _Steps:
    return [_setting("are_holds_rounded_up", True), _setting("does_hold_include_fee", rng.random() < 0.5)]


def _v8(rng: Random) -> _Steps:
    error = rng.choice(("EOrder:Invalid order", "EGeneral:Invalid arguments:cl_ord_id"))
    return [_setting("duplicate_cl_ord_id_error", error), *_n10(rng)]


def _v9(rng: Random) -> _Steps:
    return [_event(kind="pair_status", pair="SOL-USD", status=rng.choice(("delisted", "work_in_progress")))]


def _v10(rng: Random) -> _Steps:
    return [_event(kind="credit", asset="USD", amount="5000")]


def _v11(rng: Random) -> _Steps:
    return [_event(kind="venue_cancel", reason="Self trade prevention", expires=rng.random() < 0.5)]


_DRAWS: Final[dict[str, _Draw]] = {
    "N1": _unreachable("refused"),
    "N2": _unreachable("connect_timeout"),
    "N3": _unreachable("dns"),
    "N5": _n5,
    "N6": _n6,
    "N7": _n7,
    "N8": _lost("lose_reply"),
    "N9": _lost("lose_request"),
    "N10": _n10,
    "N11": _n11,
    "N12": _n12,
    "N13": _n13,
    "N14": _unreachable("tls"),
    "N15": _n15,
    "N16": _n16,
    "H1": _h1,
    "H2": _h2,
    "H3": _h3,
    "H4": _h4,
    "H5": _h5,
    "H6": _h6,
    "H7": _h7,
    "H8": _h8,
    "H9": _h9,
    "H10": _h10,
    "H12": _h12,
    "W1": _w1,
    "W2": _w2,
    "W3": _w3,
    "W4": _w4,
    "W5": _w5,
    "W6": _w6,
    "W7": _w7,
    "W8": _w8,
    "W9": _w9,
    "W10": _w10,
    "W11": _w11,
    "W12": _w12,
    "W13": _w13,
    "W14": _w14,
    "B1": _b1,
    "B2": _b2,
    "B3": _b3,
    "B4": _b4,
    "B5": _b5,
    "B6": _b6,
    "B7": _b7,
    "B8": _b8,
    "B9": _b9,
    "B10": _b10,
    "B11": _renamed("<img src=x onerror=alert(1)>", "<script>alert(1)</script>"),
    "B12": _renamed("A\\nB level=error", "A\\u0000B", "\u202eDSU", "A" * 10_000),
    "B13": _b13,
    "B14": _b14,
    "B15": _b15,
    "T3": _t3,
    "T7": _t7,
    "L1": _l1,
    "L3": _l3,
    "A1": _a1,
    "A2": _a2,
    "A3": _a3,
    "A5": _a5,
    "V1": _v1,
    "V2": _v2,
    "V3": _v3,
    "V4": _v4,
    "V5": _v5,
    "V6": _v6,
    "V7": _v7,
    "V8": _v8,
    "V9": _v9,
    "V10": _v10,
    "V11": _v11,
}

ROWS: Final = tuple(_DRAWS)
"""Every row that this venue can act out, in the order of the table."""
