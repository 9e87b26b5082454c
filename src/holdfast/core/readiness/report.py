"""
Results to score, document and difference.

A check is earned, lost or exempt. What is exempt lowers what can be earned, and is named; on ``simulated`` alone three
checks are exempt with their points awarded, and such a report says at its head that it proves nothing about going live.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from holdfast.core.readiness.table import CATEGORIES, CHECKS, CheckSpec, check_named
from holdfast.core.readiness.words import visible

__all__ = [
    "NOT_A_PROOF",
    "SCHEMA_VERSION",
    "CategoryScore",
    "CheckOutcome",
    "Comparison",
    "Finding",
    "Moved",
    "ReadinessCheck",
    "ReadinessReport",
    "check_of",
    "compare",
    "document_of",
    "exit_code_of",
    "follows",
    "report_of",
    "report_of_document",
]

SCHEMA_VERSION: Final = 1
"""Of the document: it rises when a field's meaning changes or one goes, not when one is added."""

NOT_A_PROOF: Final = "NOT A GO-LIVE PROOF"
"""At the head of every report of a simulator or of a venue's own demo."""

_TEXT_MAX: Final = 600


class CheckOutcome(enum.StrEnum):
    """What one check came to."""

    EARNED = "earned"
    LOST = "lost"
    EXEMPT = "exempt"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an observation proves about one check.

    ``evidence`` is a sentence on what was seen; ``fix`` what to do where it was lost, and the reason where it is
    exempt; ``follows`` the lost check that it could not be observed without.
    """

    outcome: CheckOutcome
    evidence: str
    fix: str = ""
    follows: str | None = None


class ReadinessCheck(msgspec.Struct, frozen=True, kw_only=True):
    """
    One check with what came of it.

    ``points`` of ``max_points`` were earned. ``worth`` is what the table says: an exempt check has a ``max_points`` of
    0 (and then ``worth`` is what is missing from the whole), or its whole worth awarded, on ``simulated``.
    ``duration_s`` is None where nothing was asked. ``how_to_fix`` is empty where there is nothing to do.
    """

    name: str
    title: str
    result: CheckOutcome
    points: int
    max_points: int
    worth: int
    evidence: str
    how_to_fix: str = ""
    follows: str | None = None
    duration_s: float | None = None

    @property
    def is_awarded(self) -> bool:
        """Whether it is exempt and its points count all the same."""
        return self.result is CheckOutcome.EXEMPT and self.points > 0


class CategoryScore(msgspec.Struct, frozen=True, kw_only=True):
    """One category: ``points`` of ``max_points``; ``worth`` is that with nothing exempt."""

    name: str
    points: int
    max_points: int
    worth: int
    checks: tuple[ReadinessCheck, ...]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One check that came to something else than in the earlier run; ``before`` is None where it was not made then."""

    name: str
    before: CheckOutcome | None
    after: CheckOutcome
    points: int  # After minus before.


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """
    The difference to an earlier run: ``points`` and ``max_points`` are after minus before.

    ``started_us`` is that run's start, UTC microseconds.
    """

    started_us: int
    points: int
    max_points: int
    moved: tuple[Moved, ...]


class ReadinessReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    One broker's readiness, measured.

    ``started_us`` is UTC microseconds on our clock, ``took_s`` seconds. ``heading`` is not empty where this proves
    nothing about going live. ``warnings`` are what is to be shouted, such as a key that can withdraw; ``notes`` what
    else the venue says of the credential. ``account`` is the venue's id of the account, shortened; None where it was
    not told. ``record`` is why the run does not stand in the journal; None where it does.
    """

    broker: str
    venue: str
    environment: str
    started_us: int
    took_s: float
    score: int
    max_score: int
    categories: tuple[CategoryScore, ...]
    version: str
    account: str | None = None
    heading: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None
    record: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def checks(self) -> tuple[ReadinessCheck, ...]:
        """Every check, in the order of the report."""
        return tuple(check for category in self.categories for check in category.checks)

    @property
    def lost(self) -> tuple[ReadinessCheck, ...]:
        """What was lost."""
        return tuple(check for check in self.checks if check.result is CheckOutcome.LOST)

    @property
    def exempt(self) -> tuple[ReadinessCheck, ...]:
        """What is exempt and lowers what can be earned."""
        return tuple(check for check in self.checks if check.result is CheckOutcome.EXEMPT and not check.points)

    @property
    def is_ready(self) -> bool:
        """Whether nothing was lost."""
        return not self.lost

    def check(self, name: str) -> ReadinessCheck:
        """The check called *name*; raises ``KeyError`` where there is none."""
        for each in self.checks:
            if each.name == name:
                return each
        raise KeyError(name)


def check_of(
    spec: CheckSpec, finding: Finding, *, is_simulated: bool, duration_s: float | None = None
) -> ReadinessCheck:
    """
    What *finding* makes of a check: its points, and what it counts toward the whole.

    An exempt check that ``simulated`` is spared keeps its points there, and nowhere else.
    """
    is_awarded = finding.outcome is CheckOutcome.EXEMPT and is_simulated and spec.spared is not None
    counts = finding.outcome is not CheckOutcome.EXEMPT or is_awarded
    is_earned = finding.outcome is CheckOutcome.EARNED or is_awarded
    return ReadinessCheck(
        name=spec.name,
        title=spec.title,
        result=finding.outcome,
        points=spec.points if is_earned else 0,
        max_points=spec.points if counts else 0,
        worth=spec.points,
        evidence=_bounded(finding.evidence),
        how_to_fix="" if finding.outcome is CheckOutcome.EARNED else _bounded(finding.fix),
        follows=finding.follows,
        duration_s=None if duration_s is None else round(duration_s, 3),
    )


def follows(spec: CheckSpec, lost: Mapping[str, Finding]) -> Finding | None:
    """
    The finding for a check that cannot be observed, because one it needs was lost; None where all it needs stands.

    *lost* has the findings of every lost check by name.
    """
    for name in spec.needs:
        if name in lost:
            root = lost[name].follows or name
            title = check_named(root).title
            return Finding(
                outcome=CheckOutcome.LOST,
                evidence=f"Not observed: it follows from “{title}”, which was lost.",
                fix=f"Mend “{title}” first.",
                follows=root,
            )
    return None


def report_of(
    checks: Iterable[ReadinessCheck],
    *,
    broker: str,
    venue: str,
    environment: str,
    started_us: int,
    took_s: float,
    version: str,
    account: str | None = None,
    warnings: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> ReadinessReport:
    """
    Put checks together: the report's order, the sums, and what stands at its head.

    Raises:
        KeyError: A check of the table is missing.
    """
    by_name = {check.name: check for check in checks}
    categories = []
    for category, worth in CATEGORIES.items():
        found = tuple(by_name[spec.name] for spec in CHECKS if spec.category is category)
        categories.append(
            CategoryScore(
                name=category.value,
                points=sum(check.points for check in found),
                max_points=sum(check.max_points for check in found),
                worth=worth,
                checks=found,
            )
        )
    return ReadinessReport(
        broker=broker,
        venue=venue,
        environment=environment,
        started_us=started_us,
        took_s=round(took_s, 3),
        score=sum(category.points for category in categories),
        max_score=sum(category.max_points for category in categories),
        categories=tuple(categories),
        version=version,
        account=account,
        heading="" if environment == "production" else f"{NOT_A_PROOF}: {broker} speaks to {_PLACES[environment]}.",
        warnings=warnings,
        notes=tuple(visible(note) for note in notes),
    )


_PLACES: Final = {"demo": "the venue's own demo", "simulated": "a simulator"}


def compare(report: ReadinessReport, earlier: ReadinessReport) -> Comparison:
    """What differs between *report* and an *earlier* run of the same broker."""
    before = {check.name: check for check in earlier.checks}
    moved = []
    for check in report.checks:
        was = before.get(check.name)
        points = check.points - (0 if was is None else was.points)
        if was is None or was.result is not check.result or points:
            moved.append(
                Moved(name=check.name, before=None if was is None else was.result, after=check.result, points=points)
            )
    return Comparison(
        started_us=earlier.started_us,
        points=report.score - earlier.score,
        max_points=report.max_score - earlier.max_score,
        moved=tuple(moved),
    )


def exit_code_of(report: ReadinessReport, *, min_score: int | None = None) -> int:
    """
    The exit code that a report calls for.

    With *min_score* 0 where it was reached and 8 where not, whatever was lost. Without, 0 where nothing was lost, 3
    where the credential is at fault, else 8.
    """
    if min_score is not None:
        return 0 if report.score >= min_score else 8
    if report.is_ready:
        return 0
    return 3 if any(check.name.startswith("credentials.") and check.follows is None for check in report.lost) else 8


def document_of(report: ReadinessReport) -> dict[str, Any]:
    """The report as JSON takes it; see the reference for its fields."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    document["is_ready"] = report.is_ready
    return document


def report_of_document(document: object) -> ReadinessReport | None:
    """The report that a document of an earlier run holds; None where it is none, or of another schema."""
    try:
        report = msgspec.convert(document, ReadinessReport)
    except (msgspec.ValidationError, RecursionError):
        return None
    return report if report.schema_version == SCHEMA_VERSION else None


def _bounded(text: str) -> str:
    text = visible(text)
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 1]}…"
