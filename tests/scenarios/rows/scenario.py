"""What a scenario of a row is, and how one is made of a function."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, Literal, TypeVar

import msgspec

from holdfast.testing import run_virtual
from tests.scenarios.rows.table import ROWS

__all__ = ["SCENARIOS", "Outcome", "Scenario", "calling", "on_virtual_time", "over_sockets", "run"]

Measured = dict[str, Any]
_Timed = TypeVar("_Timed", bound=Callable[[int], Coroutine[Any, Any, Measured]])
_Called = TypeVar("_Called", bound=Callable[[int], Measured])

_HORIZON_S: Final = 400 * 86_400


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """
    One scenario: it makes its row happen, raises where a promise breaks, and returns what it measured.

    ``how`` is how the row is made to happen. ``seeds`` is how many the full run takes; a scenario that is not
    ``sampled`` is left out of the default tests.
    """

    row: str
    name: str
    how: str
    front: Literal["memory", "sockets"]
    run: Callable[[int], Measured]
    seeds: int
    sampled: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one scenario came to with one seed; ``failure`` is None where all held."""

    row: str
    name: str
    seed: int
    failure: str | None
    measured: Measured
    cpu_s: float

    def replay(self) -> str:
        """The command that runs exactly this again."""
        return f"python -m tests.scenarios.rows {self.row} --seed {self.seed}"


SCENARIOS: Final[dict[str, Scenario]] = {}
"""Every scenario by its name; filled by importing the groups."""


def _register(
    function: Callable[..., Any], run: Callable[[int], Measured], *, front: Any, seeds: int, sampled: bool
) -> None:
    row = function.__name__.partition("_")[0].upper()
    if row not in ROWS:
        raise ValueError(f"{function.__name__} is named after no row: {row}")
    how = (inspect.getdoc(function) or "").partition("\n")[0]
    name = function.__name__
    SCENARIOS[name] = Scenario(row=row, name=name, how=how, front=front, run=run, seeds=seeds, sampled=sampled)


def on_virtual_time(*, seeds: int = 20, sampled: bool = True) -> Callable[[_Timed], _Timed]:
    """A scenario in memory, on virtual time."""

    def register(function: _Timed) -> _Timed:
        def run(seed: int) -> Measured:
            return run_virtual(function(seed), seed=seed, horizon_s=_HORIZON_S)

        _register(function, run, front="memory", seeds=seeds, sampled=sampled)
        return function

    return register


def calling(
    *, seeds: int = 20, sampled: bool = True, front: Literal["memory", "sockets"] = "memory"
) -> Callable[[_Called], _Called]:
    """A scenario that brings its own loop, or needs none."""

    def register(function: _Called) -> _Called:
        _register(function, function, front=front, seeds=seeds, sampled=sampled)
        return function

    return register


def over_sockets(*, seeds: int = 1, sampled: bool = False) -> Callable[[_Timed], _Timed]:
    """A scenario over real sockets, in real time."""

    def register(function: _Timed) -> _Timed:
        def run(seed: int) -> Measured:
            return asyncio.run(function(seed))

        _register(function, run, front="sockets", seeds=seeds, sampled=sampled)
        return function

    return register


def run(scenario: Scenario, seed: int) -> Outcome:
    """Run one scenario with one seed. Never raises for what it finds."""
    began_s = time.process_time()
    measured: Measured = {}
    failure = None
    try:
        measured = scenario.run(seed)
    except Exception as error:  # The top of a scenario: whatever broke is its result.
        failure = "; ".join(_leaves(error))
    return Outcome(
        row=scenario.row,
        name=scenario.name,
        seed=seed,
        failure=failure,
        measured=measured,
        cpu_s=round(time.process_time() - began_s, 3),
    )


def _leaves(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield f"{type(error).__name__}: {error}"
