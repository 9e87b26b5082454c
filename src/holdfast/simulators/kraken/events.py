"""
What can happen at the simulated Kraken by itself, for ``happen`` and ``POST /events``.

Each event is a mapping with ``kind`` and the fields of ``CATALOGUE``; assets are canonical codes (``BTC``), pairs
canonical symbols (``BTC-USD``) or any of Kraken's spellings, amounts decimal text. ``account`` is ``master`` where it
is left out, ``key`` is that account's first. Every event answers with what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.core.catalogue import EventKind, read_event
from holdfast.simulators.core.catalogue import event_kind as _kind
from holdfast.simulators.core.fields import (
    amount,
    anything,
    offset,
    one_of,
    seconds,
    text,
    texts,
    whole,
    yes_no,
)
from holdfast.simulators.kraken.exchange import MODES
from holdfast.simulators.kraken.limits import TIERS

__all__ = ["CATALOGUE", "checked_event"]


_PAIR_STATUSES: Final = (
    "online",
    "cancel_only",
    "post_only",
    "limit_only",
    "reduce_only",
    "maintenance",
    "work_in_progress",
    "delisted",
)

CATALOGUE: Final[dict[str, EventKind]] = {
    "deposit": _kind(
        "`amount` of `asset` arrives, less `fee`.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        fee=amount,
    ),
    "withdrawal": _kind(
        "`amount` of `asset` leaves, and `fee` with it.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        fee=amount,
    ),
    "adjustment": _kind(
        "Kraken corrects `asset` by `amount`, which may be negative.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "burst": _kind(
        "The smallest unit of `asset` (USD) comes and goes `count` times at once, which changes no total.",
        "count",
        account=text,
        asset=text,
        count=whole,
    ),
    "external_trade": _kind(
        "Another client of the account trades at the market: `quantity` of base, `side` buy or sell; with `leverage` "
        "on margin, which opens a position or closes one.",
        "pair",
        "side",
        "quantity",
        account=text,
        pair=text,
        side=one_of("buy", "sell"),
        quantity=amount,
        leverage=whole,
    ),
    "external_order": _kind(
        "Another client of the account places a limit order of `quantity` at `price`.",
        "pair",
        "side",
        "quantity",
        "price",
        account=text,
        pair=text,
        side=one_of("buy", "sell"),
        quantity=amount,
        price=amount,
    ),
    "external_cancel": _kind(
        "Somebody cancels `order` (all open orders without it) in Kraken's own interface.", account=text, order=text
    ),
    "venue_cancel": _kind(
        "Kraken itself ends `order` (all open orders without it) for a `reason` of its own; with `expires` true it "
        "expires instead.",
        account=text,
        order=text,
        reason=text,
        expires=yes_no,
    ),
    "fill": _kind(
        "Somebody takes `quantity` (all that is left without it) of the resting `order` at its price.",
        "order",
        account=text,
        order=text,
        quantity=amount,
    ),
    "transfer": _kind(
        "`amount` of `asset` moves from `account` to the account `to`.",
        "asset",
        "amount",
        "to",
        account=text,
        to=text,
        asset=text,
        amount=amount,
    ),
    "auto_earn_move": _kind(
        "`amount` of `asset` (everything without it) moves `to` the auto-earn row, or back to spot.",
        "asset",
        account=text,
        asset=text,
        amount=amount,
        to=one_of("earn", "spot"),
    ),
    "auto_earn": _kind(
        "Auto-Earn is switched `on` or off for `asset`; on, the base row is emptied whenever something arrives.",
        "asset",
        "on",
        account=text,
        asset=text,
        on=yes_no,
    ),
    "staking": _kind(
        "`amount` of `asset` moves into a locked row with this `suffix` (S), or back to spot.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        suffix=one_of("S", "B", "M", "P"),
        to=one_of("locked", "spot"),
    ),
    "reward": _kind(
        "A reward of `amount` is credited to the row with this `suffix` (F; empty: the base row).",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        suffix=one_of("", "F", "B", "M", "P", "S"),
    ),
    "credit": _kind(
        "The account's credit line for `asset` becomes `amount`.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "market_price": _kind(
        "The price of `pair` becomes `price`; resting orders it reaches are filled, stops it reaches are set off.",
        "pair",
        "price",
        pair=text,
        price=amount,
    ),
    "mode": _kind("The whole engine goes into `mode`.", "mode", mode=one_of(*MODES)),
    "pair_status": _kind("One pair goes into `status`.", "pair", "status", pair=text, status=one_of(*_PAIR_STATUSES)),
    "maintenance": _kind(
        "A maintenance is announced: in `starts_in_s`, for `lasts_s` seconds; it changes no mode by itself.",
        "starts_in_s",
        "lasts_s",
        title=text,
        starts_in_s=seconds,
        lasts_s=seconds,
    ),
    "emergency": _kind(
        "An incident with this `title` is shown in SystemStatus; an empty one ends all.", "title", title=text
    ),
    "token_revocation": _kind(
        "The stream tokens of `key` (all without it) end; with `closes` true their connections are closed.",
        key=text,
        closes=yes_no,
    ),
    "key_revocation": _kind("`key` is deleted: it and its tokens are unknown from now on.", key=text),
    "key_expiry": _kind("`key` expires in `in_s` seconds.", "in_s", key=text, in_s=offset),
    "new_key": _kind(
        "The account gets another key with this `name`, `permissions` (a trading bot's) and `nonce_window`; the answer "
        "has it with its secret.",
        "name",
        account=text,
        name=text,
        permissions=texts,
        nonce_window=whole,
    ),
    "permissions": _kind(
        "`key` has exactly these `permissions` from now on.", "permissions", key=text, permissions=texts
    ),
    "nonce_window": _kind("The nonce window of `key` becomes `window` ticks.", "window", key=text, window=whole),
    "ip_allow_list": _kind(
        "`key` names these `addresses` in GetApiKeyInfo; nothing is checked.",
        "addresses",
        key=text,
        addresses=texts,
    ),
    "tier": _kind("Every account is on `tier` from now on.", "tier", tier=one_of(*TIERS)),
    "new_account": _kind("A further account is opened, with one key; the answer has it.", "name", name=text),
    "setting": _kind(
        "The setting `name` becomes `value` from now on, whatever it was at the start.",
        "name",
        "value",
        name=text,
        value=anything,
    ),
    "clock": _kind("The venue's clock is `by_s` seconds off from now on; may be negative.", "by_s", by_s=offset),
}
"""Every event kind, by name."""


def checked_event(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """
    The kind of an event and its fields.

    Raises:
        ValueError: The kind or a field is unknown, missing or malformed; the text says what is expected.
    """
    return read_event(event, CATALOGUE)
