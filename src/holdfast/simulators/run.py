"""What ``holdfast sim`` runs: one simulator, one ready line, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, TextIO

import msgspec

from holdfast.core.seams import Clock
from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.seam import SimulatedVenue, Timers

__all__ = ["PROFILES", "VENUES", "run_simulator", "simulated_venue"]

PROFILES: Final = ("plain", "earn", "busy", "margin", "empty", "many")
"""Names of the accounts a simulator can start with."""


def _kraken(seed: int, profile: str, clock: Clock, timers: Timers) -> SimulatedVenue:
    from holdfast.simulators.kraken import KrakenSimulator

    return KrakenSimulator(seed=seed, profile=profile, clock=clock, timers=timers)


def _coinbase(seed: int, profile: str, clock: Clock, timers: Timers) -> SimulatedVenue:
    from holdfast.simulators.coinbase import CoinbaseSimulator

    return CoinbaseSimulator(seed=seed, profile=profile, clock=clock, timers=timers)


def _okx(seed: int, profile: str, clock: Clock, timers: Timers) -> SimulatedVenue:
    from holdfast.simulators.okx import OkxSimulator

    return OkxSimulator(seed=seed, profile=profile, clock=clock, timers=timers)


VENUES: Final[dict[str, Callable[[int, str, Clock, Timers], SimulatedVenue]]] = {
    "kraken": _kraken,
    "coinbase": _coinbase,
    "okx": _okx,
}
"""Every venue that can be simulated; each is loaded when it is asked for."""


def simulated_venue(
    venue: str, *, seed: int = 0, profile: str = "plain", clock: Clock | None = None, timers: Timers | None = None
) -> SimulatedVenue:
    """
    Make one simulated venue, for a front.

    Args:
        venue: A name of ``VENUES``.
        seed: The same seed gives the same keys, figures and events.
        profile: A name of ``PROFILES``.
        clock: The venue's time; the system's where None.
        timers: When it acts by itself; the running loop where None.

    Raises:
        ValueError: No such venue or profile.
    """
    if venue not in VENUES:
        raise ValueError(f"no simulator for {venue!r}; there is {', '.join(VENUES)}")
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}; there is {', '.join(PROFILES)}")
    return VENUES[venue](seed, profile, clock or SystemClock(), timers or asyncio.get_running_loop())


def run_simulator(
    venue: str,
    *,
    port: int = 0,
    seed: int = 0,
    tls: bool = False,
    profile: str = "plain",
    host: str = "127.0.0.1",
    out: TextIO | None = None,
    diagnostics: TextIO | None = None,
) -> int:
    """
    Serve *venue* until SIGTERM or SIGINT; blocks.

    Prints one JSON line on *out* when it is ready. With *tls* it also prints, on *diagnostics*, the environment lines
    that make common clients trust its throw-away authority.

    Args:
        port: 0 takes a free one; the ready line names it.
        out: Standard output where None.
        diagnostics: Standard error where None.

    Returns:
        The process's exit code: 0 after being told to stop, 1 where the port cannot be had.

    Raises:
        ValueError: No such venue or profile, or *host* is not a loopback address.
    """
    out = out or sys.stdout
    diagnostics = diagnostics or sys.stderr
    try:
        asyncio.run(_serve(venue, port, seed, tls, profile, host, out, diagnostics))
    except _NoPortError as wrong:
        print(f"cannot listen on {host}:{port}: {wrong}; --port 0 takes a free one", file=diagnostics)
        return 1
    except KeyboardInterrupt:
        pass  # Interrupted before it was ready.
    return 0


class _NoPortError(Exception):
    """The port cannot be had."""


async def _serve(
    venue: str, port: int, seed: int, tls: bool, profile: str, host: str, out: TextIO, diagnostics: TextIO
) -> None:
    # aiohttp and cryptography take a while to load: nobody who only asks for help should wait for them.
    from holdfast.simulators.core.server import serve_simulator
    from holdfast.simulators.core.tls import issue_certificates

    # What a client does wrong is in the journal; the library would also say it on stderr.
    logging.getLogger("aiohttp").addHandler(logging.NullHandler())
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    clock = SystemClock()
    simulated = simulated_venue(venue, seed=seed, profile=profile, clock=clock, timers=loop)
    async with AsyncExitStack() as stack:
        certificates = stack.enter_context(issue_certificates()) if tls else None
        serving = serve_simulator(simulated, host=host, port=port, tls=certificates, clock=clock)
        try:
            served = await stack.enter_async_context(serving)
        except OSError as wrong:
            raise _NoPortError(wrong.strerror or str(wrong)) from None
        if certificates is not None:
            for name, path in certificates.environment().items():
                print(f"{name}={path}", file=diagnostics, flush=True)
        print(msgspec.json.encode(served.ready()).decode(), file=out, flush=True)
        await told.wait()
