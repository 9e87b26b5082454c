"""
``python -m tests.soak``: the full figures, part by part; each writes its result file into ``docs/evidence/``.

One line per part on stdout, progress on stderr. Exits with 1 where a part failed; the others are run all the same.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.evidence import FOLDER

__all__ = ["PARTS", "main"]

PARTS: Final = (
    "contexts",
    "bounds",
    "refusals",
    "readiness",
    "canary",
    "stops",
    "nonces",
    "peers",
    "wrapped",
    "paused_owner",
    "competition",
    "daemon_kills",
    "crashes",
    "order_crashes",
    "order_crashes_coinbase",
    "order_crashes_okx",
    "breakers",
    "failover",
    "rows",
    "trading_coinbase",
    "trading_okx",
    "trading",
    "days",
)
"""Every part, in the order in which they run: the shorter ones first."""

_ORDER_CRASHES: Final = "order_crashes"
_TRADING: Final = "trading"


def _part(name: str, *, quick: bool, folder: Path, told: Callable[[str], None]) -> str:
    if name == "nonces":
        return _nonces(quick=quick, folder=folder)
    if name.startswith(f"{_ORDER_CRASHES}_"):
        from tests.soak import order_crashes

        venue = name.removeprefix(f"{_ORDER_CRASHES}_")
        return order_crashes.main(quick=quick, folder=folder, told=told, venue=venue)
    if name.startswith(f"{_TRADING}_"):
        from tests.soak import trading

        venue = name.removeprefix(f"{_TRADING}_")
        return trading.main(quick=quick, folder=folder, told=told, venue=venue)
    line: str = importlib.import_module(f"tests.soak.{name}").main(quick=quick, folder=folder, told=told)
    return line


def _nonces(*, quick: bool, folder: Path) -> str:
    from tests.soak import nonces

    calls = 1_000 if quick else 20_000
    if nonces.main(["--calls", str(calls), "--evidence", str(folder)]):
        raise AssertionError("see its result file, nonces-8-processes.json")
    return f"{calls} calls per venue of 8 processes × 4 callers, kills and clock steps: 0 refused"


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for, everything where nothing was."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="small figures, written to a folder of their own")
    parser.add_argument("--evidence", type=Path, help="folder of the result files")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.part if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}: one of {', '.join(PARTS)}")
    # Small figures prove that the harness works, and nothing that may replace a committed result.
    folder = given.evidence or (Path(tempfile.mkdtemp(prefix="hf-soak-")) if given.quick else FOLDER)
    failed: list[str] = []
    for name in given.part or PARTS:
        began_s = time.monotonic()
        try:
            line = _part(name, quick=given.quick, folder=folder, told=_tell)
        except Exception as error:  # The top of a part: whatever broke is its result.
            failed.append(name)
            line = f"FAILED: {'; '.join(_leaves(error))}"
        print(f"{name} ({time.monotonic() - began_s:.0f} s): {line}", flush=True)
    print(f"{len(failed)} failed{': ' + ', '.join(failed) if failed else ''}; result files in {folder}", flush=True)
    return 1 if failed else 0


def _leaves(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [f"{type(error).__name__}: {error}"]


def _tell(text: str) -> None:
    sys.stderr.write(f"  {text}\n")


if __name__ == "__main__":
    sys.exit(main())
