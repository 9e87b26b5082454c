"""What a row reports, and how two things are timed beside each other."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

__all__ = ["Figure", "Scale", "beside", "cost_figure", "figure", "machine", "median"]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. ``repeats`` is at least five in a full run; medians are reported."""

    is_quick: bool = False

    @property
    def repeats(self) -> int:
        """Interleaved repeats of one comparison."""
        return 2 if self.is_quick else 7

    def of(self, full: int, quick: int) -> int:
        """*full*, or *quick* in a quick run."""
        return quick if self.is_quick else full


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """
    One line of the table; ``floor`` and ``ours`` are medians in ``unit``, ``ratio`` is ours / floor.

    ``peers`` has a number in ``unit`` per client, or why there is none. ``facts`` are further numbers a goal needs.
    """

    row: str
    case: str
    unit: str
    floor: float
    ours: float
    ratio: float
    goal: str
    is_met: bool
    peers: dict[str, float | str] = {}
    facts: dict[str, float] = {}


def median(values: list[float]) -> float:
    """The median of *values*."""
    return statistics.median(values)


def beside(
    steps: Mapping[str, Callable[[], object]], *, calls: int, repeats: int, clock_ns: Callable[[], int] | None = None
) -> dict[str, float]:
    """
    Median microseconds per call of each step, one after the other in every repeat. Blocks.

    The garbage collector is off while one step is timed, and every step is run once before, so none pays for the first.
    """
    now_ns = clock_ns or time.thread_time_ns
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(repeats):
        for name, step in steps.items():
            gc.collect()
            gc.disable()
            try:
                began_ns = now_ns()
                for _ in range(calls):
                    step()
                times[name].append((now_ns() - began_ns) / calls / 1000)
            finally:
                gc.enable()
    return {name: median(each) for name, each in times.items()}


def figure(
    row: str,
    case: str,
    *,
    unit: str,
    floor: float,
    ours: float,
    goal: str,
    is_met: bool,
    peers: Mapping[str, float | str] | None = None,
    facts: Mapping[str, float] | None = None,
) -> Figure:
    """A figure whose ratio is worked out, rounded to what is worth reading."""
    return Figure(
        row=row,
        case=case,
        unit=unit,
        floor=_short(floor),
        ours=_short(ours),
        ratio=_short(ours / floor),
        goal=goal,
        is_met=is_met,
        peers={name: value if isinstance(value, str) else _short(value) for name, value in (peers or {}).items()},
        facts={name: _short(value) for name, value in (facts or {}).items()},
    )


def cost_figure(row: str, case: str, *, unit: str, floor: float, ours: float, at_most: float, **more: Any) -> Figure:
    """A figure whose goal is a bound on its ratio."""
    is_met = ours / floor <= at_most
    return figure(row, case, unit=unit, floor=floor, ours=ours, goal=f"ratio ≤ {at_most:g}", is_met=is_met, **more)


def machine() -> dict[str, Any]:
    """The machine as it is now; ``load_average`` over 1, 5 and 15 minutes."""
    return {
        "cpu_count": os.cpu_count(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": [round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
