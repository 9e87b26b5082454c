"""Peers: other clients, each in its own environment; one that is not installed is said, never a failure."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.clients.environments import ROOT, MissingEnvironmentError, child_environment, python_of

__all__ = ["NOT_INSTALLED", "ask", "interpreter"]

NOT_INSTALLED = "peer not installed: make clients"


def interpreter(client: str) -> str | None:
    """The Python that has *client*, or None."""
    try:
        return str(python_of(client))
    except MissingEnvironmentError:
        return None


def ask(client: str, script: str, order: dict[str, Any], *keys: str) -> dict[str, float | str]:
    """
    The figures *script* of ``bench.peers`` answers to *order*. Blocks.

    Without the client every one of *keys* is answered with how to install it.

    Raises:
        CalledProcessError: The script failed; its error is on stderr.
    """
    python = interpreter(client)
    if python is None:
        return dict.fromkeys(keys, NOT_INSTALLED)
    ended = subprocess.run(
        [python, "-m", f"bench.peers.{script}"],
        input=json.dumps(order),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=child_environment(),
        timeout=300,
        check=True,
    )
    answer: dict[str, float | str] = json.loads(ended.stdout.splitlines()[-1])
    return answer
