"""
The socket front: one port of the loopback that speaks http, ws and the admin API, or their TLS forms.

aiohttp reads requests, upgrades and the client's stream frames. What goes to a stream client is written as frames
straight to the transport: a venue speaks in plain functions, and a fault may ask for bytes no library would write.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from weakref import WeakSet

from aiohttp import WSMsgType, web

from holdfast.core.seams import Clock
from holdfast.simulators.core.admin import PREFIX, Admin
from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.delivery import SERVER, deliver, gone, reset
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.frames import SocketCarrier
from holdfast.simulators.core.front import Delivery, Front
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.line import Line
from holdfast.simulators.core.seam import SimReply, SimRequest, SimulatedVenue
from holdfast.simulators.core.tls import Certificates

__all__ = ["STREAM_PATHS", "Served", "serve_simulator"]

STREAM_PATHS: Final[dict[str, str]] = {"kraken": "/v2", "coinbase": "", "okx": "/ws/v5"}
"""Per venue, what its ready line appends to the ``ws`` address; elsewhere nothing."""

STOP_S: Final = 0.5
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024

_LOG: Final = logging.getLogger("holdfast.simulators")

# What a client does wrong is in the journal; on stderr there is only what is wrong with the simulator itself.
_SILENT: Final = logging.getLogger("holdfast.simulators.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Served:
    """
    A simulator that is being served.

    Attributes:
        rest: Base address of HTTP, without a path.
        ws: Address of the stream, with the venue's path.
        admin: Base address of the admin API.
        ca: Path of the authority's PEM file, or None without TLS.
        front: The front: ``front.journal``, ``front.plan``, ``front.venue``.
    """

    def __init__(self, front: Front, *, host: str, port: int, stream_path: str, tls: Certificates | None) -> None:
        shown = f"[{host}]" if ":" in host else host
        secure = "s" if tls is not None else ""
        self.front = front
        self.port = port
        self.rest = f"http{secure}://{shown}:{port}"
        self.ws = f"ws{secure}://{shown}:{port}{stream_path}"
        self.admin = self.rest + PREFIX
        self.ca = str(tls.ca) if tls is not None else None

    @property
    def journal(self) -> Journal:
        """What was asked and answered."""
        return self.front.journal

    @property
    def plan(self) -> FaultPlan:
        """The faults in force."""
        return self.front.plan

    def ready(self) -> dict[str, Any]:
        """The ready line's object; ``ca`` is there only with TLS."""
        line: dict[str, Any] = {
            "venue": self.front.venue.id,
            "rest": self.rest,
            "ws": self.ws,
            "admin": self.admin,
            "credentials": self.front.venue.credentials(),
        }
        if self.ca is not None:
            line["ca"] = self.ca
        return line


@asynccontextmanager
async def serve_simulator(
    venue: SimulatedVenue,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: Certificates | None = None,
    clock: Clock | None = None,
    plan: FaultPlan | None = None,
    journal: Journal | None = None,
    stream_path: str | None = None,
) -> AsyncIterator[Served]:
    """
    Serve *venue* on the loopback for the length of the block. Suspends while it starts and stops.

    Stopping closes open streams in order and takes less than two seconds, whatever clients do.

    Args:
        venue: The venue; make it with the running loop as its timers.
        host: A loopback address, or ``localhost`` for the usual one.
        port: 0 takes a free one; the real one is in what this yields.
        tls: Serve https and wss with these instead of http and ws.
        clock: Times journal and rules; the system's where None.
        plan: The faults; a plan without rules where None.
        journal: Where everything is written; a new one where None.
        stream_path: What the announced ``ws`` address ends with; the venue's usual one where None.

    Raises:
        ValueError: *host* is not a loopback address.
        OSError: The port cannot be had.
    """
    if host == "localhost":
        host = "127.0.0.1"  # The name may mean two addresses, and a free port is free on one of them.
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"a simulator listens on the loopback only, not on {host}")
    loop = asyncio.get_running_loop()
    front = Front(venue, loop=loop, clock=clock or SystemClock(), plan=plan, journal=journal)
    handler = _Handler(front)
    server = web.Server(
        handler,
        handler_cancellation=True,
        request_factory=None,
        access_log=None,
        logger=_SILENT,
        auto_decompress=False,
        lingering_time=0.0,
    )
    runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        context = tls.server_context() if tls is not None else None
        site = web.TCPSite(runner, host, port, ssl_context=context, reuse_address=True)
        await site.start()
        real_port = runner.addresses[0][1]
        handler.admin = Admin(
            front, hosts=frozenset(f"{name}:{real_port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        )
        path = STREAM_PATHS.get(venue.id, "") if stream_path is None else stream_path
        yield Served(front, host=host, port=real_port, stream_path=path, tls=tls)
    finally:
        front.close_streams(1001, "the simulator stops")
        await handler.stop()
        await runner.cleanup()


class _Handler:
    """What happens to one request of aiohttp's server."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._mark = f"{front.venue.id}/1"
        self._waiting: set[asyncio.Future[Any]] = set()
        self._streams: set[asyncio.Future[None]] = set()
        self._doomed: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._busy: set[asyncio.BaseTransport] = set()
        self.admin: Admin | None = None

    async def stop(self) -> None:
        """End what waits for ever, and give clients a moment to answer the close."""
        for future in list(self._waiting):
            future.cancel()
        if self._streams:
            await asyncio.wait(list(self._streams), timeout=STOP_S)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        transport = request.transport
        if transport is None or transport in self._doomed:
            return self._meet_closing(request)
        if headers.get("upgrade", "").lower() == "websocket" and not _is_admin(path):
            return await self._stream(request, path, headers)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            too_large = SimReply(status=413, headers={"content-type": "text/plain"}, body=b"request too large")
            return await deliver(request, Delivery(reply=too_large), self._mark)
        asked = SimRequest(method=request.method, path=path, query=query, headers=headers, body=body)
        if _is_admin(path) and self.admin is not None:
            return await deliver(request, Delivery(reply=self.admin.answer(asked)), self._mark)
        self._busy.add(transport)
        try:
            delivery = await self._ask(asked)
            if delivery.ending is not None:
                return gone() if delivery.ending == "close" else reset(transport)
            response = await deliver(request, delivery, self._mark)
        finally:
            self._busy.discard(transport)
        if delivery.idle is not None:
            if delivery.idle.races:
                self._front.loop.call_later(delivery.idle.after_s, self._doom, transport)
            else:
                self._front.loop.call_later(delivery.idle.after_s, self._close_idle, transport)
        return response

    async def _ask(self, asked: SimRequest) -> Delivery:
        """Wait for the delivery; for ever where silence is injected, until the client leaves."""
        answered: asyncio.Future[Delivery] = self._front.loop.create_future()
        self._waiting.add(answered)
        try:
            self._front.accept(asked, lambda delivery: _settle(answered, delivery))
            return await answered
        except Exception:
            _LOG.exception("the simulated venue failed at %s", asked.path)
            return Delivery(
                reply=SimReply(status=500, headers={"content-type": "text/plain"}, body=b"simulator failure")
            )
        finally:
            self._waiting.discard(answered)

    def _meet_closing(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            self._doomed.discard(request.transport)
            return reset(request.transport)
        return gone()

    def _doom(self, transport: asyncio.BaseTransport) -> None:
        if not transport.is_closing():
            self._doomed.add(transport)

    def _close_idle(self, transport: asyncio.BaseTransport) -> None:
        if transport not in self._busy:
            transport.close()

    async def _stream(self, request: web.BaseRequest, path: str, headers: Mapping[str, str]) -> web.StreamResponse:
        carrier = SocketCarrier(self._front.loop)
        answered: asyncio.Future[Line | SimReply | str] = self._front.loop.create_future()
        self._waiting.add(answered)
        try:
            self._front.open_line(path, headers, carrier, lambda answer: _settle_line(answered, answer))
            answer = await answered
        finally:
            self._waiting.discard(answered)
        if isinstance(answer, str):
            return gone() if request.transport is None else reset(request.transport)
        if isinstance(answer, SimReply):
            return await deliver(request, Delivery(reply=answer), self._mark)
        return await self._converse(request, answer, carrier)

    async def _converse(self, request: web.BaseRequest, line: Line, carrier: SocketCarrier) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, decode_text=False, max_msg_size=MAX_FRAME_BYTES
        )
        socket.headers["X-Holdfast-Simulator"] = self._mark
        socket.headers["Server"] = SERVER
        ended: asyncio.Future[None] = self._front.loop.create_future()
        self._streams.add(ended)
        try:
            await socket.prepare(request)
            transport = request.transport
            if transport is None:
                return socket
            carrier.open(transport)
            why = "1006 client"
            while True:
                message = await socket.receive()
                if message.type is WSMsgType.TEXT:
                    try:
                        line.receive(message.data)
                    except Exception:
                        _LOG.exception("the simulated venue failed at a stream message")
                        carrier.close(1011, "simulator failure")
                elif message.type is WSMsgType.PING:
                    line.ping(message.data)
                elif message.type is WSMsgType.CLOSE:
                    why = f"{message.data} client"
                    if not carrier.is_closing and not line.is_speaking():
                        await asyncio.sleep(60)  # A mute peer does not answer a close either.
                    carrier.close(message.data or 1000, "")
                    break
                elif message.type is WSMsgType.BINARY:
                    carrier.close(1003, "text only")
                elif message.type in (WSMsgType.ERROR, WSMsgType.CLOSED, WSMsgType.CLOSING):
                    break
            line.gone(why)
            transport.close()
            return socket
        finally:
            line.gone("1006 client")
            if not ended.done():
                ended.set_result(None)
            self._streams.discard(ended)


def _is_admin(path: str) -> bool:
    return path == PREFIX or path.startswith(PREFIX + "/")


def _settle(future: asyncio.Future[Delivery], delivery: Delivery) -> None:
    if not future.done():
        future.set_result(delivery)


def _settle_line(future: asyncio.Future[Line | SimReply | str], answer: Line | SimReply | str) -> None:
    if not future.done():
        future.set_result(answer)
    elif isinstance(answer, Line):
        answer.gone("1006 client")  # The client left while its handshake was under way.
