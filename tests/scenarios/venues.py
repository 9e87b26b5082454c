"""
What a scenario has to know of a venue: its adapter, its simulator, and what the simulator calls faults and calls.

The families draw from these; they name no venue. Which one is played is said once, around a run (``played_at``).
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.core.venue import Venue

__all__ = ["PLAYS", "Play", "play_now", "played_at"]


@dataclass(frozen=True, kw_only=True)
class Play:
    """
    One venue in scenarios.

    Attributes:
        id: The venue's id; ``broker`` is called after it.
        simulator: Names of the simulator's class and of its settings' class in its folder.
        ws_url: Where it serves its stream; the host is ignored.
        balance_calls: What it calls the requests whose bodies are balances.
        reads: What it calls reads, balances first.
        best: The best state that figures reach.
        rest_lag_s: How far its REST may lag, as the adapter takes it.
        noticed_s: Within what time a change nobody hid is in the figures.
        silent_s: Within what time a silent stream is noticed.
        channels: What faults call its channels.
        updates: The type of its channels' updates, where messages have one.
        subscribing: The name of a request to subscribe.
        channel_faults: What may go wrong with a channel at the venue, by kind.
        lag_faults: Likewise with what reads answer of.
        suspect: Draws a well-formed lie of one balance read.
        refusal: Draws a refusal of the venue's own.
        skews: By how much its clock may be off, seconds.
        anchors_itself: Whether its stream states what is held and available: a snapshot then needs no read beside it.
        times: In which ways the venue's time may be told wrongly.
        bodies: Bodies that are not what they should be.
        points: Which of its open points are drawn; all but ``left_out`` where None.
        left_out: Points that make a client wait for longer than anything is waited for.
        given: Settings that scenarios give.
    """

    id: str
    simulator: tuple[str, str]
    ws_url: str = "ws://127.0.0.1:1"
    balance_calls: tuple[str, ...]
    reads: tuple[str, ...]
    best: str = "live"
    rest_lag_s: float = 5.0
    noticed_s: float = 2.5
    silent_s: float
    channels: tuple[str, ...]
    updates: str | None = "update"
    subscribing: str = "subscribe"
    channel_faults: tuple[str, ...]
    lag_faults: tuple[str, ...] = ("rest_lag", "hold_lag")
    suspect: Callable[[Any], dict[str, Any]]
    refusal: Callable[[Any], dict[str, Any]]
    skews: tuple[int, ...] = (31, -31, 3600)
    anchors_itself: bool = False
    times: tuple[str, ...] = ("frozen", "backwards", "milliseconds")
    bodies: tuple[str, ...]
    points: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def broker(self) -> str:
        """The broker's name."""
        return f"{self.id}-master"

    @property
    def adapter(self) -> Venue:
        """The venue's one value."""
        venue: Venue = getattr(importlib.import_module(f"holdfast.venues.{self.id}"), self.id.upper())
        return venue

    @property
    def open_points(self) -> Mapping[str, tuple[Any, ...]]:
        """What the venue leaves unsaid, with the values worth drawing."""
        points: Mapping[str, tuple[Any, ...]] = importlib.import_module(
            f"holdfast.simulators.{self.id}.settings"
        ).OPEN_POINTS
        return points

    @property
    def drawn_points(self) -> tuple[str, ...]:
        """Names of the open points that a reading client meets."""
        if self.points is not None:
            return self.points
        return tuple(name for name in self.open_points if name not in self.left_out)

    def simulate(self, *, settings: Mapping[str, Any], **parts: Any) -> Any:
        """The simulator, with *settings* of its own."""
        module = importlib.import_module(f"holdfast.simulators.{self.id}")
        made = getattr(module, self.simulator[1])(**{**self.given, **settings})
        return getattr(module, self.simulator[0])(settings=made, **parts)


# Kraken


def _kraken_suspect(w: Any) -> dict[str, Any]:
    rng = w.rng
    # Never both reads: two different ones that tell the same lie are a venue's word.
    read = ("BalanceEx", "Balance")[w.seed % 2]
    kind = rng.choice(("empty_result", "vanish", "scale_balances"))
    if kind == "empty_result":
        return {"kind": kind, "read": read, "form": rng.choice(("object", "absent", "null", "zeros"))}
    if kind == "vanish":
        return {"kind": kind, "read": read, "asset": rng.choice(("XXBT", "ZUSD", "SOL"))}
    return {"kind": kind, "read": read, "factor": rng.choice(("0", "2", "0.5"))}


_KRAKEN_ERRORS: Final = (
    "EService:Unavailable",
    "EService:Busy",
    "EService: Throttled: 1790000100",
    "EGeneral:Internal error",
    "EGeneral:Internal error:5",
    "EAPI:Rate limit exceeded",
    "EGeneral:Too many requests",
    "EDatabase:Internal error",
    "EWhatever:Never heard of",
)


def _kraken_refusal(w: Any) -> dict[str, Any]:
    rng = w.rng
    if rng.random() < 0.2:
        return {"kind": "rate_limit", "above": rng.randint(0, 10)}
    if rng.random() < 0.2:
        return {"kind": "lockout", "for_s": 20}
    error = rng.choice(_KRAKEN_ERRORS)
    return {"kind": "refuse", "error": error, "count": rng.randint(1, 6), "when": rng.choice(("before", "after"))}


# Coinbase


def _coinbase_suspect(w: Any) -> dict[str, Any]:
    rng = w.rng
    kind = rng.choice(("empty_result", "vanish", "scale_balances", "zero_balances"))
    if kind == "empty_result":
        return {"kind": kind, "form": rng.choice(("list", "null", "absent"))}
    if kind == "zero_balances":
        return {"kind": kind, "read": "ListAccounts"}
    if kind == "vanish":
        return {"kind": kind, "read": "ListAccounts", "asset": rng.choice(("BTC", "USD", "SOL"))}
    return {"kind": kind, "read": "ListAccounts", "factor": rng.choice(("0", "2", "0.5"))}


def _coinbase_refusal(w: Any) -> dict[str, Any]:
    rng = w.rng
    kind = rng.randrange(5)
    if kind == 0:
        return {"kind": "rate_limit"}
    if kind == 1:
        return {"kind": "unauthorized", "count": rng.randint(1, 2)}
    if kind == 2:
        return {"kind": "page_failure", "status": rng.choice((500, 503))}
    status, error = rng.choice(((503, "UNAVAILABLE"), (500, "INTERNAL"), (504, "DEADLINE_EXCEEDED"), (418, "NEVER")))
    count = rng.randint(1, 6)
    return {"kind": "refuse", "status": status, "error": error, "count": count, "when": rng.choice(("before", "after"))}


# OKX


def _okx_suspect(w: Any) -> dict[str, Any]:
    rng = w.rng
    kind = rng.choice(("empty_result", "vanish", "scale_balances"))
    if kind == "empty_result":
        return {"kind": kind, "form": rng.choice(("details", "no_details", "zeros", "data", "no_data")), "count": 1}
    if kind == "vanish":
        return {"kind": kind, "asset": rng.choice(("BTC", "USD", "SOL")), "count": 1}
    return {"kind": kind, "factor": rng.choice(("0", "2", "0.5")), "count": 1}


_OKX_UNSURE: Final = ("50001", "50004", "50013", "50026", "59999")


def _okx_refusal(w: Any) -> dict[str, Any]:
    rng = w.rng
    if rng.random() < 0.2:
        return {"kind": "rate_limit"}
    code = rng.choice((*_OKX_UNSURE, "50011"))
    count = rng.randint(1, 6)
    # 50011 is the limit's word that nothing was done (https://www.okx.com/docs-v5/en/#overview-rate-limits, checked
    # 2026-11-20): said after it was, it would be a lie. 50004 says itself that it says nothing; of the others nothing
    # is said.
    when = rng.choice(("before", "after")) if code in _OKX_UNSURE else "before"
    return {"kind": "refuse", "code": code, "count": count, "when": when}


PLAYS: Final[dict[str, Play]] = {
    "kraken": Play(
        id="kraken",
        simulator=("KrakenSimulator", "KrakenSimSettings"),
        ws_url="ws://127.0.0.1:1/v2",
        balance_calls=("BalanceEx", "Balance"),
        reads=("BalanceEx", "Balance", "OpenOrders", "GetWebSocketsToken", "Time", "SystemStatus"),
        rest_lag_s=60.0,
        silent_s=5.0,
        channels=("balances", "executions"),
        channel_faults=(
            "sequence_gap",
            "sequence_duplicate",
            "sequence_regress",
            "sequence_reorder",
            "missing_event",
            "freeze_channel",
            "mute_channel",
            "update_before_snapshot",
            "subscribe_error",
            "foreign_ack",
            "token_death",
            "extra_snapshot",
        ),
        suspect=_kraken_suspect,
        refusal=_kraken_refusal,
        bodies=(
            '{"error":[],"result":{"unixtime":1}}',
            "[]",
            "null",
            '"x"',
            '{"error":"EAPI"}',
            '{"error":[],"result":[1]}',
        ),
        points=(
            "does_refused_call_consume_nonce",
            "check_order",
            "bad_signature_error",
            "do_refused_calls_count",
            "rate_limit_status",
            "does_hold_include_fee",
            "are_f_rows_spendable",
            "empty_balance",
            "credit_fields",
            "result_on_error",
            "session_life",
            "dead_session_error",
            "is_ack_before_snapshot",
            "are_acks_before_events",
            "update_balance",
            "are_trade_legs_apart",
            "first_sequence",
            "does_sequence_restart",
            "numbers",
            "can_status_be_subscribed",
            "has_maintenance_arrays",
            "do_reads_fail_in_maintenance",
        ),
    ),
    "coinbase": Play(
        id="coinbase",
        simulator=("CoinbaseSimulator", "CoinbaseSimSettings"),
        balance_calls=("ListAccounts", "GetAccount"),
        reads=("ListAccounts", "GetAccount", "ListOrders", "GetApiKeyPermissions", "GetServerTime", "GetProducts"),
        best="fresh",
        # Nothing is pushed: the poll, its answer, and how far it may lag.
        noticed_s=30.0 + 5.0 + 5.0,
        silent_s=10.0,
        channels=("user",),
        channel_faults=(
            "sequence_gap",
            "sequence_duplicate",
            "sequence_regress",
            "sequence_reorder",
            "missing_event",
            "freeze_channel",
            "mute_channel",
            "update_before_snapshot",
            "subscribe_error",
            "foreign_ack",
            "extra_snapshot",
        ),
        lag_faults=("rest_lag", "hold_lag", "hold_release_lag", "orders_late", "cancel_lag"),
        suspect=_coinbase_suspect,
        refusal=_coinbase_refusal,
        bodies=('{"accounts":1}', "[]", "null", '"x"', '{"error":"INTERNAL"}', '{"accounts":[1],"has_next":false}'),
        left_out=("is_ed25519_accepted", "user_connections", "is_token_reuse_refused"),
    ),
    "okx": Play(
        id="okx",
        simulator=("OkxSimulator", "OkxSimSettings"),
        ws_url="ws://127.0.0.1:1/ws/v5",
        balance_calls=("GET account/balance",),
        reads=("GET account/balance", "GET trade/orders-pending", "GET account/config", "GET public/time"),
        silent_s=20.0,
        channels=("account", "orders"),
        updates=None,
        subscribing="subscribe",
        channel_faults=(
            "missing_event",
            "duplicate_event",
            "reorder_event",
            "freeze_channel",
            "mute_channel",
            "update_before_snapshot",
            "subscribe_error",
            "foreign_ack",
            "extra_snapshot",
            "missing_snapshot",
            "lost_page",
            "connection_count_error",
            "log_out",
            "upgrade_notice",
        ),
        suspect=_okx_suspect,
        refusal=_okx_refusal,
        # Its rows are told apart by its own clock alone: one that went back would make every row an old one.
        skews=(31,),
        anchors_itself=True,
        times=("frozen", "backwards", "seconds"),
        bodies=('{"code":"0","msg":"","data":[1]}', "[]", "null", '"x"', '{"code":1}', '{"code":"0","msg":""}'),
        # A venue that knows nothing of its own codes on the stream sends orders over REST: no reading matter.
        left_out=("does_stream_know_codes", "has_instrument_codes"),
    ),
}
"""Every venue that scenarios are played at."""

_NOW: ContextVar[str] = ContextVar("venue of the scenario", default="kraken")


def play_now() -> Play:
    """The venue that is played."""
    return PLAYS[_NOW.get()]


@contextlib.contextmanager
def played_at(venue: str) -> Iterator[None]:
    """Play at *venue* for the length of the block."""
    token = _NOW.set(venue)
    try:
        yield
    finally:
        _NOW.reset(token)
