"""Where other people's clients are installed: one environment each, because their pins contradict each other's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["CLIENTS", "ROOT", "MissingEnvironmentError", "child_environment", "python_of"]

ROOT: Final = Path(__file__).resolve().parents[2]

CLIENTS: Final = {
    "ccxt": "4.5.90",
    "coinbase-advanced-py": "1.8.4",
    "krakenex": "2.2.2",
    "nautilus-trader": "1.221.0",
    "python-kraken-sdk": "3.5.1",
    "python-okx": "0.4.4",
}
"""Every client and the version its lock pins."""

# Read once, here: tests take every HOLDFAST_ variable out of the environment.
_FOLDER: Final = Path(os.environ.get("HOLDFAST_CLIENT_VENVS") or ROOT / ".venv-clients")

# What a client may inherit. Nothing that redirects it: no proxy, no ambient certificate bundle, no keys.
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class MissingEnvironmentError(AssertionError):
    """A client's environment was not built."""


def python_of(client: str) -> Path:
    """
    The interpreter that has *client* installed.

    Raises:
        MissingEnvironmentError: It was not built; the message says how.
    """
    python = _FOLDER / client / "bin" / "python"
    if not python.exists():
        raise MissingEnvironmentError(f"{client} is not installed in {python.parent.parent}: run `make clients`")
    return python


def child_environment(**more: str) -> dict[str, str]:
    """The environment variables a client's process gets: the harmless ones of ours, and *more*."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Scripts import what they share as tests.clients.scripts, from the checkout and nowhere else.
    return {**kept, "PYTHONPATH": str(ROOT), **more}
