"""
Result files of the long runs: what was measured, on which commit, with which seeds, and how it ended.

    with evidence("nonces-8-processes", seeds=range(20)) as figures:
        figures["calls"] = 20_000
        figures["refused"] = run()

writes ``docs/evidence/nonces-8-processes.json`` when the block ends, and records the failure when it raises.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "evidence", "write_evidence"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "evidence"


@contextmanager
def evidence(name: str, *, seeds: Iterable[int] = (), folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """
    Measure a block and write its result file, also when it fails.

    Args:
        name: File name without ending: lower-case words joined by hyphens.
        seeds: Every seed that was used; a failing run is replayed from them.
        folder: Where the file goes.

    Yields:
        A dictionary to put figures into; JSON values, with units in the names.
    """
    figures: dict[str, Any] = {}
    started = datetime.now(UTC)
    try:
        yield figures
    except BaseException as error:
        outcome = f"failed: {type(error).__name__}: {error}"
        write_evidence(name, figures, started=started, seeds=seeds, outcome=outcome, folder=folder)
        raise
    write_evidence(name, figures, started=started, seeds=seeds, folder=folder)


def write_evidence(
    name: str,
    figures: Mapping[str, Any],
    *,
    started: datetime,
    seeds: Iterable[int] = (),
    outcome: str = "passed",
    folder: Path = FOLDER,
) -> Path:
    """
    Write ``<folder>/<name>.json`` and return its path. Replaces an older result of the same name in one step.

    Args:
        name: File name without ending: lower-case words joined by hyphens.
        figures: What was measured; JSON values, with units in the names.
        started: When the run began, UTC; it ends now.
        seeds: Every seed that was used.
        outcome: ``passed``, or ``failed: …``.
        folder: Where the file goes.

    Raises:
        ValueError: *name* is not lower-case words joined by hyphens, or a figure is not JSON (NaN included).
    """
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name):
        raise ValueError(f"evidence is named in lower-case words joined by hyphens, not {name!r}")
    ended = datetime.now(UTC)
    document = {
        "schema_version": 1,
        "name": name,
        "outcome": outcome,
        "commit": commit(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "started": started.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "wall_s": round((ended - started).total_seconds(), 3),
        "seeds": sorted(seeds),
        "figures": dict(figures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    return partial.replace(path)


def commit() -> str:
    """The checked-out commit, followed by ``+changes`` where sources differ from it; ``unknown`` outside a clone."""
    try:
        head = _git("rev-parse", "HEAD")
        # Earlier results of the same run are no change of what is measured.
        pages = ("refusals", "fault-rows")  # What is written from results.
        results = (":(exclude)docs/evidence", *(f":(exclude)docs/reference/{page}.md" for page in pages))
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *results)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    return answer.stdout.strip()
