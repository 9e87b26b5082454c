"""What is said of an act while it lasts and afterwards: progress as events, and what goes on record."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from holdfast.core.amounts import format_amount
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.events import event
from holdfast.runtime.audit import Told
from holdfast.runtime.views import CapabilityHealth, RefreshReport, ResetReport

if TYPE_CHECKING:
    from holdfast.runtime.nonce_doctor import NonceReport
    from holdfast.runtime.supervisor import Supervisor

__all__ = ["done", "progress", "told_of_nonces", "told_of_refresh", "told_of_reset"]


def progress(supervisor: Supervisor, act: str) -> Callable[[str, str], None]:
    """Tells a step of *act*, and what came of it, to whoever hears events."""

    def tell(step: str, text: str) -> None:
        state = text if text in ("answered", "closed") else "failed"
        facts = {"act": act, "step": step, "state": state, "text": text[:300]}
        supervisor.account.emitter(event("repair.progressed", broker=supervisor.name, **facts))

    return tell


def done(_: object) -> Told:
    """Of an act that only succeeds or fails."""
    return Told(outcome="done")


def told_of_reset(report: ResetReport) -> Told:
    """Of a reset: every breaker before and after."""
    outcome = "closed" if report.is_ok else report.refresh.error or "not every breaker has stayed closed"
    return Told(outcome=outcome, before=_breakers(report.before), after=_breakers(report.after))


def _breakers(capabilities: tuple[CapabilityHealth, ...]) -> dict[str, str]:
    return {each.name: each.breaker.state.value for each in capabilities}


def told_of_refresh(
    report: RefreshReport, before: Mapping[AssetCode, Balance], after: Mapping[AssetCode, Balance]
) -> Told:
    """Of a forced refresh: what moved, and how far the rest may be trusted before and after."""
    return Told(
        outcome="believed" if report.is_ok else report.error or f"suspect: {', '.join(report.suspects)}",
        before=_figures(before, report.changed),
        after=_figures(after, report.changed),
        facts={"reads": list(report.reads), "attempts": report.attempts},
    )


def _figures(balances: Mapping[AssetCode, Balance], changed: tuple[AssetCode, ...]) -> dict[str, Any]:
    states = collections.Counter(balance.state.value for balance in balances.values())
    totals = {
        asset: format_amount(total)
        for asset in changed[:100]
        if asset in balances and (total := balances[asset].total) is not None
    }
    return {"states": dict(states), "totals": totals}


def told_of_nonces(report: NonceReport) -> Told:
    """Of a call that a person let the nonce doctor try."""
    facts = {"cause": report.diagnosis.cause.value, "unit": None if report.unit is None else report.unit.value}
    return Told(outcome=f"one signed read was {report.call}", facts={"diagnosis": facts})
