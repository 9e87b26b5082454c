"""The page's first sentence: do new orders flow, and if not, at whom and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from holdfast.core.amounts import exact, format_amount
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.reservations import ReservationState
from holdfast.daemon.attention import shortly, takes_orders
from holdfast.daemon.snapshot import Claims, Part, Sentence, Sums, Verdict, strong, text
from holdfast.runtime.views import BrokerStatus, ReservationView

__all__ = ["claims_of", "sums_of", "verdict_of"]

_NAMED = 2
"""Brokers named in the second line; the others are counted."""


def verdict_of(
    statuses: Sequence[BrokerStatus],
    balances: Mapping[str, Mapping[AssetCode, Balance]],
    reservations: Iterable[ReservationView],
) -> Verdict:
    """Add up every broker: *balances* are by broker name, *reservations* of all of them."""
    claims = tuple(reservations)
    barred = [status for status in statuses if not takes_orders(status)]
    taking, count = len(statuses) - len(barred), len(statuses)
    ages_s = [
        balance.age_s
        for status in statuses
        if takes_orders(status)
        for balance in balances[status.broker].values()
        if balance.is_fit_to_approve and balance.age_s is not None
    ]
    return Verdict(
        taking=taking,
        brokers=count,
        sentence=_sentence(taking, count, past=False),
        past=_sentence(taking, count, past=True),
        detail=_detail(statuses, barred, balances),
        in_doubt=claims_of(claims, ReservationState.IN_DOUBT),
        reserved=claims_of(claims, ReservationState.ACTIVE),
        discrepancies=sum(status.discrepancies for status in statuses),
        oldest_age_s=round(max(ages_s), 3) if ages_s else None,
    )


def claims_of(reservations: Iterable[ReservationView], state: ReservationState) -> Claims:
    """How many reservations are in *state*, and what they keep back by asset; what is covered the venue keeps."""
    amounts: dict[AssetCode, Decimal] = {}
    orders = 0
    with exact():
        for each in reservations:
            if each.state is state:
                orders += 1
                amounts[each.asset] = amounts.get(each.asset, Decimal(0)) + each.reserved
    return Claims(orders=orders, amounts={asset: format_amount(value) for asset, value in sorted(amounts.items())})


def sums_of(figures: Iterable[Balance]) -> Sums:
    """One asset's live and fresh figures of all brokers added up; never across assets."""
    fit = [each for each in figures if each.is_fit_to_approve]
    return Sums(
        total=_sum(each.total for each in fit),
        held=_sum(each.held for each in fit),
        reserved=_sum(each.reserved for each in fit),
        spendable=_sum(each.spendable for each in fit),
    )


def _sum(values: Iterable[Decimal | None]) -> str | None:
    found = list(values)
    if not found:
        return None
    total = Decimal(0)
    with exact():
        for value in found:
            if value is None:
                return None  # A sum with an unknown part is unknown.
            total += value
    return format_amount(total)


def _sentence(taking: int, count: int, *, past: bool) -> str:
    verb = "took" if past else "takes" if taking == 1 else "take"
    if count == 0:
        return "No broker was configured." if past else "No broker is configured."
    if taking == 0:
        return "No broker took new orders." if past else "No broker takes new orders."
    if taking == count == 1:
        return f"The broker {verb} new orders."
    if taking == count:
        return f"All {count} brokers {verb} new orders."
    return f"{taking} of {count} brokers {verb} new orders."


def _detail(
    statuses: Sequence[BrokerStatus],
    barred: Sequence[BrokerStatus],
    balances: Mapping[str, Mapping[AssetCode, Balance]],
) -> Sentence:
    if not statuses:
        return (text("Add [brokers.NAME] to holdfast.toml, or try: holdfast demo"),)
    if not barred:
        figures = [balance for each in balances.values() for balance in each.values()]
        doubts = sum(status.in_doubt for status in statuses)
        states = {balance.state.value for balance in figures}
        said = "Figures are live." if states == {"live"} else "Figures are live or fresh."
        if states - {"live", "fresh"}:
            said = "Some figures are stale or unknown; orders on those are denied."
        return (text(f"{said} {'Nothing is in doubt.' if not doubts else f'In doubt: {doubts}.'}"),)
    parts: list[Part] = []
    for status in barred[:_NAMED]:
        if parts:
            parts.append(text(" "))
        why = shortly(status, balances[status.broker].values())
        parts += [strong(status.broker), text(" does not: "), *why]
    if len(barred) > _NAMED:
        parts.append(text(f" Nor do {len(barred) - _NAMED} more."))
    return tuple(parts)
