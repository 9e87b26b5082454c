"""A local venue in its own process, a configuration that points at it, and the command as a user runs it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Served:
    """A running ``holdfast sim kraken``."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready

    def truth(self) -> dict[str, dict[str, str]]:
        """The venue's own ledger of the master account."""
        with urllib.request.urlopen(f"{self.ready['admin']}/truth") as reply:  # Loopback, our own.
            assets: dict[str, dict[str, str]] = json.load(reply)["accounts"]["master"]["assets"]
        return assets

    def post(self, path: str, document: dict[str, Any]) -> None:
        """Change something at the venue."""
        request = urllib.request.Request(
            f"{self.ready['admin']}/{path}",
            data=json.dumps(document).encode(),
            headers={"content-type": "application/json"},
        )
        urllib.request.urlopen(request).close()


def serve(*arguments: str) -> Served:
    """Start the simulator through the command and wait for its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", "sim", "kraken", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return Served(process, json.loads(process.stdout.readline()))


@pytest.fixture(scope="session")
def shared_venue() -> Iterator[Served]:
    """One venue for every test that leaves it as it was."""
    served = serve()
    yield served
    served.process.terminate()
    served.process.communicate(timeout=10)


@pytest.fixture
def venue() -> Iterator[Served]:
    """A venue of the test's own, to change as it likes."""
    served = serve()
    yield served
    served.process.terminate()
    served.process.communicate(timeout=10)


class Command:
    """The ``holdfast`` command in a folder with its own configuration and state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def configure(self, served: Served, *names: str) -> None:
        """Write a configuration with a broker per name, all of them at *served*."""
        credential = served.ready["credentials"][0]
        for part in ("key", "secret"):
            path = self.folder / part
            path.touch(mode=0o600)
            path.write_text(credential[part] + "\n")
        tables = "".join(
            f"""
[brokers.{name}]
venue = "kraken"
environment = "simulated"
rest_url = "{served.ready["rest"]}"
ws_url = "{served.ready["ws"]}"
credentials = {{ key_file = "key", secret_file = "secret" }}
"""
            for name in names or ("kraken-master",)
        )
        (self.folder / "holdfast.toml").write_text(tables)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start the command and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, "HOLDFAST_STATE_DIR": str(self.folder / "state"), "COLUMNS": "100", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def owning(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """``holdfast up`` once it is ready, for the length of the block; stopped or killed, it is gone afterwards."""
        process = self.start("up", "--output", "json", *arguments)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate(timeout=10)[1]
            assert json.loads(line)["event"] == "ready"
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=15)

    def __call__(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def here(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end in this process: what it says is the same, and a start is spared."""
        from holdfast.cli.run import run

        out, err = io.StringIO(), io.StringIO()
        environ = dict(os.environ)
        os.environ.update({"HOLDFAST_STATE_DIR": str(self.folder / "state"), "COLUMNS": "100"})
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run([*arguments, "--config", str(self.folder / "holdfast.toml")])
        finally:
            os.environ.clear()
            os.environ.update(environ)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def json_here(self, *arguments: str) -> tuple[int, Any]:
        """The same with ``--output json``: its exit code and its document."""
        done = self.here(*arguments, "--output", "json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the user's in the same folder, with the same state."""
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env={**os.environ, "HOLDFAST_STATE_DIR": str(self.folder / "state")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str) -> tuple[int, Any]:
        """Run it with ``--output json``: its exit code and its document."""
        done = self(*arguments, "--output", "json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def holdfast(tmp_path: Path) -> Command:
    """The command, unconfigured."""
    return Command(tmp_path)
