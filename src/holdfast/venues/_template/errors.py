"""
Their codes to our classes: outcome for an order, whose fault it is, what may follow. One source per row.

An unlisted code stays a plain ``VenueError``: unknown for an order, not retried. Source:
https://docs.template.example/api/errors (checked 2026-11-20).
"""

from __future__ import annotations

from holdfast.errors import VenueError
from holdfast.venues._template.questions import ask

__all__ = ["error_of"]


def error_of(status: int, body: bytes, *, request: str, account: str) -> VenueError | None:
    """The error that an answer is, or None where it is none."""
    ask(6, "errors.py", "how does the venue say no: status, code, text; and which of it proves that nothing was done?")
