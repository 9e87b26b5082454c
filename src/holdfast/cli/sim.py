"""``holdfast sim VENUE``: serve a local venue."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

__all__ = ["kraken"]

Profile = Literal["plain", "earn", "busy", "margin", "empty", "many"]


def kraken(
    *,
    port: Annotated[
        int, Parameter(help="Port; 0 picks a free one and the ready line names it.", validator=Number(gte=0, lte=65535))
    ] = 0,
    seed: Annotated[int, Parameter(help="Seed of keys, prices and faults: the same seed gives the same venue.")] = 1,
    tls: Annotated[bool, Parameter(negative="", help="Serve https and wss with a throw-away CA.")] = False,
    profile: Annotated[Profile, Parameter(help="The account to serve.")] = "plain",
) -> int:
    """
    Serve a local Kraken until SIGTERM.

    Prints one JSON line on stdout when ready: addresses, admin API and throw-away credentials.
    """
    from holdfast.simulators.run import run_simulator

    return run_simulator("kraken", port=port, seed=seed, tls=tls, profile=profile)
