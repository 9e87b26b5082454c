"""A simulated venue in a process of its own, and client scripts run against it."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.clients.environments import ROOT, child_environment, python_of

__all__ = ["Simulator", "running"]


class Simulator:
    """One running simulator, as its ready line announced it."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.key: str = ready["credentials"][0]["key"]
        self._context = ssl.create_default_context(cafile=ready["ca"]) if "ca" in ready else None

    def run(self, client: str, script: str) -> dict[str, Any]:
        """Run one script in *client*'s environment; its report."""
        trusted = {}
        if "ca" in self.ready:
            trusted = {"REQUESTS_CA_BUNDLE": self.ready["ca"], "SSL_CERT_FILE": self.ready["ca"]}
        ended = subprocess.run(
            [python_of(client), "-m", f"tests.clients.scripts.{script}"],
            input=json.dumps(self.ready),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=child_environment(**trusted),
            timeout=90,
            check=False,
        )
        assert ended.returncode == 0, f"{script} failed:\n{ended.stderr}"
        report: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return report

    def truth(self) -> dict[str, dict[str, str]]:
        """What the account really holds."""
        assets: dict[str, dict[str, str]] = self._get("truth")["accounts"]["master"]["assets"]
        return assets

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """Every journal entry from *since* on."""
        entries: list[dict[str, Any]] = self._get(f"journal?since={since}")["entries"]
        return entries

    def use_new_key(self, **fields: Any) -> None:
        """Give the account another key, made as *fields* of the event say, and let scripts use that one."""
        event = {"kind": "new_key", "name": "another", **fields}
        content = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.ready['admin']}/events", json.dumps(event).encode(), content)
        with urllib.request.urlopen(request, context=self._context) as reply:
            credential = json.load(reply)["credential"]
        self.ready = {**self.ready, "credentials": [credential]}
        self.key = credential["key"]

    def _get(self, page: str) -> Any:
        with urllib.request.urlopen(f"{self.ready['admin']}/{page}", context=self._context) as reply:
            return json.load(reply)


@contextmanager
def running(*arguments: str, venue: str = "kraken") -> Iterator[Simulator]:
    """A simulated venue started like a user's, until the block ends; it has to end well and in silence."""
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast.simulators", venue, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the simulator did not start:\n{process.stderr.read() if process.stderr else ''}"
        yield Simulator(json.loads(line))
        process.terminate()
        _, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert [text for text in err.splitlines() if ".pem" not in text] == []
    finally:
        process.terminate()  # Not kill: it has a certificate folder to take away.
        process.communicate(timeout=10)
