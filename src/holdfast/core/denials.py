"""From a verdict that denies to the error that a caller catches."""

from __future__ import annotations

from holdfast.core.verdicts import Verdict
from holdfast.errors import DeniedError

__all__ = ["error_of"]


def error_of(verdict: Verdict, *, retry_after_s: float | None = None) -> DeniedError:
    """
    The error to raise for a verdict that denies; its ``verdict`` is set.

    Args:
        verdict: One whose code is no approval.
        retry_after_s: Of a parked credential: seconds until one probe is allowed, None where a person has to act.

    Raises:
        ValueError: The verdict approves: a bug of ours.
    """
    raise NotImplementedError
