"""A run over a broker that is open, kept and compared with the one before it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from holdfast.core.readiness import ReadinessReport, compare
from holdfast.runtime.readiness.run import Verification
from holdfast.runtime.readiness.shelf import Shelf
from holdfast.runtime.readiness.subject import Subject

if TYPE_CHECKING:
    from holdfast.runtime.local import LocalBroker

__all__ = ["kept", "measured"]


async def measured(broker: LocalBroker, *, timeout_s: float) -> ReadinessReport:
    """Run once over *broker*, one run at a time. Suspends; never raises for what is wrong with it."""
    supervisor = broker.supervisor
    surroundings = supervisor.surroundings()
    subject = Subject(
        name=broker.name,
        venue=broker.venue,
        environment=broker.environment,
        surroundings=surroundings,
        clock=supervisor.account.clock,
        emit=supervisor.account.emitter,
        client=broker.entry.client,
        supervisor=supervisor,
        positions=lambda: broker.positions("USD"),
        redact=supervisor.redact,
    )
    async with supervisor.repairing:  # A repair that drops the stream meanwhile would be measured with it.
        report = await Verification(subject, timeout_s=timeout_s).run()
    return kept(report, surroundings.shelf)


def kept(report: ReadinessReport, shelf: Shelf | None) -> ReadinessReport:
    """*report* with the difference to the last one on *shelf*, put there itself."""
    if shelf is None:
        return report
    earlier = shelf.newest(limit=1)
    if earlier:
        report = msgspec.structs.replace(report, comparison=compare(report, earlier[0]))
    with contextlib.suppress(OSError):  # A full disk keeps no report, and spoils none.
        shelf.put(report)
    return report
