"""
The faults that only the venue itself can act out, for ``impair`` and ``POST /faults``.

Each is a mapping with ``kind`` and the fields below. A lasting fault goes on for ``for_s`` seconds, or until all are
cleared with an empty mapping. A counted one acts ``count`` times: once where neither is given, every time within
``for_s`` seconds where only that is. What garbles bytes on their way is not here: that is the front's, and the same
for every venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.core.catalogue import FaultKind, counted_fault, immediate_fault, lasting_fault, read_fault
from holdfast.simulators.core.fields import amount, offset, one_of, seconds, text, whole

__all__ = ["CATALOGUE", "checked_fault"]

_CHANNEL: Final = one_of("account", "balance_and_position", "orders", "*")
_BALANCES: Final = one_of("account", "balance_and_position", "*")

CATALOGUE: Final[dict[str, FaultKind]] = {
    "rest_lag": lasting_fault(
        "REST reads of balances, orders, fills and bills answer with what was true `by_s` seconds ago; the stream and "
        "order entry do not lag.",
        "by_s",
        by_s=seconds,
    ),
    "hold_lag": lasting_fault(
        "`frozenBal` and `availBal` in `account/balance` are from `by_s` seconds ago; cash is current.",
        "by_s",
        by_s=seconds,
    ),
    "missing_event": counted_fault("The next `count` (1) updates of a channel are never sent.", channel=_CHANNEL),
    "duplicate_event": counted_fault("The next `count` (1) updates of a channel are sent twice.", channel=_CHANNEL),
    "reorder_event": counted_fault(
        "The next `count` (1) updates of a channel are sent after the one that follows them.", channel=_CHANNEL
    ),
    "repeated_order": counted_fault(
        "The next `count` (1) rows of `orders` are told again, with a `uTime` of a millisecond later."
    ),
    "old_row": counted_fault(
        "The next `count` (1) updates of `account` state `asset` (any) as the update before them did, its older "
        "`uTime` included.",
        asset=text,
    ),
    "false_balance": counted_fault(
        "The next `count` (1) updates of `account` for `asset` state figures that are off by `by`.",
        "asset",
        "by",
        asset=text,
        by=amount,
    ),
    "foreign_uid": counted_fault("The next `count` (1) updates of `account` carry the `uid` of somebody else."),
    "mute_channel": lasting_fault(
        "A channel acknowledges and never delivers, subscriptions that live now included.", channel=_CHANNEL
    ),
    "freeze_channel": lasting_fault(
        "Subscriptions of a channel that live now deliver nothing more; a new subscription does.", channel=_CHANNEL
    ),
    "mute_stream": lasting_fault("Nothing at all is sent on any stream connection, answers and `pong` included."),
    "close_streams": immediate_fault(
        "Every stream connection is closed with `code` (4006) and `reason`.", code=whole, reason=text
    ),
    "upgrade_notice": immediate_fault(
        "Every stream connection is told by notice `64008` that it will be closed, and that is done `after_s` (60) "
        "seconds later.",
        after_s=seconds,
    ),
    "log_out": immediate_fault(
        "Stream logins (of `key`) are forgotten without a word: what is asked for next is answered `60011`.", key=text
    ),
    "login_refused": counted_fault("The next `count` (1) stream logins are refused with `code` (`60009`).", code=text),
    "snapshot_empty": counted_fault("The next `count` (1) snapshots of a channel hold no rows.", channel=_BALANCES),
    "stale_snapshot": counted_fault(
        "The next `count` (1) snapshots of `account` state what was true `by_s` seconds ago, older `uTime` included.",
        "by_s",
        by_s=seconds,
    ),
    "lost_page": counted_fault("The next `count` (1) snapshots of `account` that have pages lack the middle one."),
    "missing_snapshot": counted_fault("The next `count` (1) periodic snapshots of `account` are not sent."),
    "update_before_snapshot": counted_fault(
        "The next `count` (1) first snapshots of `account` are preceded by an update.", channel=_BALANCES
    ),
    "extra_snapshot": immediate_fault("Every subscription of a channel gets another snapshot now.", channel=_BALANCES),
    "subscribe_error": counted_fault(
        "The next `count` (1) subscriptions to a channel are refused with `code` (`60018`).",
        channel=_CHANNEL,
        code=text,
    ),
    "foreign_ack": counted_fault(
        "The next `count` (1) subscriptions to a channel are acknowledged as if they were for another one.",
        channel=_CHANNEL,
    ),
    "connection_count_error": counted_fault(
        "The next `count` (1) subscriptions to a channel are acknowledged and then dead, as with one connection too "
        "many.",
        channel=_CHANNEL,
    ),
    "fill_before_cancel": counted_fault(
        "The next `count` (1) cancels are accepted, and come too late: the order is filled."
    ),
    "clock_skew": immediate_fault(
        "The venue's clock is `by_s` seconds off from now on; may be negative.", "by_s", by_s=offset
    ),
    "server_time": lasting_fault(
        "`public/time` answers wrongly: `frozen` at the moment of the fault, `backwards` running the other way, or in "
        "`seconds`.",
        "form",
        form=one_of("frozen", "backwards", "seconds"),
    ),
    "empty_result": counted_fault(
        "The next `count` (1) answers of `account/balance` are empty in this `form` (`details`): an empty list of "
        "details, no such list, zeros, an empty `data`, or none.",
        form=one_of("details", "no_details", "zeros", "data", "no_data"),
    ),
    "foreign_balances": counted_fault(
        "The next `count` (1) answers of `account/balance` have the figures of the account named `account`, as users "
        "once saw for hours.",
        "account",
        account=text,
    ),
    "vanish": counted_fault(
        "The currency `asset` is missing from the next `count` (1) answers of `account/balance`.", "asset", asset=text
    ),
    "override_row": counted_fault(
        "The currency `asset` has this `balance`, `hold` (0) and `available` (`balance`) text in the next `count` (1) "
        "answers of `account/balance`.",
        "asset",
        "balance",
        asset=text,
        balance=text,
        hold=text,
        available=text,
    ),
    "scale_balances": counted_fault(
        "Every figure of the next `count` (1) answers of `account/balance` is multiplied by `factor`.",
        "factor",
        factor=amount,
    ),
    "refuse": counted_fault(
        "The next `count` (1) calls of `name` (`*`), endpoints like `POST trade/order` and stream operations like "
        "`order` alike, are refused as a whole with `code` (`50001`) and over REST with `status` (the code's own): "
        "`before` anything happens, or `after` it was done.",
        name=text,
        code=text,
        status=whole,
        when=one_of("before", "after"),
    ),
    "rate_limit": immediate_fault(
        "Every count of the endpoint `name` (`*`: of all) is used up, for the length of its window.", name=text
    ),
}
"""Every fault kind, by name."""


def checked_fault(fault: Mapping[str, Any]) -> tuple[FaultKind, dict[str, Any]] | None:
    """
    The kind of a fault and its fields; None where the kind is not one of ours.

    Raises:
        ValueError: A field is unknown, missing or malformed; the text says what is expected.
    """
    return read_fault(fault, CATALOGUE)
