"""
Readiness as a measurement: nine categories, 110 points, and evidence behind each of them.

Pure. In ``table`` is what is checked and what it is worth, in ``judging`` what an observation proves, in ``report`` how
results become a score, a document and a difference to an earlier run. Nothing in here asks a venue anything.
"""

from __future__ import annotations

from holdfast.core.readiness.report import (
    SCHEMA_VERSION,
    CategoryScore,
    CheckOutcome,
    Comparison,
    Finding,
    Moved,
    ReadinessCheck,
    ReadinessReport,
    compare,
    document_of,
    exit_code_of,
    report_of,
    report_of_document,
)
from holdfast.core.readiness.table import CATEGORIES, CHECKS, MAX_SCORE, Category, CheckSpec, check_named

__all__ = [
    "CATEGORIES",
    "CHECKS",
    "MAX_SCORE",
    "SCHEMA_VERSION",
    "Category",
    "CategoryScore",
    "CheckOutcome",
    "CheckSpec",
    "Comparison",
    "Finding",
    "Moved",
    "ReadinessCheck",
    "ReadinessReport",
    "check_named",
    "compare",
    "document_of",
    "exit_code_of",
    "report_of",
    "report_of_document",
]
