"""
What can happen at the simulated OKX by itself, for ``happen`` and ``POST /events``.

Each event is a mapping with ``kind`` and the fields of ``CATALOGUE``; assets are OKX's codes, which are the canonical
ones (``BTC``), pairs its instruments or canonical symbols (``BTC-USDT``, ``BTC-USDC``), amounts decimal text.
``account`` is ``master`` and ``key`` its first one where they are left out. Every event answers with what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.core.catalogue import EventKind, event_kind, read_event
from holdfast.simulators.core.fields import amount, anything, offset, one_of, seconds, text, texts, whole, yes_no
from holdfast.simulators.okx.exchange import INSTRUMENT_STATES

__all__ = ["CATALOGUE", "checked_event"]

_POT: Final = one_of("trading", "funding")

CATALOGUE: Final[dict[str, EventKind]] = {
    "deposit": event_kind(
        "`amount` of `asset` arrives in a `pot` (trading).",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        pot=_POT,
    ),
    "withdrawal": event_kind(
        "`amount` of `asset` leaves a `pot` (trading), and `fee` with it.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
        fee=amount,
        pot=_POT,
    ),
    "adjustment": event_kind(
        "OKX corrects `asset` in the trading pot by `amount`, which may be negative.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "interest": event_kind(
        "Interest or earnings of `amount` are credited to `asset` in the trading pot.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "burst": event_kind(
        "The smallest unit of `asset` (USDT) comes and goes `count` times at once, which changes no total.",
        "count",
        account=text,
        asset=text,
        count=whole,
    ),
    "pot_transfer": event_kind(
        "`amount` of `asset` moves `to` the trading or the funding pot of the account.",
        "asset",
        "amount",
        "to",
        account=text,
        asset=text,
        amount=amount,
        to=_POT,
    ),
    "transfer": event_kind(
        "`amount` of `asset` moves from the trading pot of `account` to that of the account `to`.",
        "asset",
        "amount",
        "to",
        account=text,
        to=text,
        asset=text,
        amount=amount,
    ),
    "bot_equity": event_kind(
        "A trading bot's equity in `asset` becomes `amount`: frozen, and no cash.",
        "asset",
        "amount",
        account=text,
        asset=text,
        amount=amount,
    ),
    "external_trade": event_kind(
        "Another client of the account trades at the market: `quantity` of base, `side` buy or sell.",
        "pair",
        "side",
        "quantity",
        account=text,
        pair=text,
        side=one_of("buy", "sell"),
        quantity=amount,
    ),
    "external_order": event_kind(
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
    "external_cancel": event_kind(
        "Somebody cancels `order` (all open orders without it) in OKX's own interface.", account=text, order=text
    ),
    "venue_cancel": event_kind(
        "OKX itself cancels `order` (all open orders without it), with its code of a `reason` (0).",
        account=text,
        order=text,
        reason=text,
    ),
    "fill": event_kind(
        "Somebody takes `quantity` (all that is left without it) of the resting `order` at its price.",
        "order",
        account=text,
        order=text,
        quantity=amount,
    ),
    "market_price": event_kind(
        "The price of `pair` becomes `price`; resting orders that it reaches are filled.",
        "pair",
        "price",
        pair=text,
        price=amount,
    ),
    "maintenance": event_kind(
        "A maintenance is announced: in `starts_in_s`, for `lasts_s` seconds; it stops nothing by itself.",
        "starts_in_s",
        "lasts_s",
        title=text,
        starts_in_s=seconds,
        lasts_s=seconds,
    ),
    "outage": event_kind("While `on`, every signed call is answered `50001` with status 503.", "on", on=yes_no),
    "instrument_state": event_kind(
        "One instrument goes into `state`.", "pair", "state", pair=text, state=one_of(*INSTRUMENT_STATES)
    ),
    "account_mode": event_kind(
        "The account is in `mode` from now on: 1 spot, 2 futures, 3 multi-currency margin, 4 portfolio margin.",
        "mode",
        account=text,
        mode=one_of("1", "2", "3", "4"),
    ),
    "account_block": event_kind(
        "While `on`, orders of the account are refused with `51024`.", "on", account=text, on=yes_no
    ),
    "fee_type": event_kind(
        "Fees are charged in what is received (0), or always in the quote currency (1).", "type", type=one_of("0", "1")
    ),
    "key_revocation": event_kind("`key` is deleted; its stream connections are closed with 4007.", key=text),
    "key_freeze": event_kind("While `on`, `key` is answered `50100`.", "on", key=text, on=yes_no),
    "key_region": event_kind(
        "While `elsewhere`, `key` belongs to another part of OKX: here it does not exist.",
        "elsewhere",
        key=text,
        elsewhere=yes_no,
    ),
    "key_environment": event_kind(
        "`key` is for this `environment`; any: the demo header is not looked at.",
        "environment",
        key=text,
        environment=one_of("any", "live", "demo"),
    ),
    "new_key": event_kind(
        "The account gets another key with this `name` and `permissions` (a trading bot's); the answer has it with its "
        "secret.",
        "name",
        account=text,
        name=text,
        permissions=texts,
    ),
    "permissions": event_kind(
        "`key` has exactly these `permissions` from now on; its stream connections are closed with 4007.",
        "permissions",
        key=text,
        permissions=texts,
    ),
    "passphrase": event_kind("The passphrase of `key` becomes `to`.", "to", key=text, to=text),
    "ip_allow_list": event_kind(
        "`key` may be used from these `addresses` only; every client of a simulator comes from 127.0.0.1.",
        "addresses",
        key=text,
        addresses=texts,
    ),
    "new_account": event_kind("A further sub-account is opened, with one key; the answer has it.", "name", name=text),
    "setting": event_kind(
        "The setting `name` becomes `value` from now on, whatever it was at the start; accounts, keys and markets stay "
        "as they were made.",
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
