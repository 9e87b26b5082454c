"""
Single defects, and what each costs: exactly these points, for this cause.

A defect is put in force before the broker is opened, or, with ``late``, on one that runs and is live. ``lost`` are the
checks that it costs by themselves; ``points`` is all that it costs, with what follows from them. ``says`` is in the
evidence of the first of them, so that a person reads the cause and not its echo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.readiness.rooms import Room

__all__ = ["DEFECTS", "PERFECT", "Defect", "of_venue"]

PERFECT = {"kraken": (110, 110), "coinbase": (104, 104), "okx": (102, 102)}
"""Score and what can be earned of a perfect simulated account, by venue."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One thing that is wrong at one venue."""

    venue: str
    name: str
    points: int
    lost: tuple[str, ...]
    says: str
    act: Callable[[Room], None] = lambda _: None
    late: bool = False
    meanwhile: Callable[[Room], None] | None = None
    profile: str = "plain"
    settings: Mapping[str, Any] = field(default_factory=dict)
    configured: Mapping[str, Any] = field(default_factory=dict)
    swaps: bool = False  # The account is opened well once, and then with the key of another account.
    exempt: int = 0  # Points that are exempt because of it, beside those it costs.


def _fault(**rule: Any) -> Callable[[Room], None]:
    return lambda room: room.fault(**rule)


def _happen(**event: Any) -> Callable[[Room], None]:
    return lambda room: room.happen(**event)


def _both(*acts: Callable[[Room], None]) -> Callable[[Room], None]:
    def act(room: Room) -> None:
        for each in acts:
            each(room)

    return act


def _rest(name: str | list[str] | None = None, **action: Any) -> Callable[[Room], None]:
    rule = {"kind": "rest", "action": action}
    return _fault(**rule) if name is None else _fault(**rule, name=name)


def _answer(name: str, body: str) -> Callable[[Room], None]:
    return _rest(name, do="answer", body=body)


def _spoil(part: str, change: Callable[[str], str | None]) -> Callable[[Room], None]:
    """Change one part of the credential, as a person who pasted it wrongly."""

    def act(room: Room) -> None:
        name = f"{room.broker.variable_prefix}_API_{part}"
        value = change(room.environ[name])
        if value is None:
            del room.environ[name]
        else:
            room.environ[name] = value

    return act


def _without(*missing: str) -> Callable[[Room], None]:
    """The trading key has every right but these."""

    def act(room: Room) -> None:
        rights = {"kraken": _KRAKEN_RIGHTS, "coinbase": ("view", "trade"), "okx": ("read_only", "trade")}[room.play.id]
        room.happen(kind="permissions", permissions=[each for each in rights if each not in missing])

    return act


def _with(*more: str) -> Callable[[Room], None]:
    def act(room: Room) -> None:
        rights = {"kraken": _KRAKEN_RIGHTS, "coinbase": ("view", "trade"), "okx": ("read_only", "trade")}[room.play.id]
        room.happen(kind="permissions", permissions=[*rights, *more])

    return act


_KRAKEN_RIGHTS = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "create-ws-token",
)


def _candles(change: Callable[[list[list[Any]]], list[list[Any]]]) -> Callable[[Room], None]:
    """Kraken's candles of now, changed; the answer is made when the defect is put in force."""

    def act(room: Room) -> None:
        at_s = int(room.venue.now_us() // 1_000_000) // 60 * 60
        rows = [[at_s - 60 * back, "40000", "40010", "39990", "40001", "40000", "1.5", 7] for back in range(59, -1, -1)]
        document = {"error": [], "result": {"XXBTZUSD": change(rows), "last": at_s - 60}}
        _answer("OHLC", json.dumps(document))(room)

    return act


def _old_candles(room: Room) -> None:
    _candles(lambda rows: [[row[0] - 3600, *row[1:]] for row in rows])(room)


def _swap(room: Room) -> None:
    """Put the key of another account in place."""
    room.use_key(room.happen(kind="new_account", name="other"))


def _k(name: str, points: int, lost: tuple[str, ...], says: str, act: Callable[[Room], None], **more: Any) -> Defect:
    return Defect(venue="kraken", name=name, points=points, lost=lost, says=says, act=act, **more)


_KRAKEN: list[Defect] = [
    _k("no secret", 0, (), "", _spoil("SECRET", lambda _: None)),
    _k("secret with a trailing newline", 0, (), "", _spoil("SECRET", lambda text: text + "\n")),
    _k("secret that is not base64", 0, (), "", _spoil("SECRET", lambda text: text[:-3] + "!")),
    _k("key with a blank before it", 0, (), "", _spoil("KEY", lambda text: " " + text)),
    _k("a real key in the simulated environment", 0, (), "", _spoil("KEY", lambda text: "K" + text[1:])),
    _k("wrong secret", 0, (), "", _spoil("SECRET", lambda text: text[::-1].replace("=", "") + "==")),
    _k("key deleted", 0, (), "", _happen(kind="key_revocation")),
    _k("key deleted while it was used", 0, (), "", _happen(kind="key_revocation"), late=True),
    _k("key expired", 0, (), "", _happen(kind="key_expiry", in_s=-60)),
    _k("key that ends in three days", 0, (), "", _happen(kind="key_expiry", in_s=3 * 86400)),
    *(
        _k(f"right missing: {right}", 0, (), "", _without(right)) for right in _KRAKEN_RIGHTS
    ),
    _k("right to withdraw", 0, (), "", _with("withdraw-funds")),
    _k("right to add addresses", 0, (), "", _with("add-withdraw-address")),
    _k("venue clock 31 s ahead", 0, (), "", _happen(kind="clock", by_s=31)),
    _k("venue clock 5 s behind", 0, (), "", _happen(kind="clock", by_s=-5)),
    _k("venue clock in milliseconds", 0, (), "", _fault(kind="server_time", form="milliseconds")),
    _k("maintenance", 0, (), "", _happen(kind="mode", mode="maintenance")),
    _k("cancel only", 0, (), "", _happen(kind="mode", mode="cancel_only")),
    _k("limit only", 0, (), "", _happen(kind="mode", mode="limit_only")),
    _k("post only", 0, (), "", _happen(kind="mode", mode="post_only")),
    _k("HTML for everything", 0, (), "", _rest(do="html_error", status=502)),
    _k("captive portal", 0, (), "", _rest(do="html_error", status=200)),
    _k("unreachable", 0, (), "", _rest(do="unreachable")),
    _k("name not found", 0, (), "", _rest(do="unreachable", how="dns")),
    _k("certificate refused", 0, (), "", _rest(do="unreachable", how="tls")),
    _k("5xx for balances", 0, (), "", _rest(["Balance", "BalanceEx"], do="html_error", status=503)),
    _k("5xx for the detailed balance", 0, (), "", _rest("BalanceEx", do="html_error", status=503)),
    _k("slow", 0, (), "", _rest(do="delay", low_s=2.5)),
    _k("status refused", 0, (), "", _rest("SystemStatus", do="html_error", status=502)),
    _k("empty detailed balance", 0, (), "", _fault(kind="empty_result", read="BalanceEx", form="object", for_s=600)),
    _k("empty balance beside a stream that says otherwise", 0, (), "", _fault(kind="empty_result", read="*", form="object", for_s=600), late=True),
    _k("malformed row", 0, (), "", _fault(kind="override_row", read="BalanceEx", asset="ZUSD", balance="NaN", hold="0", for_s=600)),
    _k("asset that vanishes", 0, (), "", _fault(kind="vanish", read="BalanceEx", asset="ZUSD", for_s=600)),
    _k("two reads that disagree", 0, (), "", _fault(kind="override_row", read="Balance", asset="ZUSD", balance="1", hold="0", for_s=600)),
    _k("holds that lag", 0, (), "", _both(_fault(kind="hold_lag", by_s=60), _happen(kind="external_order", pair="BTC-USD", side="buy", quantity="0.001", price="20000"))),
    _k("holds that nothing explains", 0, (), "", _fault(kind="override_row", read="BalanceEx", asset="ZUSD", balance="10000.0000", hold="100", for_s=600)),
    _k("BUSD listed", 0, (), "", _rest("AssetPairs", do="mutate", how="set", field="XXBTZUSD.wsname", value='"XBT/BUSD"')),
    _k("BTC-USD not listed", 0, (), "", _happen(kind="pair_status", pair="BTC-USD", status="delisted")),
    _k("BTC-USD cancel only", 0, (), "", _happen(kind="pair_status", pair="BTC-USD", status="cancel_only")),
    _k("no candles", 0, (), "", _answer("OHLC", '{"error":[],"result":{"XXBTZUSD":[],"last":0}}')),
    _k("candles of an hour ago", 0, (), "", _old_candles),
    _k("candles out of order", 0, (), "", _candles(lambda rows: [*rows[:5], rows[7], rows[6], *rows[8:]])),
    _k("candles off the minute", 0, (), "", _candles(lambda rows: [[row[0] + 7, *row[1:]] for row in rows])),
    _k("candles beyond their high", 0, (), "", _candles(lambda rows: [*rows[:-2], [rows[-2][0], "1", "0.5", "0.5", "1", "1", "1", 3], rows[-1]])),
    _k("candles refused", 0, (), "", _fault(kind="refuse", name="OHLC", error="EGeneral:Internal error", for_s=600)),
    _k("product without a minimum", 0, (), "", _rest("AssetPairs", do="mutate", how="remove", field="XXBTZUSD.ordermin")),
    _k("listing without pairs", 0, (), "", _answer("AssetPairs", '{"error":[],"result":{}}')),
    _k("listing refused", 0, (), "", _rest("AssetPairs", do="html_error", status=502)),
    _k("no price", 0, (), "", _rest("Ticker", do="html_error", status=502)),
    _k("lockout", 0, (), "", _fault(kind="lockout", for_s=600)),
    _k("foreign nonce scale", 0, (), "", _fault(kind="stolen_nonce", scale="ns")),
    _k("rate limit used up", 0, (), "", _fault(kind="rate_limit", above=500)),
    _k("swapped account", 0, (), "", _swap, swaps=True),
    _k("positions malformed", 0, (), "", _answer("OpenPositions", '{"error":[],"result":{"T1":{"pair":1}}}')),
    _k("positions refused", 0, (), "", _rest("OpenPositions", do="html_error", status=502)),
    _k("dry run refused", 0, (), "", _both(*(_fault(kind="refuse", name=name, error="EGeneral:Invalid arguments:volume", for_s=600) for name in ("AddOrder", "add_order")))),
    _k("fees refused", 0, (), "", _rest("TradeVolume", do="html_error", status=502)),
    _k("no funds at a venue that looks", 0, (), "", lambda _: None, profile="empty", settings={"does_validate_check_funds": True}),
    _k("mute stream", 0, (), "", _fault(kind="mute_stream", for_s=600)),
    _k("balances channel mute", 0, (), "", _fault(kind="mute_channel", channel="balances", for_s=600)),
    _k("orders channel mute", 0, (), "", _fault(kind="mute_channel", channel="executions", for_s=600)),
    _k("orders channel refused", 0, (), "", _fault(kind="subscribe_error", channel="executions", for_s=600)),
    _k("stream refused", 0, (), "", _fault(kind="handshake", action={"do": "refuse", "status": 403})),
    _k("frozen channel", 0, (), "", _both(_fault(kind="freeze_channel", channel="balances", for_s=600), _happen(kind="withdrawal", asset="USD", amount="10")), late=True),
    _k("sequence gap", 0, (), "", _fault(kind="sequence_gap", channel="balances", for_s=600), late=True, meanwhile=_happen(kind="deposit", asset="USD", amount="1")),
    _k("sequence goes back", 0, (), "", _fault(kind="sequence_regress", channel="balances", for_s=600), late=True, meanwhile=_happen(kind="deposit", asset="USD", amount="1")),
    _k("streams cut again and again", 0, (), "", lambda _: None, late=True, meanwhile=_fault(kind="close_streams")),
]

DEFECTS: list[Defect] = [*_KRAKEN]



def of_venue(venue: str) -> list[Defect]:
    """The defects of one venue, in the order of the table."""
    return [each for each in DEFECTS if each.venue == venue]
