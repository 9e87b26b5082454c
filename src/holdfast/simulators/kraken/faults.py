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

from holdfast.simulators.core.catalogue import FaultKind, read_fault
from holdfast.simulators.core.catalogue import counted_fault as _counted
from holdfast.simulators.core.catalogue import immediate_fault as _immediate
from holdfast.simulators.core.catalogue import lasting_fault as _lasting
from holdfast.simulators.core.fields import amount as amount_field
from holdfast.simulators.core.fields import offset, one_of, text, whole, yes_no
from holdfast.simulators.core.fields import seconds as seconds_field

__all__ = ["CATALOGUE", "checked_fault"]


_CHANNEL: Final = one_of("balances", "executions", "*")
_READ: Final = one_of("Balance", "BalanceEx", "*")


CATALOGUE: Final[dict[str, FaultKind]] = {
    "rest_lag": _lasting(
        "REST reads of balances, orders, trades and ledgers answer with what was true `by_s` seconds ago; the stream "
        "and order entry do not lag.",
        "by_s",
        by_s=seconds_field,
    ),
    "hold_lag": _lasting(
        "`hold_trade` in `BalanceEx` is what was held `by_s` seconds ago; balances are current.",
        "by_s",
        by_s=seconds_field,
    ),
    "stolen_nonce": _immediate(
        "Another client used this key: the stored nonce becomes `nonce`, or now in the unit `scale`.",
        key=text,
        nonce=whole,
        scale=one_of("ms", "us", "10ns", "ns"),
    ),
    "lockout": _immediate(
        "The key (all keys without `key`) is answered `EGeneral:Temporary lockout` for `for_s` seconds "
        "(`lockout_s` of the settings).",
        key=text,
        for_s=seconds_field,
    ),
    "token_death": _immediate(
        "Every stream token (of `key`) ends now; with `closes` true the connections that used one are closed too.",
        key=text,
        closes=yes_no,
    ),
    "missing_event": _counted(
        "The next `count` (1) updates of a channel are never sent and take no sequence number; `exec_type` picks them "
        "on `executions`.",
        channel=_CHANNEL,
        exec_type=text,
    ),
    "sequence_gap": _counted(
        "The next `count` (1) updates of a channel are lost after they were numbered.", channel=_CHANNEL
    ),
    "sequence_duplicate": _counted("The next `count` (1) updates of a channel are sent twice.", channel=_CHANNEL),
    "sequence_regress": _counted(
        "The next `count` (1) updates of a channel carry a number `by` (1) below the one they should, or the number "
        "`to`, and the numbering goes on from there.",
        channel=_CHANNEL,
        by=whole,
        to=whole,
    ),
    "sequence_reorder": _counted(
        "The next `count` (1) updates of a channel are sent after the one that follows them.", channel=_CHANNEL
    ),
    "mute_channel": _lasting(
        "A channel acknowledges and never delivers, subscriptions that live now included; the numbers of what was "
        "not delivered are missing afterwards.",
        channel=_CHANNEL,
    ),
    "freeze_channel": _lasting(
        "Subscriptions of a channel that live now deliver nothing more, with numbers missing afterwards; a new "
        "subscription does.",
        channel=_CHANNEL,
    ),
    "mute_stream": _lasting("Nothing at all is sent on any stream connection, heartbeats and answers included."),
    "close_streams": _immediate(
        "Every stream connection is closed with `code` (1001) and `reason`.", code=whole, reason=text
    ),
    "snapshot_empty": _counted("The next `count` (1) snapshots of a channel hold no rows.", channel=_CHANNEL),
    "update_before_snapshot": _counted(
        "The next `count` (1) snapshots of a channel are preceded by a repetition of the last entry or fill.",
        channel=_CHANNEL,
    ),
    "extra_snapshot": _immediate("Every subscription of a channel gets another snapshot now.", channel=_CHANNEL),
    "foreign_row": _immediate(
        "Every subscription of `balances` is told of `amount` (1) of `asset` in a wallet that is no spot or earn wallet"
        " of this account, `wallet_type` (futures) and `wallet_id` (main); the ledger knows nothing of it.",
        "asset",
        asset=text,
        amount=amount_field,
        wallet_type=text,
        wallet_id=text,
    ),
    "false_balance": _counted(
        "The next `count` (1) updates of `balances` for `asset` state a `balance` that is off by `by`; amounts and "
        "fees are right.",
        "asset",
        "by",
        asset=text,
        by=amount_field,
    ),
    "subscribe_error": _counted(
        "The next `count` (1) subscriptions to a channel are refused with `error` (`EGeneral:Internal error`).",
        channel=_CHANNEL,
        error=text,
    ),
    "foreign_ack": _counted(
        "The next `count` (1) subscriptions to a channel are acknowledged as if they were for the other one.",
        channel=_CHANNEL,
    ),
    "clock_skew": _immediate(
        "The venue's clock is `by_s` seconds off from now on; may be negative.",
        by_s=offset,
    ),
    "server_time": _lasting(
        "`Time` answers wrongly: `frozen` at the moment of the fault, `backwards` running the other way, or its "
        "`unixtime` in `milliseconds`.",
        "form",
        form=one_of("frozen", "backwards", "milliseconds"),
    ),
    "empty_result": _counted(
        "The next `count` (1) answers to a balance read are empty in this `form`.",
        read=_READ,
        form=one_of("object", "absent", "null", "zeros"),
    ),
    "vanish": _counted(
        "The row `asset` (`XXBT`) is missing from the next `count` (1) answers to a balance read.",
        "asset",
        read=_READ,
        asset=text,
    ),
    "override_row": _counted(
        "The row `asset`, known to the venue or not, has this `balance` and `hold` text in the next `count` (1) "
        "answers to a balance read.",
        "asset",
        "balance",
        read=_READ,
        asset=text,
        balance=text,
        hold=text,
    ),
    "scale_balances": _counted(
        "Every figure of the next `count` (1) answers to a balance read is multiplied by `factor`.",
        "factor",
        read=_READ,
        factor=amount_field,
    ),
    "refuse": _counted(
        "The next `count` (1) calls of `name` (`*`), REST methods and stream order methods alike, are answered with "
        "`error` (`EService:Unavailable`): `before` anything happens, or `after` it was done.",
        name=text,
        error=text,
        when=one_of("before", "after"),
    ),
    "rate_limit": _immediate(
        "The REST counter of every key stands `above` (0) its maximum; with `engine` true the engine's counters too.",
        above=whole,
        engine=yes_no,
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
