"""``holdfast sim VENUE``: serve a local venue."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

__all__ = ["coinbase", "kraken", "okx"]

Profile = Literal["plain", "earn", "busy", "margin", "empty", "many"]


Port = Annotated[
    int, Parameter(help="Port; 0 picks a free one and the ready line names it.", validator=Number(gte=0, lte=65535))
]
Seed = Annotated[int, Parameter(help="Seed of keys, prices and faults: the same seed gives the same venue.")]
Tls = Annotated[bool, Parameter(negative="", help="Serve https and wss with a throw-away CA.")]
OfProfile = Annotated[Profile, Parameter(help="The account to serve.")]


def kraken(*, port: Port = 0, seed: Seed = 1, tls: Tls = False, profile: OfProfile = "plain") -> int:
    """
    Serve a local Kraken until SIGTERM.

    Prints one JSON line on stdout when ready: addresses, admin API and throw-away credentials.
    """
    return _serve("kraken", port=port, seed=seed, tls=tls, profile=profile)


def coinbase(*, port: Port = 0, seed: Seed = 1, tls: Tls = False, profile: OfProfile = "plain") -> int:
    """
    Serve a local Coinbase Advanced until SIGTERM.

    Prints one JSON line on stdout when ready: addresses, admin API and throw-away credentials.
    """
    return _serve("coinbase", port=port, seed=seed, tls=tls, profile=profile)


def okx(*, port: Port = 0, seed: Seed = 1, tls: Tls = False, profile: OfProfile = "plain") -> int:
    """
    Serve a local OKX until SIGTERM.

    Prints one JSON line on stdout when ready: addresses, admin API and throw-away credentials.
    """
    return _serve("okx", port=port, seed=seed, tls=tls, profile=profile)


def _serve(venue: str, *, port: int, seed: int, tls: bool, profile: Profile) -> int:
    from holdfast.simulators.run import run_simulator

    return run_simulator(venue, port=port, seed=seed, tls=tls, profile=profile)
