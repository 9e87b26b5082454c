"""
The fault table as plans: per row, what a simulated Kraken has to do so that this row happens.

A plan is drawn from a seed and is a list of commands, each a rule for the fault plan or an event at the venue, to be
given in this order. The rows are those of ``docs/reference/fault-rows.md``; what a row needs besides (two processes, a
stepped clock, a socket that nobody reads) is not the venue's to do and not in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from holdfast.simulators.core.plan_draws import (
    AMOUNTS,
    CLOSED,
    Draw,
    Steps,
    common_draws,
    draw_plan,
    event,
    fault,
    frame,
    rest,
    setting,
    share,
)
from holdfast.simulators.core.plans import Plan

__all__ = ["ROWS", "plan_of"]

READS: Final = ["BalanceEx", "Balance"]
ORDERS: Final = ["AddOrder", "CancelOrder"]
_SIGNED: Final = [*READS, *ORDERS, "OpenOrders", "ClosedOrders", "TradesHistory", "QueryOrders", "GetWebSocketsToken"]


def plan_of(row: str, *, seed: int = 0) -> Plan:
    """
    The plan of one row; the same row and seed give the same plan.

    Raises:
        ValueError: This venue acts out no such row.
    """
    return draw_plan(row, seed=seed, draws=_DRAWS)


def _on_reads(action: Mapping[str, Any], **more: Any) -> Steps:
    return [rest(action, name=READS, **more)]


# Network and HTTP; what is the same at every venue is drawn in the core


def _lost(do: str) -> Draw:
    def draw(rng: Random) -> Steps:
        how = rng.choice(("silence", "reset", "close"))
        return [
            rest({"do": do, "how": how}, name=["AddOrder"]),
            fault(kind="ws_in" if do == "lose_request" else "ws_out", name="add_order", action={"do": "drop"}),
        ]

    return draw


def _h3(rng: Random) -> Steps:
    error = rng.choice(("EService:Unavailable", "EGeneral:Internal error", "EAPI:Rate limit exceeded"))
    return [rest({"do": "answer", "status": 500, "body": f'{{"error":["{error}"]}}'}, probability=share(rng))]


def _h4(rng: Random) -> Steps:
    error = rng.choice(("EService:Busy", "EGeneral:Internal error:5", "EWhatever:Never heard of"))
    beside = rng.choice(("", ',"result":{}', ',"result":{"ZUSD":{"balance":"0","hold_trade":"0"}}'))
    return [rest({"do": "answer", "body": f'{{"error":["{error}"]{beside}}}'}, probability=share(rng))]


def _h5(rng: Random) -> Steps:
    warning = {"do": "mutate", "how": "set", "field": "error", "value": '["WGeneral:Deprecated"]'}
    return _on_reads(warning, probability=share(rng))


# WebSocket


def _w2(rng: Random) -> Steps:
    kind = rng.randrange(3)
    if kind == 0:
        return [fault(kind="streams", action={"do": "mute"})]
    if kind == 1:
        return [fault(kind="mute_channel", channel=rng.choice(("balances", "*"))), CLOSED]
    return [fault(kind="freeze_channel", channel=rng.choice(("balances", "executions", "*")))]


def _w3(rng: Random) -> Steps:
    answer = rng.choice(({"do": "drop"}, {"do": "delay", "low_s": 6.0, "high_s": 20.0}))
    quiet = {"do": "drop"}
    return [
        frame(answer, name="pong"),
        # Beside heartbeats and pongs nothing is heard of a quiet account.
        frame(quiet, channel="heartbeat"),
    ]


def _w4(rng: Random) -> Steps:
    code = rng.choice((1000, 1001, 1006, 1008, 1011, 4000))
    phase = rng.randrange(5)
    if phase == 0:
        return [fault(kind="handshake", action={"do": "close", "code": code}, count=2), CLOSED]
    if phase == 4:
        return [fault(kind="streams", action={"do": "close", "code": code})]
    where = ({"name": "subscribe"}, {"type": "snapshot"}, {"type": "update"})[phase - 1]
    return [frame({"do": "close", "code": code}, **where, count=2), *([] if phase == 3 else [CLOSED])]


def _w5(rng: Random) -> Steps:
    kinds = ("sequence_gap", "sequence_duplicate", "sequence_regress", "sequence_reorder")
    kind, channel = rng.choice(kinds), rng.choice(("balances", "executions"))
    if kind == "sequence_regress" and rng.random() < 0.5:
        return [fault(kind=kind, channel=channel, to=rng.choice((0, 1)), count=2)]
    return [fault(kind=kind, channel=channel, count=2)]


def _w6(rng: Random) -> Steps:
    channel = rng.choice(("balances", "executions"))
    kind = rng.choice(("update_before_snapshot", "extra_snapshot", "snapshot_empty"))
    if kind == "extra_snapshot":
        return [fault(kind=kind, channel=channel)]
    # An account that holds something has a snapshot that says so, and an empty one would be a lie twice told.
    return [fault(kind=kind, channel="balances" if kind == "snapshot_empty" else channel), CLOSED]


def _w7(rng: Random) -> Steps:
    kind = rng.choice(("foreign_ack", "subscribe_error"))
    return [fault(kind=kind, channel=rng.choice(("balances", "executions")), count=2), CLOSED]


def _w8(rng: Random) -> Steps:
    return [fault(kind="token_death", closes=rng.random() < 0.7)]


def _w9(rng: Random) -> Steps:
    asset, amount = rng.choice((("USD", "5000"), ("BTC", "3"), ("SOL", "12")))
    wallet = rng.choice(("futures", "staking", "margin"))
    return [fault(kind="foreign_row", asset=asset, amount=amount, wallet_type=wallet)]


def _w10(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [fault(kind="rest_lag", by_s=rng.choice((1, 5, 30, 55)))]
    return [fault(kind="false_balance", asset=rng.choice(("USD", "BTC")), by=rng.choice(("1", "-1", "0.01")))]


def _w12(rng: Random) -> Steps:
    return [event(kind="burst", count=rng.choice((500, 1_000, 2_000)))]


def _w13(rng: Random) -> Steps:
    return [
        event(kind="maintenance", starts_in_s=5.0, lasts_s=30.0),
        fault(kind="close_streams", code=rng.choice((1000, 1001, 1012)), reason="maintenance"),
    ]


def _w14(rng: Random) -> Steps:
    # What a channel needs, by the venue's pages: without it the subscription is refused, or acknowledged and mute.
    rights = ["query-closed-trades", "query-ledger", "modify-trades", "close-trades", "create-ws-token"]
    kept = rng.choice(("query-funds", "query-open-trades"))
    return [
        setting("missing_permission_on_stream", rng.choice(("mute", "error"))),
        event(kind="permissions", permissions=[*rights, kept]),
        event(kind="token_revocation", closes=True),
    ]


# Bodies


def _b2(rng: Random) -> Steps:
    return _on_reads({"do": "mutate", "how": rng.choice(AMOUNTS)})


def _b3(rng: Random) -> Steps:
    return _on_reads({"do": "mutate", "how": "negative", "field": rng.choice(("ZUSD.balance", "ZUSD"))})


def _b4(rng: Random) -> Steps:
    return [fault(kind="override_row", asset="ZUSD", balance="10.0000", hold="25.0000", for_s=60)]


def _b5(rng: Random) -> Steps:
    digits = rng.choice(("1" + "0" * 30, "0." + "0" * 29 + "1", "1234567890123456789.012345678901234567891"))
    return [fault(kind="override_row", asset="ZUSD", balance=digits, for_s=60)]


def _b6(rng: Random) -> Steps:
    how, field = rng.choice((("duplicate_key", "ZUSD"), ("duplicate_row", "ZUSD"), ("duplicate_key", "result")))
    return _on_reads({"do": "mutate", "how": how, "field": field})


def _b7(rng: Random) -> Steps:
    return rng.choice(
        (
            _on_reads({"do": "mutate", "how": "rename", "field": "SOL", "value": rng.choice(("NEWCOIN", "XBT"))}),
            [event(kind="auto_earn", asset="SOL", on=True), event(kind="auto_earn", asset="SOL", on=False)],
            [event(kind="staking", asset="SOL", amount="1", suffix=rng.choice("SB"))],
        )
    )


def _b8(rng: Random) -> Steps:
    return _on_reads({"do": "mutate", "how": rng.choice(("retype", "exponent")), "field": "ZUSD.balance"})


def _b9(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return _on_reads({"do": "mutate", "how": "remove", "field": rng.choice(("ZUSD.balance", "ZUSD.hold_trade"))})
    renamed = {"do": "mutate", "how": "rename", "field": "result", "value": "results"}
    return _on_reads(renamed)


def _b10(rng: Random) -> Steps:
    return [fault(kind="vanish", asset=rng.choice(("XXBT", "ZUSD", "SOL")), read=rng.choice(READS), for_s=30)]


def _renamed(*names: str) -> Draw:
    def draw(rng: Random) -> Steps:
        named = _on_reads({"do": "mutate", "how": "rename", "field": "SOL", "value": rng.choice(names)})
        said = rng.choice(names).replace("\\", "\\\\").replace('"', '\\"')
        return rng.choice((named, [rest({"do": "answer", "body": f'{{"error":["EGeneral:{said}"]}}'}, name=READS)]))

    return draw


def _b13(rng: Random) -> Steps:
    depth = rng.choice(("1000", "100000"))
    return _on_reads({"do": "mutate", "how": "nest", "field": "ZUSD", "value": depth})


def _b14(rng: Random) -> Steps:
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


def _b15(rng: Random) -> Steps:
    form = rng.choice(("object", "absent", "null", "zeros"))
    return [fault(kind="empty_result", form=form, read=rng.choice(READS), for_s=30)]


# Time


def _t3(rng: Random) -> Steps:
    return [fault(kind="clock_skew", by_s=rng.choice((31, -31)))]


def _t7(rng: Random) -> Steps:
    return [fault(kind="server_time", form=rng.choice(("frozen", "backwards", "milliseconds")))]


# Limits and credentials


def _l1(rng: Random) -> Steps:
    return rng.choice(
        (
            [event(kind="tier", tier="starter"), fault(kind="rate_limit", above=rng.randint(0, 10))],
            [fault(kind="rate_limit", above=rng.randint(0, 10), engine=True)],
            [fault(kind="lockout", for_s=rng.choice((20, 120, 900)))],
        )
    )


def _l3(rng: Random) -> Steps:
    return [event(kind="tier", tier="starter")]


def _a1(rng: Random) -> Steps:
    return [event(kind="key_revocation"), fault(kind="close_streams")]


def _a2(rng: Random) -> Steps:
    reading = ["query-funds", "query-open-trades", "query-closed-trades", "query-ledger", "create-ws-token"]
    trading = [*reading, "modify-trades", "close-trades"]
    granted = rng.choice(
        (reading, [right for right in trading if right != "query-funds"], [*trading, "withdraw-funds"])
    )
    return [event(kind="permissions", permissions=granted)]


def _a3(rng: Random) -> Steps:
    kind = rng.randrange(3)
    if kind == 0:
        return [event(kind="key_expiry", in_s=0)]
    if kind == 1:
        return [fault(kind="refuse", error="EAPI:Invalid signature", when="before", count=100_000)]
    return [fault(kind="refuse", error="EAPI:Invalid key", when="before", count=100_000)]


def _a5(rng: Random) -> Steps:
    return [event(kind="new_account", name="another")]


# The venue's own ways


def _v1(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [event(kind="mode", mode=rng.choice(("maintenance", "cancel_only", "post_only", "limit_only")))]
    status = rng.choice(("cancel_only", "post_only", "limit_only", "reduce_only"))
    return [event(kind="pair_status", pair="BTC-USD", status=status)]


def _v2(rng: Random) -> Steps:
    return [
        setting("resting_fill_parts", 3),
        rng.choice(
            (
                setting("are_fees_paid_in_credits", True),
                setting("sell_fee_default", "fcib"),
                setting("maker_rebate_percent", "0.02"),
            )
        ),
    ]


def _v3(rng: Random) -> Steps:
    error = rng.choice(
        ("EService:Unavailable", "EService:Busy", "EGeneral:Internal error", "EService:Deadline elapsed")
    )
    return [
        fault(kind="refuse", name=name, error=error, when=rng.choice(("before", "after")), count=3)
        for name in ("add_order", "AddOrder")
    ]


def _v4(rng: Random) -> Steps:
    return [
        fault(kind="missing_event", channel="executions", exec_type=word, count=20)
        for word in ("pending_new", "new", "trade", "filled")
    ] + [fault(kind="ws_out", name="add_order", action={"do": "drop"}), *_lost("lose_reply")(rng)]


def _v5(rng: Random) -> Steps:
    return [
        rng.choice(
            (
                event(kind="withdrawal", asset="USD", amount="700"),
                event(kind="deposit", asset="USD", amount="250"),
                event(kind="external_trade", pair="BTC-USD", side="sell", quantity="0.01"),
                event(kind="external_order", pair="BTC-USD", side="buy", quantity="0.01", price="20000.0"),
                event(kind="staking", asset="SOL", amount="1", suffix="S"),
                event(kind="auto_earn", asset="SOL", on=True),
                event(kind="adjustment", asset="EUR", amount="-1.5"),
            )
        )
    ]


def _v6(rng: Random) -> Steps:
    return [fault(kind=rng.choice(("rest_lag", "hold_lag")), by_s=rng.choice((1, 3, 5, 30)))]


def _v7(rng: Random) -> Steps:
    return [setting("are_holds_rounded_up", True), setting("does_hold_include_fee", rng.random() < 0.5)]


def _v8(rng: Random) -> Steps:
    error = rng.choice(("EOrder:Invalid order", "EGeneral:Invalid arguments:cl_ord_id"))
    twice = {"do": "duplicate_request", "reply": "first"}
    return [setting("duplicate_cl_ord_id_error", error), rest(twice, name=_SIGNED, probability=share(rng))]


def _v9(rng: Random) -> Steps:
    return [event(kind="pair_status", pair="SOL-USD", status=rng.choice(("delisted", "work_in_progress")))]


def _v10(rng: Random) -> Steps:
    return [event(kind="credit", asset="USD", amount="5000")]


def _v11(rng: Random) -> Steps:
    return [event(kind="venue_cancel", reason="Self trade prevention", expires=rng.random() < 0.5)]


_DRAWS: Final[dict[str, Draw]] = {
    **common_draws(orders=["AddOrder"], signed=_SIGNED, lists=["TradesHistory", "ClosedOrders"]),
    "N8": _lost("lose_reply"),
    "N9": _lost("lose_request"),
    "H3": _h3,
    "H4": _h4,
    "H5": _h5,
    "W2": _w2,
    "W3": _w3,
    "W4": _w4,
    "W5": _w5,
    "W6": _w6,
    "W7": _w7,
    "W8": _w8,
    "W9": _w9,
    "W10": _w10,
    "W12": _w12,
    "W13": _w13,
    "W14": _w14,
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

ROWS: Final = tuple(sorted(_DRAWS, key=lambda row: ("NHWBTLAV".index(row[0]), int(row[1:]))))
"""Every row that this venue can act out, in the order of the table."""
