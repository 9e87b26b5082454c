"""What goes wrong, and what others do, while bots trade: drawn one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from holdfast.core.amounts import format_amount
from tests.scenarios.wires import WIRES
from tests.scenarios.world import World

__all__ = ["mending", "order_fault", "outside_event", "venue_mode"]

_ORDER_CALLS: Final = ["AddOrder", "CancelOrder", "CancelAll", "OpenOrders", "ClosedOrders", "TradesHistory"]
_ORDER_METHODS: Final = ["add_order", "cancel_order"]
_PLACES: Final = {"BTC-USD": 1, "ETH-USD": 2, "SOL-USD": 2}  # Of prices.
_READS: Final = ["BalanceEx", "Balance", "OpenOrders", "ClosedOrders", "TradesHistory", "QueryOrders", "Ticker"]
_UNKNOWN_OUTCOMES: Final = (
    "EService:Unavailable",
    "EService:Busy",
    "EService:Deadline elapsed",
    "EGeneral:Internal error",
    "EGeneral:Internal error:5",
    "EWhatever:Never heard of",
)


def order_fault(w: World) -> dict[str, Any]:
    """One fault of a group drawn: the network, gateways, the stream, its channels, the venue, its lag."""
    if w.play.id != "kraken":
        return _elsewhere(w)
    groups = (_network, _network, _gateway, _stream, _channel, _channel, _venue, _venue, _lag)
    return w.rng.choice(groups)(w)


def _elsewhere(w: World) -> dict[str, Any]:
    """The same groups at a venue whose calls and channels have other names."""
    from tests.scenarios import families  # Which draws from here too.

    rng = w.rng
    groups = (
        families.network_fault,
        families.network_fault,
        families.stream_fault,
        families.channel_fault,
        families.venue_fault,
        families.lag_fault,
        _gateway_elsewhere,
    )
    fault = rng.choice(groups)(w)
    place = WIRES[w.play.id].place
    if fault.get("action", {}).get("do") == "duplicate_request" and not WIRES[w.play.id].takes_ids_once:
        return _rarely_of_orders(w, fault)
    if fault["kind"] == "rest" and "name" not in fault and rng.random() < 0.5:
        fault["name"] = place
    return fault


def _rarely_of_orders(w: World, fault: dict[str, Any]) -> dict[str, Any]:
    """
    [N10] Copies of requests at a venue that makes two orders of them: of reads and cancels, now and then of one order.

    The client then stops until a person looks: with every order doubled there would be no trading to judge.
    """
    if w.rng.random() < 0.3:
        return {**fault, "name": WIRES[w.play.id].place, "probability": 1.0, "count": 1}
    return {**fault, "name": [*w.play.reads, "POST trade/cancel-order", "GET trade/order"]}


def _gateway_elsewhere(w: World) -> dict[str, Any]:
    rng = w.rng
    commits = rng.random() < 0.5
    action = rng.choice(
        (
            {"do": "html_error", "status": rng.choice((200, 500, 502, 504, 520)), "commits": commits},
            {"do": "answer", "body": rng.choice(("", "[]", "{}")), "commits": commits},
            {"do": "duplicate_request", "reply": rng.choice(("first", "second"))},
            {"do": "empty", "status": rng.choice((200, 204))},
            {"do": "truncate"},
        )
    )
    return {"kind": "rest", "action": action, "probability": rng.choice((0.2, 0.6))}


def mending(w: World, pairs: Sequence[str]) -> list[dict[str, Any]]:
    """What ends every mode that a scenario may have begun."""
    if w.play.id == "okx":
        live = [{"kind": "instrument_state", "pair": pair, "state": "live"} for pair in pairs]
        return [{"kind": "outage", "on": False}, *live]
    online = [{"kind": "pair_status", "pair": pair, "status": "online"} for pair in pairs]
    return [{"kind": "mode", "mode": "online"}, *online]


def _network(w: World) -> dict[str, Any]:
    """[N1, N7-N12, N16] REST calls that are lost, late, doubled or reordered."""
    rng = w.rng
    action = rng.choice(
        (
            {"do": "unreachable", "how": rng.choice(("refused", "dns", "tls", "connect_timeout"))},
            {"do": "lose_request", "how": rng.choice(("silence", "reset", "close"))},
            {"do": "lose_reply", "how": rng.choice(("silence", "reset", "close"))},
            {"do": "lose_reply", "how": rng.choice(("silence", "reset", "close"))},
            {"do": "delay", "low_s": 0.2, "high_s": 8.0, "where": rng.choice(("request", "reply"))},
            {"do": "hold_request", "for_s": rng.choice((0.5, 4.0))},
            {"do": "duplicate_request", "reply": rng.choice(("first", "second"))},
            {"do": "cut_body", "how": rng.choice(("reset", "close", "silence")), "chunked": rng.random() < 0.5},
            {"do": "close_idle", "races": rng.random() < 0.5},
        )
    )
    name = rng.choice((None, _ORDER_CALLS, ["AddOrder"], _READS))
    rule = {"kind": "rest", "name": name, "action": action, "probability": rng.choice((0.1, 0.4, 1.0))}
    # Told twice running that its nonces are refused, a client parks its key until a person looks: as it should.
    return {**rule, "count": 1} if action.get("reply") == "second" else rule


def _gateway(w: World) -> dict[str, Any]:
    """[H1-H8, N15, V3] Pages and nonsense in place of an answer, before or after the venue has acted."""
    rng = w.rng
    commits = rng.random() < 0.5
    action = rng.choice(
        (
            {"do": "html_error", "status": rng.choice((200, 500, 502, 504, 520)), "commits": commits},
            {"do": "too_many", "retry_after": rng.choice((None, "1", "soon")), "commits": commits},
            {"do": "answer", "body": rng.choice(("", "[]", '{"error":[]}', '{"error":["EAPI"]}')), "commits": commits},
            {"do": "empty", "status": rng.choice((200, 204))},
            {"do": "truncate"},
            {"do": "mislabel", "content_type": "text/html"},
        )
    )
    name = rng.choice((None, _ORDER_CALLS, ["AddOrder"]))
    return {"kind": "rest", "name": name, "action": action, "probability": rng.choice((0.2, 0.6))}


def _stream(w: World) -> dict[str, Any]:
    """[W1-W4, N12] Order methods and answers that are lost, late or reordered; sockets that close or fall mute."""
    rng = w.rng
    kind = rng.randrange(6)
    name = rng.choice(_ORDER_METHODS)
    if kind == 0:
        # Never doubled on its way in: inside one TLS connection nothing arrives twice, and the venue could not tell.
        action = rng.choice(
            (
                {"do": "drop"},
                {"do": "delay", "low_s": 0.1, "high_s": 7.0},
                {"do": "swap", "for_s": 3.0},
                {"do": "close", "code": 1006, "delivers": rng.random() < 0.5},
                {"do": "mute", "direction": rng.choice(("in", "out", "both"))},
            )
        )
        return {"kind": "ws_in", "name": name, "action": action, "probability": rng.choice((0.3, 1.0))}
    if kind == 1:
        action = rng.choice(
            (
                {"do": "drop"},
                {"do": "duplicate"},
                {"do": "swap", "for_s": 3.0},
                {"do": "delay", "low_s": 0.1, "high_s": 7.0},
                {"do": "truncate"},
                {"do": "close", "code": 1011, "delivers": rng.random() < 0.5},
            )
        )
        return {"kind": "ws_out", "name": name, "action": action, "probability": rng.choice((0.3, 1.0))}
    if kind == 2:
        return {"kind": "streams", "action": {"do": "close", "code": rng.choice((1000, 1001, 1006, 1011))}}
    if kind == 3:
        return {"kind": "streams", "action": {"do": "mute", "direction": rng.choice(("in", "out", "both"))}}
    if kind == 4:
        return {"kind": "mute_stream", "for_s": rng.choice((3, 12))}
    w.fault(kind="streams", action={"do": "close", "code": 1006})
    return {"kind": "handshake", "action": {"do": "refuse", "status": rng.choice((0, 429, 502))}, "count": 2}


def _channel(w: World) -> dict[str, Any]:
    """[W2, W5-W8] Channels that lose, repeat, reorder or freeze."""
    rng = w.rng
    channel = rng.choice(("balances", "executions", "executions"))
    if rng.random() < 0.3:
        do = rng.choice(
            ({"do": "drop"}, {"do": "duplicate"}, {"do": "swap"}, {"do": "delay", "low_s": 0.5, "high_s": 3})
        )
        return {"kind": "ws_out", "channel": channel, "type": "update", "action": do, "count": rng.randint(1, 4)}
    if rng.random() < 0.3:
        exec_type = rng.choice(("pending_new", "new", "trade", "filled", "canceled"))
        return {"kind": "missing_event", "channel": "executions", "exec_type": exec_type, "count": rng.randint(1, 2)}
    kind = rng.choice(
        (
            "sequence_gap",
            "sequence_duplicate",
            "sequence_regress",
            "sequence_reorder",
            "freeze_channel",
            "mute_channel",
            "subscribe_error",
            "token_death",
            "extra_snapshot",
        )
    )
    if kind == "token_death":
        return {"kind": kind, "closes": rng.random() < 0.5}
    if kind == "subscribe_error":
        w.fault(kind="close_streams")
    return {"kind": kind, "channel": channel}


def _venue(w: World) -> dict[str, Any]:
    """[V3, L1] Orders refused before or after they were done, and limits."""
    rng = w.rng
    if rng.random() < 0.1:
        return {"kind": "rate_limit", "above": rng.randint(0, 5), "engine": rng.random() < 0.5}
    name = rng.choice(("add_order", "AddOrder", "add_order", "cancel_order", "CancelOrder", "*"))
    error = rng.choice((*_UNKNOWN_OUTCOMES, "EOrder:Rate limit exceeded", "EOrder:Insufficient funds"))
    # Refused for funds or limits is the venue's word that nothing was done: said after it was, it would be a lie.
    when = rng.choice(("before", "after")) if error in _UNKNOWN_OUTCOMES else "before"
    return {"kind": "refuse", "name": name, "error": error, "when": when, "count": rng.randint(1, 3)}


def _lag(w: World) -> dict[str, Any]:
    """[V6] Reads from a replica that lags, and holds that lag behind balances."""
    rng = w.rng
    return {"kind": rng.choice(("rest_lag", "hold_lag")), "by_s": rng.choice((1, 5, 30, 55))}


def outside_event(w: World) -> dict[str, Any]:
    """[V5, V11] What others do: trade on the account, move money, move the market; and what the venue ends."""
    rng = w.rng
    pair = rng.choice(tuple(_PLACES))
    base, _, quote = pair.partition("-")
    mid = w.venue.mid(pair)
    kind = rng.randrange(9)
    if kind <= 1:
        side = rng.choice(("buy", "sell"))
        # Mostly little; now and then so much that our own reservations are left uncovered.
        share = Decimal(f"{rng.choice((0.02, 0.02, 0.1, 0.6)) * rng.uniform(0.5, 1.5):.4f}")
        least = {"BTC": "0.0001", "ETH": "0.002", "SOL": "0.05"}[base]
        quantity = w.venue.free(base) * share if side == "sell" else w.venue.free(quote) * share / mid
        quantity = max(quantity.quantize(Decimal("0.0001"), rounding=ROUND_DOWN), Decimal(least))
        order = {"pair": pair, "side": side, "quantity": format_amount(quantity)}
        if kind == 0:
            return {"kind": "external_trade", **order}
        factor = Decimal("0.97") if side == "buy" else Decimal("1.03")
        price = (mid * factor).quantize(Decimal(1).scaleb(-_PLACES[pair]))
        return {"kind": "external_order", **order, "price": format_amount(price)}
    if kind == 2:
        theirs = [order for order in w.venue.open_orders() if order.request.client_order_id is None]
        return {"kind": "external_cancel", "order": rng.choice(theirs).id if theirs else "none"}
    if kind == 3:
        asset, text = rng.choice((("USD", "900"), ("EUR", "400"), ("BTC", "0.02"), ("ETH", "0.5"), ("SOL", "5")))
        return {"kind": "deposit", "asset": asset, "amount": text}
    if kind == 4:
        asset = rng.choice(("USD", "EUR", "BTC", "ETH", "SOL"))
        share = Decimal(f"{rng.choice((0.01, 0.05, 0.5)):.2f}")
        amount = (w.venue.free(asset) * share).quantize(Decimal("0.001"), rounding=ROUND_DOWN)
        return {"kind": "withdrawal", "asset": asset, "amount": format_amount(amount)}
    if kind == 5:
        ours = [order for order in w.venue.open_orders() if order.request.client_order_id is not None]
        if ours:
            kinds = {"reason": rng.choice(("Self trade prevention", "Market suspended")), "expires": rng.random() < 0.3}
            if w.play.id == "okx":
                kinds = {}
            return {"kind": "venue_cancel", "order": rng.choice(ours).id, **kinds}
    factor = Decimal(f"{1 + rng.uniform(-0.008, 0.008):.5f}")
    return {"kind": "market_price", "pair": pair, "price": format_amount((mid * factor).quantize(Decimal("0.01")))}


def venue_mode(w: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """[V1] The engine or one market is in another mode for a while; what begins that, and what ends it."""
    rng = w.rng
    if w.play.id == "okx":
        pair = rng.choice(("BTC-USD", "ETH-USD"))
        state = {"kind": "instrument_state", "pair": pair}
        return {**state, "state": "suspend"}, {**state, "state": "live"}
    if rng.random() < 0.5:
        mode = rng.choice(("cancel_only", "post_only", "limit_only", "maintenance"))
        return {"kind": "mode", "mode": mode}, {"kind": "mode", "mode": "online"}
    pair = rng.choice(("BTC-USD", "ETH-USD"))
    statuses = ("cancel_only", "post_only", "limit_only", "reduce_only")
    status = rng.choice(statuses if w.play.id == "kraken" else statuses[:3])
    return {"kind": "pair_status", "pair": pair, "status": status}, {
        "kind": "pair_status",
        "pair": pair,
        "status": "online",
    }
