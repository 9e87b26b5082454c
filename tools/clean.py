"""Remove what the Makefile builds: environments, caches, the built documentation. Needs nothing but Python."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BUILT = (
    ".venv",
    ".venv-run",
    ".venv-lock",
    ".venv-clients",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "build",
    "dist",
    "htmlcov",
    "site",
)
OURS = ("bench", "examples", "src", "tests", "tools")


def main() -> None:
    for name in BUILT:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for room in OURS:
        for cache in (ROOT / room).rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
    for leftover in ROOT.glob(".coverage*"):
        leftover.unlink()


if __name__ == "__main__":
    main()
