"""
Outages that heal, 1,000 seeds: every breaker closes within a break and two trials, without a person.

    python -m tests.soak breakers

And: every documented refusal that is no fault of the venue's, a thousand times each, opens nothing; during lockouts no
call reaches the venue; a key that is gone is tried once in five minutes. Virtual time; the simulated venue's journal
and the client's own words are judged (``tests.scenarios``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from holdfast.testing import run_virtual
from tests.scenarios.quiet import BUSINESS, lockout_silence, refused_orders, revoked_key
from tests.scenarios.runner import Result, run_many
from tools.evidence import FOLDER, evidence

__all__ = ["BreakersBrokenError", "main", "summed"]

_HORIZON_S: Final = 400 * 86_400
_INVARIANTS: Final = ("I2", "I3", "I5", "I6", "I7", "I8", "I12", "I14", "I16", "P1", "P6", "P8")
_TELL_EVERY_S: Final = 20.0


class BreakersBrokenError(AssertionError):
    """A breaker did not heal, or opened for what is no fault of the venue's; or silence was broken."""


def main(
    *,
    quick: bool = False,
    folder: Path = FOLDER,
    told: Callable[[str], None],
    counts: tuple[int, int] | None = None,
) -> str:
    """
    Measure and write the evidence; one line of figures. Raises where an invariant or a bound does not hold.

    *counts* are seeds and refusals of each kind, where neither the full nor the quick ones are wanted.
    """
    seeds, refusals = counts or ((12, 20) if quick else (1_000, 1_000))
    with evidence("breakers", seeds=range(seeds), folder=folder) as figures:
        figures["refusals"] = refused = _refuse(refusals, told)
        figures["lockout"] = lockout = run_virtual(lockout_silence(for_s=1800.0), seed=0, horizon_s=_HORIZON_S)
        hours = 1.0 if quick else 24.0
        figures["revoked_key"] = revoked = run_virtual(revoked_key(hours=hours), seed=0, horizon_s=_HORIZON_S)
        told(f"lockout {lockout}; revoked key {revoked}")
        results = _run(seeds, told)
        failed = [each for each in results if each.failure is not None]
        figures["invariants_broken"] = {name: _broken(failed, name) for name in _INVARIANTS}
        figures["failed"] = [f"seed {each.seed}: {each.failure}; {each.replay()}" for each in failed]
        figures["breakers"] = found = summed(results)
        if failed:
            raise BreakersBrokenError(f"{len(failed)} of {len(results)} failed, the first: {figures['failed'][0]}")
        if refused["openings"] or refused["errors_counted"]:
            raise BreakersBrokenError(f"refusals opened a breaker or were counted: {refused}")
        if lockout["calls"]:
            raise BreakersBrokenError(f"{lockout['calls']} calls during a lockout")
        if revoked["signed_calls"] > revoked["allowed"] or any(revoked["openings"].values()):
            raise BreakersBrokenError(f"a key that is gone: {revoked}")
    return (
        f"{seeds} seeds: {found['openings']} openings, {found['heals_of_open']} of {found['heals']} outages healed "
        f"with a breaker open, all closed within their bounds and none by a person; {refused['kinds']} refusals × "
        f"{refusals} opened nothing; 0 calls in a lockout; {revoked['signed_calls']} calls in {hours:g} h with a key "
        "that is gone"
    )


def summed(results: list[Result]) -> dict[str, Any]:
    """The figures of many runs as one."""
    counts: Counter[str] = Counter()
    by_capability: dict[str, Counter[str]] = {"openings": Counter(), "closings": Counter()}
    for result in results:
        for name, value in result.figures.get("breakers", {}).items():
            if name in by_capability:
                by_capability[name].update(value)
            elif name != "longest_heal_s":
                counts[name] += value
    return {
        **counts,
        "openings": sum(by_capability["openings"].values()),
        **{f"{name}_by_capability": dict(found.most_common()) for name, found in by_capability.items()},
        "longest_heal_s": max((each.converged_s or 0.0 for each in results), default=0.0),
        "cpu_s": round(sum(each.cpu_s for each in results), 1),
    }


def _refuse(orders: int, told: Callable[[str], None]) -> dict[str, Any]:
    openings = errors = refused = 0
    told_s = time.monotonic()
    for number, error in enumerate(BUSINESS):
        found = run_virtual(refused_orders(error, orders=orders, seed=number), seed=number, horizon_s=_HORIZON_S)
        openings += sum(found["openings"].values())
        errors += found["error_count"]
        refused += orders
        if time.monotonic() - told_s > _TELL_EVERY_S:
            told_s = time.monotonic()
            told(f"refusals: {number + 1} of {len(BUSINESS)} kinds, {orders} of each")
    return {"kinds": len(BUSINESS), "refused": refused, "openings": openings, "errors_counted": errors}


def _run(seeds: int, told: Callable[[str], None]) -> list[Result]:
    start_s = told_s = time.monotonic()
    done = failed = 0

    def on_result(result: Result) -> None:
        nonlocal done, failed, told_s
        done += 1
        failed += result.failure is not None
        now_s = time.monotonic()
        if result.failure is not None:
            told(f"seed {result.seed}: {result.failure}; {result.replay()}")
        if now_s - told_s > _TELL_EVERY_S or done == seeds:
            told_s = now_s
            left_s = (now_s - start_s) / done * (seeds - done)
            told(f"breakers: {done} of {seeds}, {failed} failed, {left_s:.0f} s to go")

    return run_many(("breakers",), range(seeds), workers=2, on_result=on_result)


def _broken(failed: list[Result], invariant: str) -> int:
    return sum(f"{invariant} at " in (each.failure or "") for each in failed)
