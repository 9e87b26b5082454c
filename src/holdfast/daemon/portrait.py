"""One broker as the page shows it: its row, its reservations, its discrepancies, the notes beside its figures. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from holdfast.core.amounts import exact, format_amount, trim_amount
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.breakers import BreakerState
from holdfast.core.health import Health
from holdfast.core.reservations import ReservationState
from holdfast.core.verdicts import TradingState
from holdfast.daemon.attention import cause_of, difference_said, takes_orders, worst_breaker
from holdfast.daemon.snapshot import (
    Breaker,
    BrokerPicture,
    Budget,
    Capability,
    Credential,
    Difference,
    Nonces,
    Part,
    Readiness,
    ReservationRow,
    Sentence,
    Span,
    Stream,
    age,
    strong,
    text,
)
from holdfast.daemon.wording import VENUES, plain, said_of_stream
from holdfast.runtime.views import BreakerStatus, BrokerStatus, CapabilityHealth, Dispute, ReservationView

__all__ = ["difference_rows", "notes_of", "picture_of", "reservation_row"]

_NONCED: Final = frozenset({"kraken"})
"""Venues that demand an increasing nonce; at the others the clock's offset is what counts."""

_LEAST_CERTAIN: Final = ("unknown", "stale", "fresh", "live")


def picture_of(
    status: BrokerStatus,
    balances: Mapping[AssetCode, Balance],
    *,
    address: str | None,
    readiness: Readiness | None,
    spans: tuple[Span, ...],
) -> BrokerPicture:
    """The broker's row; *spans* are its breaker's last 24 hours, *address* its REST where that was set."""
    counts = Counter(balance.state.value for balance in balances.values())
    anchor = _anchor(counts)
    ages_s = [each.age_s for each in balances.values() if each.state.value == anchor and each.age_s is not None]
    worst = worst_breaker(status)
    orders, note = _orders(status)
    return BrokerPicture(
        name=status.broker,
        venue=status.venue,
        venue_title=VENUES.get(status.venue, status.venue),
        environment=status.environment,
        address=address,
        account=_shortened(status.account_id),
        health=status.health.value,
        reasons=tuple(plain(reason) for reason in status.reasons),
        cause=cause_of(status, tuple(balances.values())),
        takes_orders=takes_orders(status),
        orders=orders,
        orders_note=note,
        figures=anchor,
        age_s=round(min(ages_s), 3) if ages_s else None,
        frame_age_s=_rounded(status.stream.last_frame_age_s),
        assets=len(balances),
        unknown=counts["unknown"] if anchor != "unknown" else 0,
        stale=counts["stale"] if anchor != "stale" else 0,
        discrepancies=status.discrepancies,
        stream=Stream(
            state=status.stream.state,
            words=_stream(status),
            reason=status.stream.reason,
            connects=status.stream.connects,
        ),
        breaker=Breaker(state=BreakerState.CLOSED.value) if worst is None else _breaker(worst.breaker),
        capabilities=tuple(_capability(each) for each in status.capabilities),
        errors=status.error_count,
        latency_s=_rounded(status.read_latency_s),
        budget=None
        if status.calls is None
        else Budget(
            used=round(status.calls.used, 1),
            limit=status.calls.limit,
            zero_in_s=round(status.calls.zero_in_s, 1),
            kept=status.calls.kept,
        ),
        nonces=Nonces(
            has_nonces=status.venue in _NONCED,
            refused=status.nonce.refused,
            clock_offset_s=_rounded(status.venue_clock_offset_s),
            parked_cause=status.nonce.parked_cause,
            parked_for_s=_rounded(status.nonce.parked_for_s),
        ),
        credential=None
        if status.credential is None
        else Credential(
            hint=status.credential.hint,
            permissions=status.credential.permissions,
            can_withdraw=status.credential.can_withdraw,
        ),
        readiness=readiness,
        spans=spans,
        notes=status.notes,
    )


def notes_of(status: BrokerStatus) -> dict[AssetCode, str]:
    """What stands under an asset whose figures need a word: the contradiction, or what waits for a second read."""
    notes = dict.fromkeys(status.suspects, "waits for a second, different read")
    notes |= {each.asset: _note(each) for each in status.disputes}
    return notes


def reservation_row(claim: ReservationView, *, now_us: int) -> ReservationRow:
    """One reservation; *now_us* is UTC microseconds."""
    return ReservationRow(
        broker=claim.broker,
        intent_id=claim.intent_id,
        client_order_id=claim.client_order_id,
        order_id=claim.order_id,
        state=claim.state.value,
        order_state=None if claim.order is None else claim.order.value,
        side=None if claim.side is None else claim.side.value,
        symbol=claim.symbol,
        asset=claim.asset,
        amount=format_amount(claim.amount),
        reserved=format_amount(claim.reserved),
        bot=claim.bot,
        cause=plain(claim.cause),
        detail=claim.detail,
        age_s=round(max(0.0, (now_us - claim.created_us) / 1e6), 3),
        next=_next(claim),
    )


def difference_rows(status: BrokerStatus) -> tuple[Difference, ...]:
    """The broker's open discrepancies."""
    return tuple(
        Difference(
            id=f"{status.broker}:{each.asset}:{each.kind}",
            broker=status.broker,
            asset=each.asset,
            kind=each.kind,
            ours=None if each.ours is None else format_amount(each.ours),
            theirs=None if each.theirs is None else format_amount(each.theirs),
            difference=_difference(each),
            rows=each.rows,
            for_s=round(each.for_s, 3),
            says=difference_said(each),
        )
        for each in status.disputes
    )


def _anchor(counts: Mapping[str, int]) -> str:
    """The state most figures are in; of two that are as frequent the less certain one."""
    return max(_LEAST_CERTAIN, key=lambda state: (counts.get(state, 0), -_LEAST_CERTAIN.index(state)))


def _orders(status: BrokerStatus) -> tuple[str, str | None]:
    """What is taken now, and why it is not everything."""
    if status.is_halted or status.trading_state is TradingState.HALTED:
        return "halted", "cancels only"
    if status.nonce.parked_cause is not None:
        return "halted", "nothing is signed"
    if status.trading_state is TradingState.REDUCING or not takes_orders(status):
        return "reducing", "exits only"
    return "active", None


def _stream(status: BrokerStatus) -> Sentence:
    stream = status.stream
    if stream.reason == "not_wanted":
        return (text("none, REST only"),)
    if stream.state == "live":
        return (text("live, heard "), Part(age_of="frame_age_s"))
    state = strong(stream.state)
    return (state, text(f", {said_of_stream(stream.reason)}, "), age(stream.for_s))


def _breaker(breaker: BreakerStatus) -> Breaker:
    return Breaker(
        state=breaker.state.value,
        retry_after_s=_rounded(breaker.retry_after_s) if breaker.state is BreakerState.OPEN else None,
        open_for_s=_rounded(breaker.open_for_s),
        why=breaker.why,
        is_stuck=breaker.is_stuck,
    )


def _capability(found: CapabilityHealth) -> Capability:
    closed = found.breaker.state is BreakerState.CLOSED
    word = Health.HEALTHY if closed and not found.error_count else Health.DEGRADED if closed else Health.DOWN
    return Capability(
        name=found.name,
        word=word.value,
        breaker=_breaker(found.breaker),
        error_count=found.error_count,
        latency_s=_rounded(found.latency_s),
        last_error=found.last_error,
        last_error_age_s=_rounded(found.last_fault_age_s),
    )


def _note(dispute: Dispute) -> str:
    if dispute.ours is None or dispute.theirs is None:
        return plain(dispute.kind)
    ours, theirs = trim_amount(dispute.ours), trim_amount(dispute.theirs)
    if dispute.kind in ("held_exceeds_total", "available_exceeds_total"):
        what = "held" if dispute.kind.startswith("held") else "available"
        return f"{what} {theirs} > total {ours}"
    return f"ours {ours}, venue's {theirs}"


def _difference(dispute: Dispute) -> str | None:
    if dispute.ours is None or dispute.theirs is None:
        return None
    with exact():
        return format_amount(dispute.ours - dispute.theirs)


def _next(claim: ReservationView) -> Sentence:
    if claim.state is ReservationState.IN_DOUBT:
        return (text("until reconciled; never sent again"),)
    if claim.state is ReservationState.COVERED:
        return (text("in the venue's hold"),)
    if claim.order is None:
        return (text("expires unless its order is sent"),)
    return (text("until the venue's hold includes it"),)


def _shortened(account: str | None) -> str | None:
    if account is None or len(account) <= 8:
        return account
    return f"{account[:4]}…{account[-4:]}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
