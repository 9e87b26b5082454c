"""What every test stands on: no ambient settings, a state folder of its own, and no network but loopback."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A busy machine is no failure of a rule: hypothesis judges answers, pytest-timeout judges time.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Where a developer's own keys and settings come from; a test that needs one sets it itself.
AMBIENT = ("HOLDFAST_", "KRAKEN_", "COINBASE_", "OKX_")
_FOLDERS = itertools.count()
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class NetworkForbiddenError(AssertionError):
    """A test tried to leave this machine."""


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Refuse every connection that does not stay on this machine."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(sock: socket.socket, address: object) -> None:
        if sock.family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple):
            host = str(address[0])
            if not (host.startswith("127.") or host in {"localhost", "::1", "::ffff:127.0.0.1", ""}):
                raise NetworkForbiddenError(f"tests may use loopback only, not {host}")

    def checked_connect(sock: socket.socket, address: object) -> None:
        check(sock, address)
        connect(sock, address)  # type: ignore[arg-type]  # Whatever the caller passes, the real one judges.

    def checked_connect_ex(sock: socket.socket, address: object) -> int:
        check(sock, address)
        return connect_ex(sock, address)  # type: ignore[arg-type]

    patch.setattr(socket.socket, "connect", checked_connect)
    patch.setattr(socket.socket, "connect_ex", checked_connect_ex)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def _state_root() -> Iterator[Path]:
    # Not pytest's own temporary folder: a unix socket's path has to stay below about 100 bytes.
    root = Path(tempfile.mkdtemp(prefix="hf-"))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(autouse=True)
def state_dir(_state_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder for this test alone, named by ``HOLDFAST_STATE_DIR``; not created yet."""
    for name in list(os.environ):
        if name.startswith(AMBIENT) or name in PROXIES:
            monkeypatch.delenv(name)
    folder = _state_root / str(next(_FOLDERS)) / "state"
    folder.parent.mkdir()
    monkeypatch.setenv("HOLDFAST_STATE_DIR", str(folder))
    return folder
