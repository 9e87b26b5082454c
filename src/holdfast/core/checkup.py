"""
What a doctor concludes from what it measured: one check per fact, each with what to do about it.

Pure. A check that failed carries the exit code that the fact calls for (see the exit codes of the command line), so
that a script learns the same as a person. A warning is a fact that somebody should know and that stops nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import msgspec

from holdfast.core.repair import CLOCK_BOUND_S

__all__ = [
    "Check",
    "CheckState",
    "DoctorReport",
    "clock_check",
    "disk_check",
    "failed",
    "passed",
    "skipped",
    "warned",
]

DISK_LEAST_BYTES: Final = 64 * 1024 * 1024
"""Less free than this, and the next checkpoint of a store may not fit."""

DISK_LOW_BYTES: Final = 1024 * 1024 * 1024
"""Less free than this is worth a warning."""


class CheckState(enum.StrEnum):
    """What one check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing that was looked at.

    ``found`` is a sentence, ``next`` what to do, with the command that works; empty where nothing has to be done.
    ``exit_code`` is 0 unless it failed.
    """

    name: str
    state: CheckState
    found: str
    next: tuple[str, ...] = ()
    exit_code: int = 0


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a doctor found of one broker. ``record`` is None where the visit stands in the journal, else why it does not.
    """

    broker: str
    checks: tuple[Check, ...]
    record: str | None = None

    @property
    def is_well(self) -> bool:
        """True where no check failed; warnings do not count."""
        return all(check.state is not CheckState.FAILED for check in self.checks)


def passed(name: str, found: str) -> Check:
    """All is well."""
    return Check(name=name, state=CheckState.OK, found=found)


def warned(name: str, found: str, *next_: str) -> Check:
    """Worth knowing."""
    return Check(name=name, state=CheckState.WARNING, found=found, next=next_)


def failed(name: str, found: str, next_: Iterable[str] = (), *, exit_code: int) -> Check:
    """Something has to be done."""
    return Check(name=name, state=CheckState.FAILED, found=found, next=tuple(next_), exit_code=exit_code)


def skipped(name: str, why: str) -> Check:
    """Not looked at, and why."""
    return Check(name=name, state=CheckState.SKIPPED, found=why)


def clock_check(offset_s: float) -> Check:
    """Judge this machine's clock; *offset_s* is the venue's minus ours."""
    if abs(offset_s) <= CLOCK_BOUND_S:
        return passed("clock", f"agrees with the venue's ({offset_s:+.3f} s)")
    side = "behind" if offset_s > 0 else "ahead of"
    return failed(
        "clock",
        f"this machine's clock is {abs(offset_s):.1f} s {side} the venue's",
        ("set it (a time service keeps it right); nonces are counted on the venue's time meanwhile",),
        exit_code=3,
    )


def disk_check(path: str, *, free_bytes: int, free_files: int | None) -> Check:
    """Judge the room left where state is kept; *free_files* is None where the file system has no bound."""
    found = f"{_size(free_bytes)} free at {path}"
    if free_bytes < DISK_LEAST_BYTES or (free_files is not None and free_files < 100):
        if free_bytes >= DISK_LEAST_BYTES:
            found = f"{free_files} more files fit at {path}"
        advice = "free some, or move the state: `state_dir` in the configuration, or HOLDFAST_STATE_DIR"
        return failed("disk", found, (advice,), exit_code=1)
    if free_bytes < DISK_LOW_BYTES:
        return warned("disk", found, "a full disk stops order entry: free some in time")
    return passed("disk", found)


def _size(count: int) -> str:
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
