"""A simulated venue in a process of its own, for examples and for tests of whole bots over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["LocalVenue", "local_venue"]

_ANSWERS_WITHIN_S = 10.0


class LocalVenue:
    """
    A running simulator.

    Attributes:
        ready: What the simulator said when it was ready: its addresses and throw-away credentials.
        config: Goes into ``holdfast.open``: one broker, ``<venue>-master``, with files and state of its own.
    """

    def __init__(self, ready: dict[str, Any], folder: Path) -> None:
        self.ready = ready
        venue, credential = ready["venue"], ready["credentials"][0]
        parts = {name: value for name in ("key", "secret", "passphrase") if (value := credential[name]) is not None}
        files = {f"{name}_file": folder / name for name in parts}
        for path, value in zip(files.values(), parts.values(), strict=True):
            path.touch(mode=0o600)
            path.write_text(value)
        self.config: dict[str, Any] = {
            "state_dir": str(folder / "state"),
            "alerts": {"enabled": False},  # Nobody is to be woken for it, whatever the environment names.
            "brokers": {
                f"{venue}-master": {
                    "venue": venue,
                    "environment": "simulated",
                    "rest_url": ready["rest"],
                    "ws_url": ready["ws"],
                    "credentials": {name: str(path) for name, path in files.items()},
                }
            },
        }

    def happen(self, **event: Any) -> None:
        """Let something happen at the venue: a deposit, a withdrawal, somebody else's trade. Blocks briefly."""
        self.post("events", event)

    def fault(self, **fault: Any) -> None:
        """Let something go wrong at the venue. Blocks briefly."""
        self.post("faults", {"add": [fault]})

    def act_out(self, row: str, *, seed: int = 0) -> dict[str, Any]:
        """
        Let one row of the fault table happen (``W5``), as the seed draws it; what exactly was done. Blocks briefly.

        Raises ``HTTPError`` where the venue acts out no such row.
        """
        return self.post("plan", {"row": row, "seed": seed})

    def heal(self) -> None:
        """Let nothing go wrong any more. Blocks briefly."""
        self.post("faults", {"clear": True})

    def truth(self) -> dict[str, dict[str, str]]:
        """What the account really holds: asset to ``total``, ``held`` and ``available``, as exact text. Blocks."""
        with urllib.request.urlopen(self.ready["admin"] + "/truth", timeout=_ANSWERS_WITHIN_S) as answer:  # noqa: S310
            found: dict[str, dict[str, str]] = json.load(answer)["accounts"]["master"]["assets"]
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """
        Send *body* to *path* below the admin address; what it answers.

        Blocks briefly; raises ``HTTPError`` where it is refused.
        """
        request = urllib.request.Request(  # noqa: S310  # The address is the simulator's own.
            f"{self.ready['admin']}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_ANSWERS_WITHIN_S) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
        return told


@contextlib.contextmanager
def local_venue(venue: str = "kraken", *, seed: int = 0, profile: str = "plain") -> Iterator[LocalVenue]:
    """
    Run a simulated venue for the length of the block. Blocks while it starts, about a second.

    Raises:
        RuntimeError: It did not start; it says why on stderr.
    """
    command = [sys.executable, "-m", "holdfast.cli", "sim", venue]
    command += ["--port", "0", "--seed", str(seed), "--profile", profile]
    environment = {
        name: value for name, value in os.environ.items() if "_API_" not in name and "_ALERT_" not in name
    } | {"NO_COLOR": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-") as folder,
        # In a session of its own: Ctrl-C is for whoever runs the block, and the simulator goes last.
        subprocess.Popen(  # noqa: S603  # Our own command.
            command, stdout=subprocess.PIPE, env=environment, start_new_session=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the simulator of {venue} did not start")
            yield LocalVenue(json.loads(line), Path(folder))
        finally:
            process.terminate()
