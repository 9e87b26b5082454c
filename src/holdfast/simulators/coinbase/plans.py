"""
The fault table as plans: per row, what a simulated Coinbase has to do so that this row happens.

A plan is drawn from a seed and is a list of commands, each a rule for the fault plan or an event at the venue, to be
given in this order. The rows are those of ``docs/reference/fault-rows.md``; what a row needs besides (two processes, a
stepped clock, a socket that nobody reads) is not the venue's to do and not in here.
"""

from __future__ import annotations

from random import Random
from typing import Final

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
    mutated,
    one_of,
    rest,
    setting,
    share,
)
from holdfast.simulators.core.plans import Plan

__all__ = ["ROWS", "plan_of"]

READS: Final = ["ListAccounts", "GetAccount"]
_LISTS: Final = ["ListAccounts", "ListOrders", "ListFills"]
_SIGNED: Final = [*READS, "CreateOrder", "CancelOrders", "ListOrders", "GetOrder", "ListFills", "GetApiKeyPermissions"]

_COMMON: Final = common_draws(orders=["CreateOrder"], signed=_SIGNED, lists=_LISTS)


def plan_of(row: str, *, seed: int = 0) -> Plan:
    """
    The plan of one row; the same row and seed give the same plan.

    Raises:
        ValueError: This venue acts out no such row.
    """
    return draw_plan(row, seed=seed, draws=_DRAWS)


def _answered(status: int, *bodies: str, reads: bool = False) -> Draw:
    def draw(rng: Random) -> Steps:
        answer = {"do": "answer", "status": status, "body": rng.choice(bodies)}
        return [rest(answer, name=READS) if reads else rest(answer, probability=share(rng))]

    return draw


_H3: Final = _answered(
    500,
    '{"error":"INTERNAL","error_details":"","message":"internal error"}',
    '{"error":"unknown","code":2,"message":"internal error","details":[]}',
    '{"errors":[{"id":"internal_server_error","message":"Internal server error"}]}',
)
_H4: Final = _answered(
    200,
    '{"error":"INTERNAL","error_details":"","message":"internal error"}',
    '{"errors":[{"id":"internal_server_error","message":"Internal server error"}]}',
    '{"success":false,"error_response":{"error":"UNKNOWN_FAILURE_REASON","message":"","error_details":""}}',
)


# HTTP and stream


def _h12(rng: Random) -> Steps:
    kind = rng.choice(("cursor_loop", "page_failure", "repeated_account", "transport"))
    if kind == "transport":
        return _COMMON["H12"](rng)
    return [fault(kind=kind, for_s=60)]


def _w2(rng: Random) -> Steps:
    kind = rng.randrange(3)
    if kind == 0:
        return [fault(kind="streams", action={"do": "mute"})]
    channel, numbered = rng.choice(("user", "*")), rng.random() < 0.5
    if kind == 1:
        return [fault(kind="mute_channel", channel=channel, numbered=numbered), CLOSED]
    return [fault(kind="freeze_channel", channel=channel, numbered=numbered)]


def _w3(rng: Random) -> Steps:
    late = rng.choice(({"do": "drop"}, {"do": "delay", "low_s": 15.0, "high_s": 40.0}))
    return [frame(late, channel="heartbeats")]


def _w4(rng: Random) -> Steps:
    code = rng.choice((1000, 1001, 1006, 1008, 1011, 4000))
    phase = rng.randrange(5)
    if phase == 0:
        return [fault(kind="handshake", action={"do": "close", "code": code}, count=2), CLOSED]
    if phase == 4:
        return [fault(kind="streams", action={"do": "close", "code": code})]
    where = ({"channel": "subscriptions"}, {"type": "snapshot"}, {"type": "update"})[phase - 1]
    return [frame({"do": "close", "code": code}, **where, count=2), *([] if phase == 3 else [CLOSED])]


def _w5(rng: Random) -> Steps:
    kinds = ("sequence_gap", "sequence_duplicate", "sequence_regress", "sequence_reorder")
    kind, channel = rng.choice(kinds), rng.choice(("user", "heartbeats"))
    if kind == "sequence_regress" and rng.random() < 0.5:
        return [fault(kind=kind, channel=channel, to=rng.choice((0, 1)), count=2)]
    return [fault(kind=kind, channel=channel, count=2)]


def _w6(rng: Random) -> Steps:
    kind = rng.choice(("update_before_snapshot", "extra_snapshot", "snapshot_empty"))
    if kind == "extra_snapshot":
        return [fault(kind=kind)]
    more = {"channel": "user"} if kind == "snapshot_empty" else {}
    return [fault(kind=kind, **more), CLOSED]


def _w7(rng: Random) -> Steps:
    kind = rng.choice(("foreign_ack", "subscribe_error"))
    return [fault(kind=kind, channel=rng.choice(("user", "heartbeats")), count=2), CLOSED]


def _w8(rng: Random) -> Steps:
    return [fault(kind="unauthorized_stream", count=rng.randint(1, 3)), CLOSED]


def _w10(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [fault(kind="rest_lag", by_s=rng.choice((1, 5, 30, 55)))]
    return [fault(kind="missing_event", channel="user", count=rng.randint(1, 4))]


def _w12(rng: Random) -> Steps:
    return [frame({"do": "burst", "frames": rng.choice((500, 1_000, 2_000))}, channel="heartbeats", count=1)]


def _w13(rng: Random) -> Steps:
    return [fault(kind="close_streams", code=rng.choice((1000, 1001, 1012)), reason="going away")]


def _w14(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [event(kind="permissions", permissions=["trade"]), fault(kind="close_streams")]
    return [fault(kind="mute_channel", channel="user"), CLOSED]


# Bodies


def _b5(rng: Random) -> Steps:
    digits = rng.choice(("1" + "0" * 30, "0." + "0" * 29 + "1", "1234567890123456789.012345678901234567891"))
    return [fault(kind="override_row", asset="USD", balance=digits, hold="0", for_s=60)]


def _b6(rng: Random) -> Steps:
    choices = (
        ("duplicate_key", "available_balance"),
        ("duplicate_row", "available_balance"),
        ("duplicate_key", "accounts"),
    )
    how, field = rng.choice(choices)
    return [rest({"do": "mutate", "how": how, "field": field}, name=READS)]


_B7: Final = one_of(
    [fault(kind="override_row", asset="NEWCOIN", balance="5", hold="0", for_s=60)],
    [fault(kind="override_row", asset="XBT", balance="5", hold="0", for_s=60)],
    [event(kind="vault", asset="SOL", amount="1")],
    [event(kind="staking", asset="ETH", amount="1"), setting("staked_as", "own_code")],
)


def _b9(rng: Random) -> Steps:
    if rng.random() < 0.7:
        field = rng.choice(("available_balance", "available_balance.value", "currency", "hold.value"))
        return mutated("remove", name=READS, field=field)(rng)
    return mutated("rename", name=READS, field="accounts", value="results")(rng)


def _renamed(*names: str) -> Draw:
    def draw(rng: Random) -> Steps:
        if rng.random() < 0.5:
            return [fault(kind="override_row", asset=rng.choice(names), balance="1", hold="0", for_s=60)]
        return [fault(kind="refuse", name="*", error="INTERNAL", message=rng.choice(names), for_s=20)]

    return draw


def _b13(rng: Random) -> Steps:
    return mutated("nest", name=READS, field="available_balance", value=rng.choice(("1000", "100000")))(rng)


_B14: Final = _answered(
    200,
    '{"iso":"2026-11-20T07:00:00Z","epochSeconds":"1795158000","epochMillis":"1795158000123"}',
    '{"orders":[],"has_next":false,"cursor":"","sequence":"0"}',
    '{"error":[],"result":{"ZUSD":{"balance":"1","hold_trade":"0"}}}',
    '{"code":"0","data":[{"details":[{"ccy":"USD","cashBal":"1"}]}],"msg":""}',
    '{"data":[{"id":"1","balance":{"amount":"1","currency":"USD"}}]}',
    "[]",
    reads=True,
)


def _b10(rng: Random) -> Steps:
    return [fault(kind="vanish", asset=rng.choice(("BTC", "USD", "SOL")), read=rng.choice((*READS, "*")), for_s=30)]


def _b15(rng: Random) -> Steps:
    form = rng.choice(("list", "null", "absent", "zeros"))
    return [
        fault(kind="zero_balances", for_s=30) if form == "zeros" else fault(kind="empty_result", form=form, for_s=30)
    ]


# Limits, credentials, and the venue's own ways


def _l2(rng: Random) -> Steps:
    return [
        setting("throttle_status", rng.choice((429, 401))),
        setting("rate_limit_body", rng.choice(("v2", "v3", "text"))),
        setting("has_retry_after", rng.random() < 0.5),
        setting("private_calls_per_s", rng.choice((30, 15, 5))),
        fault(kind="rate_limit"),
    ]


def _a2(rng: Random) -> Steps:
    granted = rng.choice((["view"], ["trade"], ["view", "trade", "transfer"]))
    return [event(kind="permissions", permissions=granted)]


def _a3(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [fault(kind="unauthorized", for_s=600), fault(kind="unauthorized_stream", for_s=600), CLOSED]
    return [setting("unauthorized_body", rng.choice(("text", "json", "empty"))), fault(kind="lockout", for_s=600)]


def _v1(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [event(kind="mode", mode=rng.choice(("maintenance", "cancel_only", "post_only", "limit_only")))]
    status = rng.choice(("cancel_only", "post_only", "limit_only", "trading_disabled", "is_disabled", "auction_mode"))
    return [event(kind="pair_status", pair="BTC-USD", status=status)]


def _v3(rng: Random) -> Steps:
    status, word = rng.choice(((500, "INTERNAL"), (503, "UNAVAILABLE"), (502, "unknown")))
    when = rng.choice(("before", "after"))
    return [fault(kind="refuse", name="CreateOrder", status=status, error=word, when=when, count=3)]


def _v4(rng: Random) -> Steps:
    return [fault(kind="missing_event", channel="user", count=20), *_COMMON["N8"](rng)]


_V5: Final = one_of(
    [event(kind="withdrawal", asset="USD", amount="700")],
    [event(kind="deposit", asset="USD", amount="250")],
    [event(kind="convert", asset="USD", to="USDC", amount="300")],
    [event(kind="futures_sweep", amount="400")],
    [event(kind="external_trade", pair="BTC-USD", side="sell", quantity="0.01")],
    [event(kind="external_order", pair="BTC-USD", side="buy", quantity="0.01", price="20000")],
    [event(kind="external_order", pair="BTC-USD", side="buy", quantity="0.01", price="20000", source="RETAIL_SIMPLE")],
    [event(kind="vault", asset="SOL", amount="1")],
    [event(kind="adjustment", asset="EUR", amount="-1.5")],
)


def _v6(rng: Random) -> Steps:
    kind = rng.choice(("rest_lag", "hold_lag", "hold_release_lag", "orders_late", "cancel_lag"))
    return [fault(kind=kind, by_s=rng.choice((1, 3, 5)))]


def _v7(rng: Random) -> Steps:
    return [
        setting("does_hold_include_fee", rng.random() < 0.5),
        setting("is_fee_inside_quote_size", rng.random() < 0.5),
    ]


def _v8(rng: Random) -> Steps:
    return [setting("duplicate_client_order_id", rng.choice(("return_existing", "refuse"))), *_COMMON["N10"](rng)]


_DRAWS: Final[dict[str, Draw]] = {
    **{row: draw for row, draw in _COMMON.items() if row[0] == "N"},
    "H1": _COMMON["H1"],
    "H2": _COMMON["H2"],
    "H3": _H3,
    "H4": _H4,
    **{row: _COMMON[row] for row in ("H6", "H7", "H8", "H9", "H10")},
    "H12": _h12,
    "W1": _COMMON["W1"],
    "W2": _w2,
    "W3": _w3,
    "W4": _w4,
    "W5": _w5,
    "W6": _w6,
    "W7": _w7,
    "W8": _w8,
    "W9": lambda _: [fault(kind="foreign_row", client_order_id="somebody-else")],
    "W10": _w10,
    "W11": _COMMON["W11"],
    "W12": _w12,
    "W13": _w13,
    "W14": _w14,
    "B1": _COMMON["B1"],
    "B2": mutated(*AMOUNTS, name=READS),
    "B3": mutated("negative", name=READS, field="available_balance.value"),
    "B4": lambda _: [fault(kind="override_row", asset="USD", balance="-10", hold="25", for_s=60)],
    "B5": _b5,
    "B6": _b6,
    "B7": _B7,
    "B8": mutated("retype", "exponent", name=READS, field="available_balance.value"),
    "B9": _b9,
    "B10": _b10,
    "B11": _renamed("<img src=x onerror=alert(1)>", "<script>alert(1)</script>"),
    "B12": _renamed("A\nB level=error", "A\u0000B", "\u202eDSU", "A" * 10_000),
    "B13": _b13,
    "B14": _B14,
    "B15": _b15,
    "T3": lambda rng: [fault(kind="clock_skew", by_s=rng.choice((31, -31)))],
    "T7": lambda rng: [fault(kind="server_time", form=rng.choice(("frozen", "backwards", "milliseconds")))],
    "L2": _l2,
    "L3": lambda rng: [setting("private_calls_per_s", rng.choice((5, 10)))],
    "A1": lambda rng: [event(kind="key_revocation", closes=rng.random() < 0.5)],
    "A2": _a2,
    "A3": _a3,
    "A5": lambda _: [event(kind="new_account", name="another")],
    "V1": _v1,
    "V2": lambda rng: [setting("resting_fill_parts", 3), setting("quote_sized_fills", rng.choice(("base", "quote")))],
    "V3": _v3,
    "V4": _v4,
    "V5": _V5,
    "V6": _v6,
    "V7": _v7,
    "V8": _v8,
    "V9": lambda rng: [event(kind="pair_status", pair="SOL-USD", status=rng.choice(("delisted", "offline")))],
    "V10": lambda _: [event(kind="futures_sweep", amount="500")],
    "V11": lambda rng: [event(kind="venue_cancel", reason="Self trade prevention", expires=rng.random() < 0.5)],
}

ROWS: Final = tuple(_DRAWS)
"""Every row that this venue can act out, in the order of the table."""
