"""
What needs a person, most money at risk first, in sentences. Pure.

One row says what is wrong and for how long, what holdfast does about it by itself, and names the one button that
helps. These sentences are promises about what happens next, so they are made here, beside the rules that keep them,
and nowhere in the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from holdfast.core.amounts import exact
from holdfast.core.balances import Balance
from holdfast.core.breakers import BreakerState
from holdfast.core.health import Health
from holdfast.core.reservations import ReservationState
from holdfast.core.verdicts import TradingState
from holdfast.daemon.snapshot import Attention, Part, Readiness, Sentence, age, amount, left, strong, text
from holdfast.daemon.wording import VENUE_MODES, plain, said_of_difference, said_of_parking, said_of_stream
from holdfast.runtime.views import BreakerStatus, BrokerStatus, CapabilityHealth, Dispute, ReservationView

__all__ = ["ORDER", "attention_of", "cause_of", "difference_said", "shortly", "takes_orders", "worst_breaker"]

ORDER: Final = ("in_doubt", "halted", "parked", "down", "stuck", "degraded", "discrepancy", "readiness")
"""Kinds, most money at risk first."""

_SEVERITY: Final = (BreakerState.ISOLATED, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


def takes_orders(status: BrokerStatus) -> bool:
    """Whether a new order would be judged on its merits: the broker may act, and there is a figure to judge it on."""
    can_judge = status.states.get("live", 0) + status.states.get("fresh", 0) > 0
    return status.is_available and status.trading_state is TradingState.ACTIVE and can_judge and status.store.is_ok


def worst_breaker(status: BrokerStatus) -> CapabilityHealth | None:
    """The capability whose breaker stands in the way most; None where the broker tells of none."""
    found = [each for each in status.capabilities if each.name != "stream"]
    return min(found, key=lambda each: _SEVERITY.index(each.breaker.state), default=None)


def cause_of(status: BrokerStatus, balances: Iterable[Balance]) -> Sentence:
    """One sentence of cause and consequence for a broker; empty where it is healthy and takes orders."""
    if status.is_halted or status.trading_state is not TradingState.ACTIVE:
        return (*_halted(status), text(". "), *_halted_does(status))
    if status.nonce.parked_cause is not None:
        return (*_parked(status), text(". "), *_parked_does(status))
    if status.health is Health.HEALTHY and takes_orders(status):
        return ()
    what = _wrong(status, tuple(balances))
    return (*what, text(". "), *_does(status))


def shortly(status: BrokerStatus, balances: Iterable[Balance]) -> Sentence:
    """Why a broker takes no new orders, in the two things that weigh most."""
    if status.is_halted or status.trading_state is not TradingState.ACTIVE:
        said = _halted(status)
    elif status.nonce.parked_cause is not None:
        said = _parked(status)
    else:
        said = (*_wrong(status, tuple(balances), most=2), text("."))
    first = said[0]
    # It follows a colon.
    lower = None if first.text is None else first.text[:1].lower() + first.text[1:]
    return (msgspec.structs.replace(first, text=lower), *said[1:])


def attention_of(
    status: BrokerStatus,
    balances: Sequence[Balance],
    reservations: Iterable[ReservationView],
    *,
    now_us: int,
    readiness: Readiness | None = None,
    in_doubt_shown: int = 20,
) -> list[Attention]:
    """What one broker needs a person for, unsorted; *now_us* is UTC microseconds, as reservations are dated."""
    rows = [_in_doubt(status, each, now_us=now_us) for each in reservations if each.state is ReservationState.IN_DOUBT][
        :in_doubt_shown
    ]
    is_stopped = status.is_halted or status.trading_state is not TradingState.ACTIVE
    if is_stopped:
        rows.append(_row(status, "halted", "error", _halted(status), _halted_does(status), "resume", "How to resume"))
    if status.nonce.parked_cause is not None:
        rows.append(_row(status, "parked", "error", _parked(status), _parked_does(status), "repair", "Repair…"))
    elif status.health is Health.DOWN:
        rows.append(_row(status, "down", "error", _wrong(status, balances, most=2), _does(status), "repair", "Repair…"))
    stuck = [each for each in status.capabilities if each.breaker.is_stuck]
    for each in stuck:
        rows.append(_stuck(status, each))
    is_told = status.health is Health.DOWN or is_stopped or status.nonce.parked_cause is not None or bool(stuck)
    if status.health is Health.DEGRADED and not is_told:
        is_stream = status.stream.state != "live" and status.stream.reason != "not_wanted"
        action, label = (
            ("restart-stream", "Restart stream") if is_stream and not _opened(status) else ("repair", "Repair…")
        )
        rows.append(_row(status, "degraded", "warning", _wrong(status, balances, most=2), _does(status), action, label))
    rows += [_discrepancy(status, each) for each in status.disputes]
    if readiness is not None and not readiness.is_ready:
        measured = strong(f"{readiness.points} of {readiness.max_points}")
        what = (text("Measured "), measured, text(" points, "), age((now_us - readiness.at_us) / 1e6), text(" ago"))
        does = (text("Nothing is denied for it. The report says how to earn each point."),)
        rows.append(_row(status, "readiness", "warning", what, does, "readiness", "Report"))
    return rows


def difference_said(dispute: Dispute) -> Sentence:
    """What a discrepancy is and what counts meanwhile."""
    said = said_of_difference(dispute.kind)
    return (text(f"{said[:1].upper()}{said[1:]}. {_DISPUTED.format(asset=dispute.asset)}"),)


_DISPUTED: Final = "{asset} approvals use the smaller figure until they agree."
_EXITS: Final = "Exits and cancels are still taken."


def _row(
    status: BrokerStatus, kind: str, level: str, what: Sentence, does: Sentence, action: str, label: str
) -> Attention:
    return Attention(
        id=f"{kind}:{status.broker}",
        kind=kind,
        level=level,
        broker=status.broker,
        what=what,
        does=does,
        action=action,
        label=label,
    )


def _in_doubt(status: BrokerStatus, claim: ReservationView, *, now_us: int) -> Attention:
    what: list[Part] = []
    if claim.side is not None:
        what.append(text(f"{claim.side.value.capitalize()} "))
    what.append(amount(claim.amount, claim.asset))
    what.append(text(f" {claim.symbol or ''}".rstrip() + ": outcome unknown for "))
    what.append(age((now_us - claim.updated_us) / 1e6))
    does = (
        amount(claim.reserved, claim.asset),
        text(f" stays reserved. Looked for by client order id at {status.broker}; never sent again."),
    )
    return Attention(
        id=f"in_doubt:{status.broker}:{claim.intent_id}",
        kind="in_doubt",
        level="error",
        broker=status.broker,
        what=tuple(what),
        does=does,
        action="evidence",
        label="Evidence",
        target=claim.intent_id,
    )


def _halted(status: BrokerStatus) -> Sentence:
    if status.is_halted:
        reason = status.halted_detail or status.trading_reason or plain(status.halted_reason or "")
        return (strong("Halted"), text(f": {reason}".rstrip(". ")))
    return (strong(status.trading_state.value.capitalize()), text(f": {status.trading_reason or 'set by a person'}"))


def _halted_does(status: BrokerStatus) -> Sentence:
    if status.is_halted or status.trading_state is TradingState.HALTED:
        return (text("Cancels only. Figures are still read and shown; a person ends it."),)
    return (text("Exits only. A person ends it."),)


def _parked(status: BrokerStatus) -> Sentence:
    cause = status.nonce.parked_cause or ""
    return (text("Credential "), strong("parked"), text(f": {said_of_parking(cause)}"))


def _parked_does(status: BrokerStatus) -> Sentence:
    if status.nonce.parked_for_s is None:
        return (text("Nothing is signed with it until a person acts."),)
    return (text("Nothing is signed with it. Tried again in "), left(status.nonce.parked_for_s), text("."))


def _opened(status: BrokerStatus) -> CapabilityHealth | None:
    worst = worst_breaker(status)
    return None if worst is None or worst.breaker.state is BreakerState.CLOSED else worst


def _wrong(status: BrokerStatus, balances: Sequence[Balance], *, most: int = 3) -> Sentence:
    """What is wrong, worst first, at most *most* things."""
    said: list[tuple[Part, ...]] = []
    opened = _opened(status)
    if opened is not None:
        state = opened.breaker.state
        said.append((
            text(f"{opened.name.capitalize()} breaker "), strong(plain(state.value.replace("_", "-"))),
            *_break(opened.breaker),
        ))  # fmt: skip
    elif status.error_count:
        said.append((strong(f"{status.error_count} reads in a row failed"),))
    are_all_old, figures = _figures(balances)
    if are_all_old:
        said += figures
    if status.stream.state != "live" and status.stream.reason != "not_wanted":
        reason = said_of_stream(status.stream.reason)
        said.append((text("Stream "), strong(status.stream.state), text(f" ({reason}) for "), age(status.stream.for_s)))
    if not are_all_old:
        said += figures
    if status.venue_mode in VENUE_MODES:
        said.append((strong(f"{VENUE_MODES[status.venue_mode][:1].upper()}{VENUE_MODES[status.venue_mode][1:]}"),))
    if not status.store.is_ok:
        said.append((text("The store takes no writes: "), strong(plain(status.store.reason or "failed"))))
    if not said:
        said.append((text(", ".join(plain(each) for each in status.reasons).capitalize() or "Nothing named"),))
    return _joined(said[:most])


def _break(breaker: BreakerStatus) -> Sentence:
    if breaker.state is BreakerState.OPEN and breaker.retry_after_s is not None:
        return (text(", trial in "), left(breaker.retry_after_s))
    if breaker.state is BreakerState.ISOLATED:
        return (text(f" by a person{': ' + breaker.why if breaker.why else ''}"),)
    if breaker.open_for_s is not None:
        return (text(", not closed for "), age(breaker.open_for_s))
    return ()


def _figures(balances: Sequence[Balance]) -> tuple[bool, list[Sentence]]:
    """Whether no figure can be acted on, and what is to be said of those that cannot."""
    stale = [each for each in balances if each.state.value == "stale"]
    if not balances:
        return True, [(text("Figures "), strong("unknown"), text(": no answer was believed yet"))]
    if not stale:
        return False, []
    oldest_s = max((each.age_s for each in stale if each.age_s is not None), default=None)
    old: Sentence = () if oldest_s is None else (text(", "), age(oldest_s), text(" old"))
    if len(stale) == len(balances):
        return True, [(text("Figures "), strong("stale"), *old)]
    return False, [(text(f"{len(stale)} of {len(balances)} figures "), strong("stale"), *old)]


def _does(status: BrokerStatus) -> Sentence:
    """What holdfast does about it now."""
    opened = _opened(status)
    if takes_orders(status):
        if status.stream.state != "live" and status.stream.reason != "not_wanted":
            return (text("New orders are taken: REST keeps figures fresh. The stream connects again by itself."),)
        if status.states.get("stale", 0):
            return (
                text("New orders are taken on the figures that are fresh; the others are read again by themselves."),
            )
        return (text("New orders are taken. It is tried again by itself."),)
    if status.store.is_ok is False:
        return (text("No new order is sent until the store takes writes again. Cancels are still taken."),)
    if opened is not None and opened.breaker.state is BreakerState.ISOLATED:
        return (text(f"New orders are denied until a person resets it. {_EXITS}"),)
    if opened is not None:
        return (text(f"New orders are denied. It closes by itself once trials succeed. {_EXITS}"),)
    return (text(f"New orders are denied until a figure is confirmed; reads go on by themselves. {_EXITS}"),)


def _stuck(status: BrokerStatus, capability: CapabilityHealth) -> Attention:
    for_s = capability.breaker.open_for_s or 0.0
    return Attention(
        id=f"stuck:{status.broker}:{capability.name}",
        kind="stuck",
        level="error",
        broker=status.broker,
        what=(text(f"{capability.name.capitalize()} breaker "), strong("stuck"), text(", not closed for "), age(for_s)),
        does=(text("Trials go on and go on failing. A repair looks for the cause, and closes it where that is gone."),),
        action="repair",
        label="Repair…",
        target=capability.name,
    )


def _discrepancy(status: BrokerStatus, dispute: Dispute) -> Attention:
    what: list[Part] = []
    stated = {"held_exceeds_total": "held", "available_exceeds_total": "available"}.get(dispute.kind)
    if stated is not None and dispute.ours is not None and dispute.theirs is not None:
        # The venue contradicts itself: both figures are its own.
        what += [text(f"The venue states {stated} "), amount(dispute.theirs, dispute.asset), text(", total ")]
        what += [amount(dispute.ours, dispute.asset), text(", for "), age(dispute.for_s)]
    elif dispute.ours is not None and dispute.theirs is not None:
        with exact():
            difference = dispute.ours - dispute.theirs
        where = "more here than at the venue" if difference > 0 else "less here than at the venue"
        what += [amount(abs(difference), dispute.asset), text(f" {where}, for "), age(dispute.for_s)]
    else:
        what += [strong(dispute.asset), text(" has two figures, one of them not known, for "), age(dispute.for_s)]
    return Attention(
        id=f"discrepancy:{status.broker}:{dispute.asset}:{dispute.kind}",
        kind="discrepancy",
        level="warning",
        broker=status.broker,
        what=tuple(what),
        does=difference_said(dispute),
        action="compare",
        label="Compare",
        target=dispute.asset,
    )


def _joined(sentences: Sequence[Sentence]) -> Sentence:
    parts: list[Part] = []
    for sentence in sentences:
        if parts:
            parts.append(text(". "))
        parts += sentence
    return tuple(parts)
