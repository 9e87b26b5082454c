"""
What other people's clients lose to nonces on one shared key, in the harness in which holdfast loses nothing.

    python -m tests.soak peers

The venue is the simulated Kraken, nonce window 0, and every request takes 0 to 5 ms to arrive; its journal counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tests.clients.environments import CLIENTS, python_of
from tests.clients.nonce_race import run_race
from tools.evidence import FOLDER, evidence

__all__ = ["main"]

_CLIENTS: Final = ("ccxt", "python-kraken-sdk")
_CALLERS: Final = (4, 16, 64)


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """
    Measure and write the evidence; one line of figures.

    Raises:
        MissingEnvironmentError: A client is not installed; `make clients` installs them.
    """
    for client in _CLIENTS:
        python_of(client)
    calls = 200 if quick else 2_000
    shares: dict[str, list[float]] = {}
    with evidence("nonces-of-other-clients", seeds=[1], folder=folder) as figures:
        for client in _CLIENTS:
            races = []
            for callers in _CALLERS:
                result = run_race(client, callers=callers, calls=calls)
                races.append(msgspec.to_builtins(result))
                told(f"{client}, {callers} callers: {result.refused} of {result.calls} refused")
            figures[client] = {"version": CLIENTS[client], "races": races}
            shares[client] = [race["refused_share"] for race in races]
    shown = {client: "/".join(f"{share:.0%}" for share in found) for client, found in shares.items()}
    return f"refused with {'/'.join(map(str, _CALLERS))} callers: " + ", ".join(
        f"{client} {text}" for client, text in shown.items()
    )
