"""The simulator as a process: ready line, silence, and how it stops."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from holdfast.simulators.run import run_simulator, simulated_venue

UPGRADE = (
    b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast.simulators", "kraken", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()  # Not kill: it has a certificate folder to take away.
        process.communicate(timeout=10)


def test_ready_line_comes_first_and_sigterm_ends_it_silently_with_a_stream_open() -> None:
    with started("--seed", "5") as (process, ready):
        assert ready["venue"] == "kraken"
        assert set(ready) == {"venue", "rest", "ws", "admin", "credentials"}
        (credential,) = ready["credentials"]
        assert credential["key"].startswith("SIM")
        assert set(credential) == {"account", "key", "secret", "passphrase", "nonce_window"}
        with urllib.request.urlopen(f"{ready['rest']}/0/public/Time") as reply:
            assert json.load(reply)["error"] == []
            assert reply.headers["X-Holdfast-Simulator"] == "kraken/1"

        async def leave_a_stream_open() -> float:
            async with aiohttp.ClientSession() as client, client.ws_connect(ready["ws"]) as stream:
                await stream.receive()
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(process.wait, 10)
                return time.monotonic() - began

        assert asyncio.run(leave_a_stream_open()) < 2
        rest_of_out, err = process.communicate()
        assert (process.returncode, rest_of_out, err) == (0, "", "")


def test_tls_prints_the_environment_that_makes_clients_trust_it() -> None:
    with started("--tls") as (process, ready):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert err.splitlines() == [
        f"{name}={ready['ca']}" for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    ]
    assert not Path(ready["ca"]).exists()


def test_what_clients_do_wrong_is_not_said_on_stderr() -> None:
    with started("--tls") as (process, ready):
        port = int(ready["rest"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # Not TLS at all.
            plain.recv(1000)
        context = ssl.create_default_context(cafile=ready["ca"])
        for request in (
            b"NONSENSE\r\n\r\n",
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
            b"POST /0/private/Balance HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            UPGRADE + b"Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x05plain",
        ):
            with (
                socket.create_connection(("127.0.0.1", port)) as raw,
                context.wrap_socket(raw, server_hostname="127.0.0.1") as secure,
            ):
                secure.sendall(request)
                assert secure.recv(1000)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert [line for line in err.splitlines() if not line.endswith(ready["ca"])] == []


def test_same_seed_gives_the_same_keys() -> None:
    loop = asyncio.new_event_loop()
    try:
        keys = [simulated_venue("kraken", seed=seed, timers=loop).credentials()[0]["key"] for seed in (1, 1, 2)]
    finally:
        loop.close()
    assert keys[0] == keys[1] != keys[2]


def test_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = io.StringIO()
        assert run_simulator("kraken", port=taken.getsockname()[1], out=io.StringIO(), diagnostics=said) == 1
    assert "--port 0" in said.getvalue()
    assert said.getvalue().count("\n") == 1


def test_unknown_venue_or_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there is kraken"):
        run_simulator("mtgox")
    with pytest.raises(ValueError, match="there is plain, earn"):
        run_simulator("kraken", profile="rich")
