"""
One run: every check of the table once, each within its time, in an order in which the causes come first.

A check whose cause was lost already is not asked again: a key that was refused is refused once. Nothing here places an
order. What a venue cannot offer is exempt with its reason; what was not reached in time is lost, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from holdfast.core.events import event
from holdfast.core.readiness import (
    CHECKS,
    CheckOutcome,
    CheckSpec,
    Finding,
    ReadinessCheck,
    ReadinessReport,
    check_named,
    report_of,
)
from holdfast.core.readiness.judging import lost
from holdfast.core.readiness.report import check_of, follows
from holdfast.runtime.audit import Told
from holdfast.runtime.readiness.looks import Looks
from holdfast.runtime.readiness.looks_at_markets import LooksAtMarkets
from holdfast.runtime.readiness.looks_at_orders import LooksAtOrders
from holdfast.runtime.readiness.subject import Subject

__all__ = ["CHECK_WITHIN_S", "Verification", "told_of_readiness"]

CHECK_WITHIN_S: Final = 45.0
"""The longest that one check takes, whatever it asks."""

_ORDER: Final = (
    "credentials.present",
    "credentials.form",
    "connection.reach",
    "connection.tls",
    "connection.clock",
    "connection.status",
    "market.products",
    "credentials.accepted",
    "credentials.read_rights",
    "connection.account",
    "credentials.no_withdrawal",
    "credentials.trade_rights",
    "credentials.expiry",
    "credentials.ip_list",
)
"""What is looked at first: the causes of what may be lost later. The rest follows in the order of the report."""

_LAST: Final = ("stream.nonces", "connection.latency")
"""What speaks of the whole run."""


class Verification:
    """
    One run over one subject; ``run`` it once.

    Args:
        subject: What is looked at.
        timeout_s: Bound of the whole, seconds.
    """

    def __init__(self, subject: Subject, *, timeout_s: float) -> None:
        self._subject = subject
        self._timeout_s = timeout_s
        self._clock = subject.clock
        looks = Looks(subject)
        markets, orders = LooksAtMarkets(subject, looks), LooksAtOrders(subject, looks)
        self._looks: dict[str, Callable[[], Awaitable[Finding]]] = {
            **looks.by_check,
            **markets.by_check,
            **orders.by_check,
        }
        self._found = looks
        self._lost = looks.lost
        self._made: dict[str, ReadinessCheck] = {}

    async def run(self) -> ReadinessReport:
        """Make every check. Suspends; never raises for what is wrong with venue, credential or store."""
        subject = self._subject
        started_us, began_s = self._clock.wall_us(), self._clock.now_s()
        middle = [spec.name for spec in CHECKS if spec.name not in (*_ORDER, *_LAST)]
        with self._found.listening():
            for name in (*_ORDER, *middle, *_LAST):
                left_s = began_s + self._timeout_s - self._clock.now_s()
                await self._make(check_named(name), left_s)
        info = self._found.info
        return report_of(
            self._made.values(),
            broker=subject.name,
            venue=subject.venue,
            environment=subject.environment,
            started_us=started_us,
            took_s=self._clock.now_s() - began_s,
            version=_version(),
            account=None if info is None else shortened(info.account_id),
            warnings=self._found.warnings(),
            notes=() if info is None else tuple(subject.redact(note) for note in info.notes),
        )

    async def _make(self, spec: CheckSpec, left_s: float) -> None:
        self._tell(spec.name, "begun", 0, spec.points, spec.title)
        began_s = self._clock.now_s()
        finding = (
            self._found.exempt_by_facts(spec.name) or self._subject.lost.get(spec.name) or follows(spec, self._lost)
        )
        duration_s = None
        if finding is None and left_s <= 0:
            finding = lost(
                f"Not reached within the {self._timeout_s:g} s of the run.",
                "Run again with more time (`--timeout`), when the venue is not slow.",
            )
        elif finding is None:
            finding = await self._look(spec, min(left_s, CHECK_WITHIN_S))
            duration_s = self._clock.now_s() - began_s
        if spec.spared is not None and self._subject.environment == "simulated" and finding.follows is not None:
            finding = Finding(outcome=CheckOutcome.EXEMPT, evidence="Not looked at.", fix=spec.spared)
        redact = self._subject.redact
        finding = msgspec.structs.replace(finding, evidence=redact(finding.evidence), fix=redact(finding.fix))
        if finding.outcome is CheckOutcome.LOST:
            self._lost[spec.name] = finding
        check = check_of(spec, finding, is_simulated=self._subject.environment == "simulated", duration_s=duration_s)
        self._made[spec.name] = check
        self._tell(spec.name, check.result.value, check.points, check.max_points, check.evidence)

    async def _look(self, spec: CheckSpec, within_s: float) -> Finding:
        try:
            async with asyncio.timeout(within_s):
                return await self._looks[spec.name]()
        except Exception as error:
            # A bug in one look costs its points, and the others are still made; the text says whose fault it is.
            return self._found.lost_by(error, check=spec.name, what=spec.title)

    def _tell(self, check: str, state: str, points: int, max_points: int, text: str) -> None:
        made = self._made.values()
        self._subject.emit(
            event(
                "readiness.progressed",
                broker=self._subject.name,
                check=check,
                state=state,
                points=points,
                max_points=max_points,
                score=sum(each.points for each in made),
                max_score=sum(each.max_points for each in made),
                text=text[:300],
            )
        )


def _version() -> str:
    """Ours, as it is installed."""
    from importlib import metadata

    try:
        return metadata.version("holdfast")
    except metadata.PackageNotFoundError:
        return "unknown"  # Run from a folder that nobody installed.


def shortened(account_id: str) -> str:
    """An account's id as far as a person needs it to know it again."""
    return account_id if len(account_id) <= 8 else f"{account_id[:4]}…{account_id[-2:]}"


def told_of_readiness(report: ReadinessReport) -> Told:
    """What goes on record of a run: the score, and what was lost."""
    return Told(
        outcome=f"{report.score} of {report.max_score}",
        facts={"lost": [check.name for check in report.lost], "exempt": [check.name for check in report.exempt]},
    )
