"""
What can happen at the simulated Coinbase by itself, for ``happen`` and ``POST /admin/events``.

Each event is a mapping with ``kind`` and the fields of ``CATALOGUE``; assets are canonical codes (``BTC``), pairs
canonical symbols (``BTC-USD``) or product ids, amounts decimal text. ``account`` is ``master`` where it is left out,
``key`` that account's first. Every event answers with what came of it; money that moves outside of orders is told
nowhere on the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.coinbase.exchange import MODES, PRODUCT_STATUSES
from holdfast.simulators.coinbase.keys import ALGORITHMS
from holdfast.simulators.core.catalogue import EventKind, event_kind, read_event
from holdfast.simulators.core.fields import amount, anything, offset, one_of, text, texts, whole, yes_no

__all__ = ["CATALOGUE", "checked_event"]

CATALOGUE: Final[dict[str, EventKind]] = {
    "deposit": event_kind(
        "`amount` of `asset` arrives, less `fee`.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        fee=amount,
    ),
    "withdrawal": event_kind(
        "`amount` of `asset` leaves, and `fee` with it.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        fee=amount,
    ),
    "adjustment": event_kind(
        "Coinbase corrects `asset` by `amount`, which may be negative.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "burst": event_kind(
        "A small amount of `asset` (USD) comes and goes `count` times at once, which changes no total.",
        "count",
        account=text,
        asset=text,
        count=whole,
    ),
    "external_trade": event_kind(
        "Another client of the portfolio trades at the market: `quantity` of base, `side` buy or sell.",
        "pair",
        "side",
        "quantity",
        account=text,
        pair=text,
        side=one_of("buy", "sell"),
        quantity=amount,
        source=one_of("RETAIL_ADVANCED", "RETAIL_SIMPLE"),
    ),
    "external_order": event_kind(
        "Another client of the portfolio places a limit order of `quantity` at `price`; one of the `source` "
        "RETAIL_SIMPLE (the app) is missing from lists that do not ask for it.",
        "pair",
        "side",
        "quantity",
        "price",
        account=text,
        pair=text,
        side=one_of("buy", "sell"),
        quantity=amount,
        price=amount,
        source=one_of("RETAIL_ADVANCED", "RETAIL_SIMPLE"),
    ),
    "external_cancel": event_kind(
        "Somebody cancels `order` (all open orders without it) in Coinbase's own app.", account=text, order=text
    ),
    "venue_cancel": event_kind(
        "Coinbase itself ends `order` (all open orders without it) for a `reason` of its own; with `expires` true it "
        "expires instead.",
        account=text,
        order=text,
        reason=text,
        expires=yes_no,
    ),
    "fill": event_kind(
        "Somebody takes `quantity` (all that is left without it) of the resting `order` at its price.",
        "order",
        account=text,
        order=text,
        quantity=amount,
    ),
    "transfer": event_kind(
        "`amount` of `asset` moves from `account` to the portfolio `to`.",
        "asset",
        "amount",
        "to",
        account=text,
        to=text,
        asset=text,
        amount=amount,
    ),
    "convert": event_kind(
        "`amount` of `asset` becomes as much of the asset `to`, as dollars become USDC.",
        "asset",
        "to",
        "amount",
        account=text,
        asset=text,
        to=text,
        amount=amount,
    ),
    "futures_sweep": event_kind(
        "`amount` of dollars moves `to` the futures broker, as margin calls do, or back to spot.",
        "amount",
        account=text,
        amount=amount,
        to=one_of("futures", "spot"),
    ),
    "staking": event_kind(
        "`amount` of `asset` is staked, or comes back `to` spot.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        to=one_of("locked", "spot"),
    ),
    "vault": event_kind(
        "`amount` of `asset` moves into the vault, or comes back `to` spot.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        to=one_of("locked", "spot"),
    ),
    "reward": event_kind(
        "A reward of `amount` is credited to the spot wallet of `asset`.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "market_price": event_kind(
        "The price of `pair`, and of what shares its book, becomes `price`; resting orders it reaches are filled, "
        "stops it reaches are set off.",
        "pair",
        "price",
        pair=text,
        price=amount,
    ),
    "mode": event_kind("The whole venue goes into `mode`.", "mode", mode=one_of(*MODES)),
    "pair_status": event_kind(
        "One product gets `status`, or the boolean of that name.",
        "pair",
        "status",
        pair=text,
        status=one_of(*PRODUCT_STATUSES),
    ),
    "key_revocation": event_kind(
        "`key` is deleted: it is unknown from now on; with `closes` true its connections are closed.",
        key=text,
        closes=yes_no,
    ),
    "new_key": event_kind(
        "The portfolio gets another key with this `name`, `permissions` (a trading bot's) and `algorithm`; the answer "
        "has it with its secret.",
        "name",
        account=text,
        name=text,
        permissions=texts,
        algorithm=one_of(*ALGORITHMS),
    ),
    "permissions": event_kind(
        "`key` has exactly these `permissions` from now on.", "permissions", key=text, permissions=texts
    ),
    "volume": event_kind(
        "The thirty-day volume of everybody becomes `amount` dollars, which decides the fees.", "amount", amount=amount
    ),
    "new_account": event_kind("A further portfolio is opened, with one key; the answer has it.", "name", name=text),
    "setting": event_kind(
        "The setting `name` becomes `value` from now on, whatever it was at the start.",
        "name",
        "value",
        name=text,
        value=anything,
    ),
    "clock": event_kind("The venue's clock is `by_s` seconds off from now on; may be negative.", "by_s", by_s=offset),
}
"""Every event kind, by name."""


def checked_event(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """
    The kind of an event and its fields.

    Raises:
        ValueError: The kind or a field is unknown, missing or malformed; the text says what is expected.
    """
    return read_event(event, CATALOGUE)
