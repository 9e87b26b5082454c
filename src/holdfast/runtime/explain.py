"""One balance, explained to a person from the figure itself and the journal behind it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from holdfast.core.amounts import format_amount, trim_amount
from holdfast.core.balances import Balance, BalanceState
from holdfast.core.seams import JournalRow
from holdfast.runtime.views import BrokerStatus, Explanation

__all__ = ["explanation_of"]

_MEANINGS: Final = {
    BalanceState.LIVE: "pushed by the venue on a channel proven alive, and anchored by REST recently enough",
    BalanceState.FRESH: "read or pushed recently enough to act on",
    BalanceState.STALE: "the last known good figure; not to be acted on",
    BalanceState.UNKNOWN: "never confirmed; unknown is not zero",
}


def explanation_of(status: BrokerStatus, balance: Balance, rows: Sequence[JournalRow]) -> Explanation:
    """Put into sentences what *balance* says and where it came from; *rows* are newest first."""
    age = "" if balance.age_s is None else f", {balance.age_s:.1f} s old"
    source = "" if balance.source is None else f", from {balance.source}"
    why = "" if balance.reason is None else f", because: {balance.reason}"
    lines = [
        f"{balance.asset} at {status.broker} is {balance.state}{age}{source}{why}: {_MEANINGS[balance.state]}.",
        (
            f"The venue states total {_amount(balance.total)}, held {_amount(balance.held)},"
            f" available {_amount(balance.available)}."
        ),
        f"Reserved by us {_ours(balance.reserved)}{_floor(balance)}; spendable {_ours(balance.spendable)}.",
        *_shortfall(status, balance),
        _stream_line(status),
    ]
    if status.error_count:
        lines.append(f"The last {status.error_count} reads failed: {status.last_error}.")
    if balance.asset in status.suspects:
        lines.append("An answer that contradicts these figures waits for a different read to agree.")
    if not rows:
        lines.append("The journal holds no row of this asset.")
    return Explanation(broker=status.broker, balance=balance, lines=tuple(lines), rows=tuple(rows))


def _shortfall(status: BrokerStatus, balance: Balance) -> tuple[str, ...]:
    """Why less may be spent than the venue calls available, where nothing else has said it."""
    if not balance.kept_back:
        return ()
    why = "of all readings of these figures that nothing has ruled out, the least counts"
    if balance.reason is None and status.stream.state == "live":
        why = (
            "what was pushed and is not yet confirmed by REST counts only once it is, and what an open order may hold "
            "beyond what is shown is left out"
        )
    return (f"Kept back {_ours(balance.kept_back)}, so that less is spendable than available: {why}.",)


def _stream_line(status: BrokerStatus) -> str:
    if status.stream.reason == "not_wanted":
        return "No stream is used here: REST alone keeps these figures."
    return f"The stream is {status.stream.state}" + (f" ({status.stream.reason})." if status.stream.reason else ".")


def _floor(balance: Balance) -> str:
    return f", floor {_ours(balance.floor)}" if balance.floor else ""


def _amount(value: Decimal | None) -> str:
    return "unknown" if value is None else format_amount(value)


def _ours(value: Decimal | None) -> str:
    """What we worked out ourselves: no venue stated its idle zeros."""
    return "unknown" if value is None else trim_amount(value)
