"""Daemons as processes: ended in order within five seconds, killed without a gap, reloaded, heard by an init system."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import holdfast
from holdfast.daemon.access import Role, TokenFile
from holdfast.daemon.places import tokens_path
from holdfast.runtime.state_folder import StateFolder
from holdfast.testing import LocalVenue, local_venue
from tests.daemon.lives import Life, started, write_config
from tests.daemon.rig import Sse

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def venue() -> Iterator[LocalVenue]:
    with local_venue("kraken") as found:
        yield found


def bearer_in(folder: Path) -> str:
    tokens = TokenFile(tokens_path(StateFolder.open(folder / "state")))
    return tokens.create("test", Role.OPERATE, wall_us=time.time_ns() // 1000)


@contextlib.asynccontextmanager
async def stream_of(life: Life, bearer: str, last: str | None = None) -> AsyncIterator[Sse]:
    headers = {"Authorization": f"Bearer {bearer}"} | ({} if last is None else {"Last-Event-ID": last})
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session,
        session.get(f"{life.url}/v1/stream", headers=headers) as answer,
    ):
        assert answer.status == 200
        yield Sse(answer)


async def ask(life: Life, method: str, path: str, bearer: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.request(method, f"{life.url}{path}", headers=headers, json=body) as answer,
    ):
        return await answer.json()


async def test_sigterm_ends_a_daemon_with_open_streams_and_attached_desks_within_five_seconds(
    venue: LocalVenue, tmp_path: Path
) -> None:
    config, bearer = write_config(venue, tmp_path), bearer_in(tmp_path)
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(bearer)
    async with started(config) as life, stream_of(life, bearer) as one, stream_of(life, bearer) as other:
        await one.next("hello")
        await other.next("hello")
        async with holdfast.connect(life.url, token_file=token) as desk:
            assert desk["kraken-master"].balance("USD").total is not None
            began_s = time.monotonic()
            assert await life.end(signal.SIGTERM) == 0
            took_s = time.monotonic() - began_s
        assert (await one.next("bye"))[1] == {"reason": "ending"}
        assert took_s < 5.0


@pytest.mark.soak
async def test_killed_and_started_again_a_stream_goes_on_without_a_gap_or_a_duplicate(
    venue: LocalVenue, tmp_path: Path
) -> None:
    config, bearer = write_config(venue, tmp_path), bearer_in(tmp_path)
    base = "/v1/brokers/kraken-master"
    seen: list[int] = []
    mark: str | None = None
    intent = {"symbol": "BTC-USD", "side": "buy", "quote_quantity": "20", "reserve": True, "intent_id": "kept"}
    for kill in range(2):
        async with started(config) as life, stream_of(life, bearer, mark) as stream:
            await stream.next("hello")
            if kill == 0:
                await ask(life, "POST", f"{base}/verify", bearer, intent)
            else:
                view = await ask(life, "GET", f"{base}/reservations/kept", bearer)
                assert view["intent_id"] == "kept"
            for state in ("halted", "active"):
                await ask(life, "POST", f"{base}/trading", bearer, {"state": state})
            newest = (await ask(life, "GET", f"{base}/history?limit=1", bearer))["rows"][0]["seq"]
            while not seen or seen[-1] < newest:
                _, row = await stream.next("journal")
                seen.append(row["seq"])
            mark = stream.last_id
            await life.end(signal.SIGKILL)
    async with started(config) as life:
        kept = await ask(life, "GET", f"{base}/history?limit=4000&newest_first=false", bearer)

    assert seen == list(range(seen[0], seen[-1] + 1))
    assert {row["seq"] for row in kept["rows"]} >= set(seen)


async def test_a_reload_opens_what_changed_anew_and_names_what_needs_a_restart(
    venue: LocalVenue, tmp_path: Path
) -> None:
    config, bearer = write_config(venue, tmp_path), bearer_in(tmp_path)
    async with started(config) as life:
        same = await ask(life, "POST", "/v1/reload", bearer, {})
        write_config(venue, tmp_path, reading={"max_age_s": 25.0}, lane={"wait_s": 7.0})
        changed = await ask(life, "POST", "/v1/reload", bearer, {})
        config.write_text("[brokers]\nnonsense = 1\n")
        refused = await ask(life, "POST", "/v1/reload", bearer, {})
        life.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while "nothing was reloaded" not in life.said():  # noqa: ASYNC110  # Another process writes it.
                await asyncio.sleep(0.05)
        status = await ask(life, "GET", "/v1/brokers/kraken-master/status", bearer)

    assert (same["unchanged"], same["reopened"]) == (["kraken-master"], [])
    assert changed["reopened"] == ["kraken-master"]
    assert changed["needs_restart"] == ["lane"]
    assert refused["error"]["code"] == "config"
    assert status["status"]["health"] in ("healthy", "degraded")


async def test_an_init_system_hears_ready_alive_and_stopping(venue: LocalVenue, tmp_path: Path) -> None:
    config = write_config(venue, tmp_path)
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        address = tmp_path / "n.sock" if len(str(tmp_path)) < 80 else Path("/tmp") / f"hf-{time.time_ns()}.sock"
        notify.bind(str(address))
        notify.setblocking(False)
        environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "300000"}
        async with started(config, environ=environ) as life:
            await life.end(signal.SIGTERM)
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(notify.recv(4096).decode())
    address.unlink()

    text = "\n".join(heard)
    assert "READY=1\nSTATUS=1 brokers open" in text
    assert "WATCHDOG=1" in text
    assert heard[-1] == "STOPPING=1" or "STOPPING=1" in text


async def test_livez_answers_before_the_venue_does(venue: LocalVenue, tmp_path: Path) -> None:
    config = write_config(venue, tmp_path)
    with socket.socket() as silent:  # Takes connections and says nothing.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        config.write_text(config.read_text("utf-8").replace(venue.ready["rest"], f"http://127.0.0.1:{port}"))
        async with started(config, waits_ready=False) as life, aiohttp.ClientSession() as session:
            async with session.get(f"{life.url}/livez") as answer:
                assert answer.status == 200
            async with session.get(f"{life.url}/readyz") as answer:
                assert answer.status == 503
                assert json.loads(await answer.text())["is_ready"] is False
            assert await life.end(signal.SIGTERM) == 0
