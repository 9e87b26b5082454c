"""A daemon on loopback over pretended venues: what the tests of its HTTP stand on. Real sockets, no real waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

import holdfast
from holdfast.config import DaemonSettings
from holdfast.daemon.access import Role
from holdfast.daemon.daemon import Daemon
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.desk import Desk
from holdfast.testing import memory_config, memory_parts
from holdfast.testing.venues import FakeVenue

BROKER = "acme-master"


class Rig:
    """One daemon, its desk, and a client for each role."""

    def __init__(self, daemon: Daemon, session: aiohttp.ClientSession, venue: FakeVenue) -> None:
        self.daemon = daemon
        self.session = session
        self.venue = venue
        self.said: list[str] = []
        self._tokens: dict[Role, str] = {}

    @property
    def desk(self) -> Desk:
        desk = self.daemon.api.desk
        assert desk is not None
        return desk

    @property
    def port(self) -> int:
        assert self.daemon.url is not None
        return int(self.daemon.url.rpartition(":")[2])

    def token(self, role: Role | str) -> str:
        role = Role(role)
        if role not in self._tokens:
            tokens = self.daemon.access.tokens
            self._tokens[role] = tokens.create(f"test-{role.value}", role, wall_us=SystemClock().wall_us())
        return self._tokens[role]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        role: Role | str | None = "operate",
        body: Any = None,
        headers: dict[str, str] | None = None,
        data: Any = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON where it is) and headers."""
        given = {"Authorization": f"Bearer {self.token(role)}"} if role is not None else {}
        options: dict[str, Any] = {"data": data} if data is not None else {}
        if body is not None:
            options["json"] = body
        async with self.session.request(
            method, f"{self.daemon.url}{path}", headers={**given, **(headers or {})}, allow_redirects=False, **options
        ) as answer:
            text = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            return answer.status, json.loads(text) if "json" in kind else text, dict(answer.headers)

    async def get(self, path: str, **more: Any) -> Any:
        status, document, _ = await self.ask("GET", path, **more)
        assert status == 200, (status, document)
        return document

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        status, document, _ = await self.ask("POST", path, body={} if body is None else body, **more)
        assert status == 200, (status, document)
        return document

    async def raw(self, text: bytes, *, within_s: float = 5.0) -> bytes:
        """What comes back for exactly these bytes, until the other end closes or falls silent for a moment."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        found = b""
        try:
            writer.write(text)
            async with asyncio.timeout(within_s):
                with contextlib.suppress(ConnectionError):
                    while part := await reader.read(65536):
                        found += part
                        if b"\r\n\r\n" in found and b"Connection: close" not in found:
                            break
        finally:
            writer.transport.abort()
        return found

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str = "/v1/stream", *, last: str | None = None, role: str = "read"
    ) -> AsyncIterator[Sse]:
        headers = {"Authorization": f"Bearer {self.token(role)}", "Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        async with self.session.get(f"{self.daemon.url}{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            yield Sse(answer)


class Sse:
    """The messages of one stream, parsed as a browser would."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.last_id: str | None = None

    async def next(self, *kinds: str, within_s: float = 10.0) -> tuple[str, Any]:
        """The next message, of one of *kinds* where some are named."""
        async with asyncio.timeout(within_s):
            while True:
                kind, data = await self._one()
                if not kinds or kind in kinds:
                    return kind, data

    async def _one(self) -> tuple[str, Any]:
        kind, data = "message", ""
        while True:
            line = (await self._answer.content.readuntil(b"\n")).decode().rstrip("\n")
            if not line:
                if data:
                    return kind, json.loads(data)
                if self._answer.content.at_eof():
                    raise EOFError("the stream ended")
                continue
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data += value


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *names: str,
    venue: FakeVenue | None = None,
    settings: DaemonSettings | None = None,
    opens: bool = True,
    store: str = ":memory:",
    is_ready: bool = True,
) -> AsyncIterator[Rig]:
    """A daemon with brokers called *names*, ready to be asked; without its brokers where *opens* is False."""
    chosen = names or (BROKER,)
    venue = venue or FakeVenue()
    config = msgspec.structs.replace(
        memory_config(*chosen), state_dir=str(folder), daemon=settings or DaemonSettings(port=0)
    )
    clock = SystemClock()
    said: list[str] = []
    daemon = Daemon(config, chosen, say=said.append, clock=clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(daemon.end)
        await daemon.start()
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20))
        )
        rig = Rig(daemon, session, venue)
        rig.said = said
        if opens:
            parts = memory_parts(clock=clock, venue=venue, store_path=store)
            desk = await stack.enter_async_context(holdfast.open(config, mode="own", parts=parts))
            stack.push_async_callback(daemon.end)  # Before the desk closes, as `holdfast up` does.
            daemon.begin(desk)
            if is_ready:
                await desk.ready(timeout_s=20)
        yield rig
