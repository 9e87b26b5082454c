"""
Bots that trade while everything fails, 2,000 seeds; and 64 tasks that compete for room for one order, on virtual time.

The 10,000 rounds of that with real processes are the part ``competition``.

    python -m tests.soak trading trading_coinbase trading_okx

Virtual time; the simulated venue's ground truth and the record of what left the client judge it (``tests.scenarios``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from holdfast.testing import run_virtual
from tests.scenarios.compete import compete
from tests.scenarios.runner import Result, run_many
from tools.evidence import FOLDER, evidence

__all__ = ["TradingBrokenError", "main", "summed"]

_APPROVED_AT_LEAST: Final = 0.97
_INVARIANTS: Final = (
    "I1",
    "I2",
    "I3",
    "I5",
    "I6",
    "I9",
    "I10",
    "I11",
    "I12",
    "I15",
    "I16",
    "P1",
    "P4",
    "V5",
    "P8",
    "P10",
)
_TELL_EVERY_S: Final = 20.0


class TradingBrokenError(AssertionError):
    """An invariant did not hold, or too little of what fits was approved."""


def main(
    *,
    quick: bool = False,
    folder: Path = FOLDER,
    told: Callable[[str], None],
    counts: tuple[int, int] | None = None,
    venue: str = "kraken",
) -> str:
    """
    Measure and write the evidence; one line of figures. Raises where an invariant or a bound does not hold.

    *counts* are seeds and rounds, where neither the full nor the quick ones are wanted. *venue* is where it is played:
    at others than Kraken 200 seeds, and no competition, which is a matter of ours and of no venue's.
    """
    if venue != "kraken":
        return _elsewhere(venue, (counts or (20 if quick else 200, 0))[0], folder=folder, told=told)
    seeds, rounds = counts or ((20, 200) if quick else (2_000, 1_000))
    with evidence("trading", seeds=range(seeds), folder=folder) as figures:
        competed = _compete(rounds, told)
        figures["compete"] = competed
        share = _judged(figures, _run(seeds, told))
    return (
        f"{seeds} seeds: every invariant held; {share:.2%} of {figures['trading']['fitting']} intents that fit were "
        f"approved, approvals were possible {figures['trading']['possible_share']:.0%} of the time; "
        f"{competed['tasks']} tasks × {rounds} rounds: exactly one approved in each"
    )


def _elsewhere(venue: str, seeds: int, *, folder: Path, told: Callable[[str], None]) -> str:
    with evidence(f"trading-{venue}", seeds=range(seeds), folder=folder) as figures:
        figures["venue"] = venue
        share = _judged(figures, _run(seeds, told, venue))
        trading = figures["trading"]
    return (
        f"{seeds} seeds at the simulated {venue}: every invariant held; {share:.2%} of {trading['fitting']} intents "
        f"that fit were approved, approvals were possible {trading['possible_share']:.0%} of the time"
    )


def _judged(figures: dict[str, Any], results: list[Result]) -> float:
    """Note what the runs came to; the share of what fits that was approved. Raises where it does not hold."""
    failed = [each for each in results if each.failure is not None]
    figures["invariants_broken"] = {name: _broken(failed, name) for name in _INVARIANTS}
    figures["failed"] = [f"seed {each.seed}: {each.failure}; {each.replay()}" for each in failed]
    figures["trading"] = summed(results)
    if failed:
        raise TradingBrokenError(f"{len(failed)} of {len(results)} failed, the first: {figures['failed'][0]}")
    share: float = figures["trading"]["fitting_approved_share"]
    if share < _APPROVED_AT_LEAST:
        raise TradingBrokenError(f"of the intents that fit only {share:.2%} were approved")
    return share


def summed(results: list[Result]) -> dict[str, Any]:
    """The figures of many runs as one, with the shares that they make."""
    counts: Counter[str] = Counter()
    by_code: dict[str, Counter[str]] = {"missed": Counter(), "denied": Counter()}
    for result in results:
        for name, value in result.figures.get("trading", {}).items():
            if name in by_code:
                by_code[name].update(value)
            else:
                counts[name] += value
    return {
        **counts,
        **{name: dict(found.most_common()) for name, found in by_code.items()},
        "fitting_approved_share": round(counts["fitting_approved"] / max(1, counts["fitting"]), 5),
        "fitting_by_ledger_approved_share": round(
            counts["fitting_by_ledger_approved"] / max(1, counts["fitting_by_ledger"]), 5
        ),
        "possible_share": round(counts["seconds_possible"] / max(1, counts["seconds"]), 4),
        "longest_healing_s": max((each.converged_s or 0.0 for each in results), default=0.0),
        "cpu_s": round(sum(each.cpu_s for each in results), 1),
    }


def _compete(rounds: int, told: Callable[[str], None]) -> dict[str, Any]:
    """In parts, each with a seed of its own: the account of one world cannot keep a million claims in its journal."""
    part = min(rounds, 500)
    found: Counter[str] = Counter()
    by_approved: Counter[str] = Counter()
    began_s = time.monotonic()
    for seed in range(rounds // part):
        came = run_virtual(compete(seed, rounds=part), seed=seed, horizon_s=40 * 86_400)
        by_approved.update(came["rounds_by_approved"])
        found.update({name: came[name] for name in ("rounds", "approved", "denied", "orders_accepted")})
        told(f"compete: {found['rounds']} of {rounds} rounds, {time.monotonic() - began_s:.0f} s")
    return {"tasks": 64, **found, "rounds_by_approved": dict(by_approved)}


def _run(seeds: int, told: Callable[[str], None], venue: str = "kraken") -> list[Result]:
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
            told(f"trading: {done} of {seeds}, {failed} failed, {left_s:.0f} s to go")

    return run_many(("trading",), range(seeds), workers=2, on_result=on_result, venue=venue)


def _broken(failed: list[Result], invariant: str) -> int:
    return sum(f"{invariant} at " in (each.failure or "") for each in failed)
