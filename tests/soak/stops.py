"""
A lane whose holder is stopped: what thirty-two waiters in four processes are told, when, and that nothing is stolen.

    python -m tests.soak stops
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from holdfast.core.seams import Priority
from holdfast.errors import CredentialBusyError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane
from tests.processes.nonce_race import ROOT, end
from tools.evidence import FOLDER, evidence

__all__ = ["StolenLaneError", "main", "measure"]

BOUND_S: Final = 10.0
"""How long a turn is waited for where nothing else is configured."""

_PROCESSES: Final = 4
_TASKS: Final = 8
_LATE_S: Final = 1.0  # A busy machine wakes its processes late.


class StolenLaneError(AssertionError):
    """A waiter was left waiting, told something wrong, or let in."""


async def measure(folder: Path, *, bound_s: float) -> dict[str, Any]:
    """Stop a holder, count what its waiters are told, let it go on; stop another and kill it."""
    path = folder / "lane-stopped"
    async with contextlib.AsyncExitStack() as stack:
        holder = await _script(stack, "hold", str(path))
        nonce = (await _line(holder))["nonce"]
        holder.send_signal(signal.SIGSTOP)
        waiters = [await _waiter(stack, path, bound_s) for _ in range(_PROCESSES)]
        told = [outcome for waiter in waiters for outcome in (await _line(waiter))["outcomes"]]
        _judge(told, holder.pid, bound_s)
        holder.send_signal(signal.SIGCONT)
        assert holder.stdin is not None
        holder.stdin.write(b"send\n")
        if not (await _line(holder)).get("sent"):
            raise StolenLaneError("the holder that went on could not finish its turn")
        began_s = time.monotonic()
        after = [await _line(waiter) for waiter in waiters]
        resumed_s = time.monotonic() - began_s
        nonces = sorted(taken for each in after for taken in each["taken"])
        if len(set(nonces)) != _PROCESSES * _TASKS or nonces[0] <= nonce:
            raise StolenLaneError(f"after {nonce} came {nonces[:3]}, {len(set(nonces))} different ones")

        killed = await _script(stack, "hold", str(path))
        held = (await _line(killed))["nonce"]
        killed.send_signal(signal.SIGSTOP)
        began_s = time.monotonic()
        killed.kill()
        async with FileLane(path, clock=SystemClock()).turn(priority=Priority.ORDER, wait_s=bound_s) as turn:
            freed_s = time.monotonic() - began_s
            if await turn.take() <= held:
                raise StolenLaneError("a dead holder's nonce came again")
    waited = sorted(outcome["waited_s"] for outcome in told)
    return {
        "waiters": len(told),
        "bound_s": bound_s,
        "told_busy_with_the_holders_pid": len(told),
        "shortest_wait_s": waited[0],
        "longest_wait_s": waited[-1],
        "lane_stolen": 0,
        "all_served_after_it_went_on_s": round(resumed_s, 3),
        "free_after_it_was_killed_s": round(freed_s, 3),
    }


def _judge(told: list[dict[str, Any]], pid: int, bound_s: float) -> None:
    for outcome in told:
        if outcome["pid"] != pid:
            raise StolenLaneError(f"a waiter of a lane that {pid} holds was told {outcome}")
        if not bound_s - 0.05 <= outcome["waited_s"] <= bound_s + _LATE_S:
            raise StolenLaneError(f"a waiter was told after {outcome['waited_s']} s, bound {bound_s} s")


async def _script(stack: contextlib.AsyncExitStack, *arguments: str) -> asyncio.subprocess.Process:
    return await _start(stack, "tests.processes.lane_scripts", *arguments)


async def _waiter(stack: contextlib.AsyncExitStack, path: Path, bound_s: float) -> asyncio.subprocess.Process:
    return await _start(stack, "tests.soak.stops", "--waiter", str(path), str(bound_s))


async def _start(stack: contextlib.AsyncExitStack, *arguments: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    stack.push_async_callback(end, process)
    return process


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    if not line:
        raise StolenLaneError(f"a process ended with {await process.wait()}")
    facts: dict[str, Any] = json.loads(line)
    return facts


async def _wait(path: str, bound_s: float) -> None:
    """One waiting process: be refused once with every task, then be served."""
    lane = FileLane(path, clock=SystemClock(), wait_s=bound_s)

    async def refused() -> dict[str, Any]:
        began_s = time.monotonic()
        try:
            async with lane.turn(priority=Priority.BALANCE):
                return {"pid": os.getpid(), "waited_s": 0.0}
        except CredentialBusyError as error:
            return {"pid": error.pid, "waited_s": round(time.monotonic() - began_s, 3)}

    async def served() -> int:
        async with lane.turn(priority=Priority.BALANCE, wait_s=60.0) as turn:
            return await turn.take()

    print(json.dumps({"outcomes": await asyncio.gather(*(refused() for _ in range(_TASKS)))}), flush=True)
    print(json.dumps({"taken": await asyncio.gather(*(served() for _ in range(_TASKS)))}), flush=True)


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """Measure and write the evidence; one line of figures. Raises where a bound does not hold."""
    with (
        evidence("stopped-holder", folder=folder) as figures,
        tempfile.TemporaryDirectory(prefix="hf-stops-") as place,
    ):
        figures.update(asyncio.run(measure(Path(place), bound_s=2.0 if quick else BOUND_S)))
    told(f"{figures}")
    return (
        f"{figures['waiters']} waiters told the stopped holder's pid after {figures['longest_wait_s']:.2f} s at most "
        f"(bound {figures['bound_s']:.0f} s), nothing stolen; free {figures['free_after_it_was_killed_s']:.2f} s after "
        "its death"
    )


if __name__ == "__main__":
    asyncio.run(_wait(sys.argv[2], float(sys.argv[3])))
