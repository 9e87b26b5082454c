"""
Where a broker's reports of readiness are kept: one file each, the newest few, in the broker's own folder.

They hold no amounts beyond what a person needs to see why a check was lost, and no secret; they are as private as the
journal beside them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.readiness import ReadinessReport, document_of, report_of_document

__all__ = ["KEPT", "Shelf", "write_private"]

KEPT: Final = 50
"""So many reports of a broker are kept; older ones go."""

_SIZE_MAX: Final = 1 << 20


class Shelf:
    """
    The reports of one broker, in a folder that is made when the first one is put there.

    Reads and writes small files; does not suspend.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where they stand."""
        return self._folder

    def put(self, report: ReadinessReport) -> Path:
        """
        Keep a report, and let go of the oldest beyond ``KEPT``.

        Raises:
            OSError: It cannot be written.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{report.started_us:017d}.json"
        write_private(path, msgspec.json.format(msgspec.json.encode(document_of(report)), indent=2) + b"\n")
        for old in self._paths()[KEPT:]:
            with contextlib.suppress(OSError):
                old.unlink()
        return path

    def newest(self, *, limit: int = KEPT) -> list[ReadinessReport]:
        """At most *limit* reports, newest first; what cannot be read as one is left out."""
        found: list[ReadinessReport] = []
        for path in self._paths():
            if len(found) >= limit:
                break
            with contextlib.suppress(OSError, msgspec.DecodeError, RecursionError):
                if path.stat().st_size > _SIZE_MAX:
                    continue
                report = report_of_document(msgspec.json.decode(path.read_bytes()))
                if report is not None:
                    found.append(report)
        return found

    def _paths(self) -> list[Path]:
        try:
            return sorted(self._folder.glob("[0-9]*.json"), reverse=True)
        except OSError:
            return []


def write_private(path: Path, content: bytes) -> None:
    """
    Put *content* at *path* in one step, for this user alone: whoever reads sees the old file or the whole new one.

    A link at *path* is replaced, not followed.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    trial = path.with_name(f".{path.name}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(trial, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        trial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            trial.unlink()
        raise
