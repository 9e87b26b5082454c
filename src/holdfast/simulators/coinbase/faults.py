"""
The faults that only the venue itself can act out, for ``impair`` and ``POST /admin/faults``.

Each is a mapping with ``kind`` and the fields below. A lasting fault goes on for ``for_s`` seconds, or until all are
cleared with an empty mapping. A counted one acts ``count`` times: once where neither is given, every time within
``for_s`` seconds where only that is. What garbles bytes on their way is not here: that is the front's, and the same
for every venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.simulators.core.catalogue import (
    FaultKind,
    counted_fault,
    immediate_fault,
    lasting_fault,
    read_fault,
)
from holdfast.simulators.core.fields import amount, offset, one_of, seconds, text, whole, yes_no

__all__ = ["CATALOGUE", "checked_fault"]

_CHANNEL: Final = one_of(
    "user", "heartbeats", "ticker", "ticker_batch", "level2", "market_trades", "candles", "status", "*"
)
_READ: Final = one_of("ListAccounts", "GetAccount", "*")

CATALOGUE: Final[dict[str, FaultKind]] = {
    "rest_lag": lasting_fault(
        "Reads of accounts, orders and fills answer with what was true `by_s` seconds ago; the stream and order entry "
        "do not lag.",
        "by_s",
        by_s=seconds,
    ),
    "hold_lag": lasting_fault(
        "`hold` in accounts is what was held `by_s` seconds ago, and `available_balance` what is left beside it.",
        "by_s",
        by_s=seconds,
    ),
    "hold_release_lag": lasting_fault(
        "What an order that is cancelled or expires held stays held, and counted, for `by_s` seconds.",
        "by_s",
        by_s=seconds,
    ),
    "orders_late": lasting_fault(
        "Reads know an order and its fills only `by_s` seconds after it was placed.", "by_s", by_s=seconds
    ),
    "cancel_lag": lasting_fault(
        "A cancelled order is CANCEL_QUEUED for `by_s` seconds, and may be filled meanwhile.", "by_s", by_s=seconds
    ),
    "unauthorized": counted_fault("The next `count` (1) signed requests are answered 401, whatever their token."),
    "unauthorized_stream": counted_fault(
        "The next `count` (1) subscriptions that need a token get `authentication failure`, whatever it is."
    ),
    "lockout": immediate_fault(
        "The key (all keys without `key`) is answered 401 for `for_s` (60) seconds, on the stream too.",
        key=text,
        for_s=seconds,
    ),
    "missing_event": counted_fault("The next `count` (1) updates of a channel are never sent.", channel=_CHANNEL),
    "sequence_gap": counted_fault(
        "The next `count` (1) updates of a channel are lost after they were numbered.", channel=_CHANNEL
    ),
    "sequence_duplicate": counted_fault("The next `count` (1) updates of a channel are sent twice.", channel=_CHANNEL),
    "sequence_regress": counted_fault(
        "The next `count` (1) updates of a channel carry a number `by` (1) below the one they should, or the number "
        "`to`, and the connection's numbering goes on from there.",
        channel=_CHANNEL,
        by=whole,
        to=whole,
    ),
    "sequence_reorder": counted_fault(
        "The next `count` (1) updates of a channel are sent after the one that follows them.", channel=_CHANNEL
    ),
    "mute_channel": lasting_fault(
        "A channel acknowledges and never delivers, subscriptions that live now included; with `numbered` true what "
        "was not delivered takes its numbers.",
        channel=_CHANNEL,
        numbered=yes_no,
    ),
    "freeze_channel": lasting_fault(
        "Subscriptions of a channel that live now deliver nothing more; a new subscription does. `numbered` as above.",
        channel=_CHANNEL,
        numbered=yes_no,
    ),
    "mute_stream": lasting_fault("Nothing at all is sent on any stream connection, heartbeats and answers included."),
    "close_streams": immediate_fault(
        "Every stream connection is closed with `code` (1001) and `reason`.", code=whole, reason=text
    ),
    "snapshot_empty": counted_fault("The next `count` (1) snapshots of a channel hold no rows.", channel=_CHANNEL),
    "update_before_snapshot": counted_fault(
        "The next `count` (1) snapshots of `user` are preceded by a repetition of the last row that was told."
    ),
    "extra_snapshot": immediate_fault("Every subscription of `user` gets another snapshot now."),
    "foreign_row": immediate_fault(
        "Every subscription of `user` is told of an open order in a portfolio that is not its key's.",
        "client_order_id",
        client_order_id=text,
        pair=text,
    ),
    "subscribe_error": counted_fault(
        "The next `count` (1) subscriptions to a channel are refused with `error` (`internal error`).",
        channel=_CHANNEL,
        error=text,
    ),
    "foreign_ack": counted_fault(
        "The next `count` (1) subscriptions to a channel are confirmed as if they were for another one.",
        channel=_CHANNEL,
    ),
    "clock_skew": immediate_fault(
        "The venue's clock is `by_s` seconds off from now on; may be negative.", "by_s", by_s=offset
    ),
    "server_time": lasting_fault(
        "The time is told wrongly: `frozen` at the moment of the fault, `backwards` running the other way, or its "
        "seconds in `milliseconds` and its milliseconds in microseconds.",
        "form",
        form=one_of("frozen", "backwards", "milliseconds"),
    ),
    "page_failure": counted_fault(
        "The next `count` (1) later pages of a list are answered with `status` (503).", status=whole
    ),
    "cursor_loop": counted_fault(
        "The next `count` (1) pages of accounts that are not the last name themselves as the next one."
    ),
    "repeated_account": counted_fault(
        "The next `count` (1) later pages of accounts begin with the last account of the page before."
    ),
    "empty_result": counted_fault(
        "The next `count` (1) lists of accounts are empty in this `form` (`list`): `[]`, `null`, or no such field.",
        form=one_of("list", "null", "absent"),
    ),
    "zero_balances": counted_fault("Every figure of the next `count` (1) account reads is zero.", read=_READ),
    "vanish": counted_fault(
        "The currency `asset` is missing from the next `count` (1) account reads.", "asset", read=_READ, asset=text
    ),
    "override_row": counted_fault(
        "The currency `asset`, known to the venue or not, has this `balance` (available) and `hold` text in the next "
        "`count` (1) account reads.",
        "asset",
        "balance",
        read=_READ,
        asset=text,
        balance=text,
        hold=text,
    ),
    "scale_balances": counted_fault(
        "Every figure of the next `count` (1) account reads is multiplied by `factor`.",
        "factor",
        read=_READ,
        factor=amount,
    ),
    "reject_orders": counted_fault(
        "The next `count` (1) orders are refused with `success` false and this `reason`.", "reason", reason=text
    ),
    "refuse": counted_fault(
        "The next `count` (1) requests of `name` (`*`) are answered with `status` (503) and the code word `error` "
        "(`UNAVAILABLE`): `before` anything happens, or `after` it was done.",
        name=text,
        status=whole,
        error=text,
        message=text,
        when=one_of("before", "after"),
    ),
    "rate_limit": immediate_fault("What every key may send within this second is used up."),
}
"""Every fault kind, by name."""


def checked_fault(fault: Mapping[str, Any]) -> tuple[FaultKind, dict[str, Any]] | None:
    """
    The kind of a fault and its fields; None where the kind is not one of ours.

    Raises:
        ValueError: A field is unknown, missing or malformed; the text says what is expected.
    """
    return read_fault(fault, CATALOGUE)
