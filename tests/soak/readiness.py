"""
Readiness: a perfect account at each venue, and every single defect of the list.

    python -m tests.soak readiness

Each row has what the defect costs and should cost, the cause that is named, and the fix.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.core.readiness import CHECKS, MAX_SCORE
from holdfast.testing import run_virtual
from tests.readiness.defects import DEFECTS, PERFECT, Defect, of_venue
from tests.readiness.judged import differences, measured_with
from tests.readiness.rooms import Room
from tools.evidence import FOLDER, evidence

__all__ = ["WrongScoreError", "main"]


class WrongScoreError(AssertionError):
    """Something costs other points than it should, or hides its cause."""


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """
    Measure every defect and write the evidence; one line of figures. *quick* takes every eighth.

    Raises:
        WrongScoreError: A score is not what it should be.
    """
    with evidence("readiness", folder=folder) as figures:
        wrong: dict[str, list[str]] = {}
        figures["checks"], figures["points"] = len(CHECKS), MAX_SCORE
        figures["venues"] = {}
        count = 0
        for venue in PERFECT:
            defects = of_venue(venue)[:: 8 if quick else 1]
            figures["venues"][venue] = {
                "perfect": _perfect(venue, wrong),
                "defects": [_row(each, wrong) for each in defects],
            }
            count += len(defects)
            told(f"{venue}: {len(defects)} defects, {len(wrong)} wrong so far")
        figures["defects"], figures["of"], figures["wrong"] = count, len(DEFECTS), wrong
        if wrong:
            raise WrongScoreError(f"{len(wrong)} are not as they should be: {wrong}")
    scores = ", ".join(f"{venue} {score} of {most}" for venue, (score, most) in PERFECT.items())
    return f"perfect: {scores}; {count} single defects, each cost exactly what it should"


def _perfect(venue: str, wrong: dict[str, list[str]]) -> dict[str, Any]:
    report = run_virtual(Room.once(venue))
    if (report.score, report.max_score) != PERFECT[venue] or report.lost:
        wrong[f"{venue}: perfect"] = [f"{report.score} of {report.max_score}"]
    exempt = {check.name: {"points": check.worth, "reason": check.how_to_fix} for check in report.exempt}
    return {"score": report.score, "max_score": report.max_score, "exempt": exempt}


def _row(defect: Defect, wrong: dict[str, list[str]]) -> dict[str, Any]:
    report = run_virtual(measured_with(defect))
    found = differences(defect, report)
    if found:
        wrong[f"{defect.venue}: {defect.name}"] = found
    roots = [check for check in report.lost if check.follows is None]
    return {
        "defect": defect.name,
        "costs": PERFECT[defect.venue][0] - report.score - defect.exempt,
        "should_cost": defect.points,
        "lost": [check.name for check in roots],
        "follow": [check.name for check in report.lost if check.follows is not None],
        "cause": roots[0].evidence if roots else "",
        "fix": roots[0].how_to_fix if roots else "",
    }
