"""The reference page of readiness: every check, from the table in the code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from holdfast.core.readiness import CATEGORIES, CHECKS, MAX_SCORE, check_named

__all__ = ["readiness_page"]

_WHAT: Final = f"{len(CHECKS)} checks in {len(CATEGORIES)} categories, {MAX_SCORE} points"

INTRODUCTION: Final = f"""What `holdfast verify-end-to-end` looks at: {_WHAT}.
A check is earned with all of its points or lost with all of them. Why it is so, and what is exempt where:
[Go-live is a measurement](../concepts/p9-readiness.md).

A check that *needs* another is lost with it, says so, and names the cause: the venue is not asked again what it has
refused already. Three are exempt on `simulated` with their points awarded; everywhere else what is exempt lowers what
can be earned.
"""

FIELDS: Final = (
    ("schema_version", "1; rises when a field goes or means something else, not when one is added"),
    ("broker, venue, environment, version", "what was measured, and by which holdfast"),
    ("account", "the venue's id of the account, shortened; null where it was not told"),
    ("started_us, took_s", "UTC microseconds; seconds"),
    ("score, max_score, is_ready", "points earned, points that could be, and whether nothing was lost"),
    ("heading", "not empty where the report proves nothing about going live"),
    ("warnings, notes", "what is to be shouted (a key that can withdraw); what else the venue says of the credential"),
    ("comparison", "the difference to the last kept run: points, max_points, started_us, moved; null without one"),
    ("record", "why the run does not stand in the journal; null where it does"),
    ("categories[]", "name, points, max_points, worth (with nothing exempt), checks[]"),
    ("checks[]", "name, title, result (earned, lost, exempt), points, max_points, worth, and what follows here"),
    ("evidence, how_to_fix", "sentences: what was seen; what to do, or why it is exempt"),
    ("follows", "the lost check whose cause it shares; null where it is a cause by itself"),
    ("duration_s", "seconds; null where nothing was asked"),
    ("gate", "with --min-score alone: min_score, is_reached"),
)

DOCUMENT: Final = """## The report

`BROKER_e2e_verification_report.json`, `--output json` and `document_of(report)` are one document. Amounts in it are
text, and no field holds a secret.
"""


def readiness_page(
    *, table: Callable[[tuple[str, ...], Iterator[tuple[str, ...]]], str], code: Callable[[str], str]
) -> str:
    """The whole page."""
    parts = ["# Checks of readiness\n", INTRODUCTION]
    for category, points in CATEGORIES.items():
        parts.append(f"## {category.value.capitalize()}: {points} points\n")
        rows = (
            (
                code(check.name),
                str(check.points),
                check.proves + (f" Exempt on `simulated`: {check.spared}." if check.spared else ""),
                ", ".join(code(check_named(name).name) for name in check.needs),
            )
            for check in CHECKS
            if check.category is category
        )
        parts.append(table(("check", "points", "proves", "needs"), rows))
    fields = ((", ".join(code(name) for name in names.split(", ")), text) for names, text in FIELDS)
    parts += [DOCUMENT, table(("field", "is"), fields)]
    return "\n".join(parts)
