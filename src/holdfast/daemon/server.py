"""
HTTP on one or more sockets: each request is checked, led by the table of routes, and answered.

The order is fixed, and nothing later happens to what an earlier step refused: host, origin, path, method, bearer, role,
rate, body. Connections are bounded in number, heads and bodies in size and time. A client that goes away ends what it
asked for; a job goes on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import Any, Final

import msgspec
from aiohttp import web

from holdfast.daemon.access import Guesses, Principal, Role
from holdfast.daemon.api import Api, Call, Raw
from holdfast.daemon.guarding import BODY_MAX, Hosts, bearer_of, check_origin, path_of, security_headers
from holdfast.daemon.openapi import document
from holdfast.daemon.problems import ProblemReply, RefusedError, problem_of, status_of
from holdfast.daemon.routes import Route, match
from holdfast.daemon.static import PageFiles
from holdfast.errors import ConfigError, HoldfastError
from holdfast.runtime.attach.lines import LineEnd
from holdfast.runtime.attach.sockets import peer_of
from holdfast.runtime.callers import Caller, asked_by
from holdfast.runtime.documents import document_of

__all__ = ["HttpServer"]

_HEAD_WITHIN_S: Final = 10.0
_BODY_WITHIN_S: Final = 10.0
_IDLE_S: Final = 75.0
_HEAD_MAX: Final = 8190
_HEADERS_MAX: Final = 64
_FAILURES: Final = (10.0, 0.2)
"""Attempts with a wrong bearer or code: so many at once, and one more every five seconds."""
SHUTDOWN_S: Final = 2.0

_LOCAL: Final = Principal(name="local", role=Role.OPERATE)
"""A process of our own user, over the unix socket: it may read the state folder, so it may ask."""


class _Connection(web.RequestHandler):
    """One connection, bounded in how long it may take to say what it wants."""

    # RequestHandler has slots, and so has what is added here.
    __slots__ = ("_busy", "_deadline", "_gone", "_server_of", "_tunnel", "is_local")

    def __init__(self, server: HttpServer, *, is_local: bool, **options: Any) -> None:
        super().__init__(**options)
        self._server_of = server
        self.is_local = is_local
        self._busy = 0
        self._tunnel: LineEnd | None = None
        self._gone: asyncio.Future[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        meters = self._server_of.api.meters
        meters.connections += 1
        if meters.connections > self._server_of.connections_max:
            meters.refused("too_many_connections")
            self._drop()
            return
        if self.is_local and not _is_ours(transport):
            meters.refused("other_user")
            self._drop()
            return
        self._expect()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server_of.api.meters.connections -= 1
        self._relax()
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.lost("ended")
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.received(data)
            return
        if not self._busy and self._deadline is None:
            self._expect()
        super().data_received(data)

    async def hand_over(self, end: LineEnd) -> None:
        """What comes from now on is no HTTP: *end* hears it. Suspends until the connection is gone."""
        self._tunnel = end
        self._gone = asyncio.get_running_loop().create_future()
        await self._gone

    def begin(self) -> None:
        """A request's head is here."""
        self._busy += 1
        self._relax()

    def end(self) -> None:
        """It was answered."""
        self._busy -= 1

    def _expect(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(_HEAD_WITHIN_S, self._overdue)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _overdue(self) -> None:
        self._deadline = None
        self._server_of.api.meters.refused("slow_head")
        self._drop()

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # What cannot be parsed, as a rule: nothing of it is said back.
        self._server_of.api.meters.refused("malformed")
        if status >= 500 and exc is not None:
            self._server_of.report("a request failed", exc)
            reply = self._server_of.problem(500, problem_of(Exception()))
        else:
            refused = RefusedError(400, "malformed", "this is no HTTP request that is understood here")
            reply = self._server_of.problem(400, refused.problem)
        reply.force_close()
        return reply


def _is_ours(transport: asyncio.BaseTransport) -> bool:
    try:
        return peer_of(transport.get_extra_info("socket")).uid == os.geteuid()
    except OSError:
        return False


class HttpServer:
    """
    Answers HTTP on sockets that it is given.

    Args:
        api: What is asked.
        page: The page's files.
        connections_max: Most connections at once.
        streams_max: Most event streams at once.
        requests_per_s: Of one bearer.
    """

    def __init__(
        self, api: Api, page: PageFiles, *, connections_max: int, streams_max: int, requests_per_s: float
    ) -> None:
        self.api = api
        self.connections_max = connections_max
        self.streams_max = streams_max
        self._page = page
        self._failures = Guesses(api.clock, burst=_FAILURES[0], per_s=_FAILURES[1])
        self._rates = Guesses(api.clock, burst=2 * requests_per_s, per_s=requests_per_s)
        self._hosts: Hosts | None = None
        self._is_tls = False
        self._encoder = msgspec.json.Encoder()
        self._listening: list[asyncio.Server] = []
        self._http: web.Server | None = None

    # Sockets

    async def listen(self, sock: socket.socket, *, hosts: Hosts, tls: ssl.SSLContext | None) -> None:
        """Answer on a TCP socket that is bound. Suspends briefly."""
        self._hosts, self._is_tls = hosts, tls is not None
        await self._serve(sock, is_local=False, tls=tls)

    async def listen_locally(self, sock: socket.socket) -> None:
        """Answer on a unix socket that is bound, to processes of our own user. Suspends briefly."""
        await self._serve(sock, is_local=True, tls=None)

    async def _serve(self, sock: socket.socket, *, is_local: bool, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        if self._http is None:
            self._http = web.Server(self._handle, handler_cancellation=True)
        http = self._http

        def accept() -> asyncio.Protocol:
            return _Connection(
                self,
                is_local=is_local,
                manager=http,
                loop=loop,
                access_log=None,
                keepalive_timeout=_IDLE_S,
                max_line_size=_HEAD_MAX,
                max_field_size=_HEAD_MAX,
                max_headers=_HEADERS_MAX,
                lingering_time=1.0,
            )

        if is_local:
            server = await loop.create_unix_server(accept, sock=sock)
        else:
            server = await loop.create_server(accept, sock=sock, ssl=tls, backlog=128)
        self._listening.append(server)

    def stop_listening(self) -> None:
        """Take no more connections; those that are open go on. Never suspends."""
        for each in self._listening:
            each.close()
        self._listening.clear()

    async def close(self) -> None:
        """End what is under way, within two seconds. Suspends."""
        self.stop_listening()
        if self._http is not None:
            await asyncio.sleep(0)
            self._http.pre_shutdown()
            await self._http.shutdown(SHUTDOWN_S)
            self._http = None

    # Requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, _Connection)
        connection.begin()
        began_s = self.api.clock.now_s()
        route: Route | None = None
        status = 500
        try:
            try:
                reply, route = await self._answer(request, connection)
            except RefusedError as refused:
                reply = self.problem(refused.status, refused.problem, headers=refused.headers)
                if refused.status in (401, 403, 429):
                    self.api.meters.refused(refused.problem.code)
            except (HoldfastError, ValueError) as error:
                reply = self.problem(status_of(error), problem_of(error))
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self.report(f"{request.method} {request.path[:200]} failed", error)
                reply = self.problem(500, problem_of(error))
            status = reply.status
            return reply
        finally:
            connection.end()
            took_s = self.api.clock.now_s() - began_s
            name = "none" if route is None else route.name
            is_stream = route is not None and route.name in ("stream", "attach")
            self.api.meters.answered(name, status, None if is_stream else took_s)

    async def _answer(
        self, request: web.BaseRequest, connection: _Connection
    ) -> tuple[web.StreamResponse, Route | None]:
        path = path_of(request.rel_url.raw_path)
        is_page = request.method in ("GET", "HEAD") and self._page.find(path) is not None
        if not connection.is_local:
            assert self._hosts is not None
            self._hosts.check(request.headers.getall("Host", []))
            check_origin(request.headers, self._hosts, is_page=is_page)
        if is_page:
            return self._static(request, path), None
        found = match(path)
        if found is None:
            raise RefusedError(404, "not_found", "there is no such address", hint="GET /v1/openapi.json lists them")
        method = "GET" if request.method == "HEAD" else request.method
        route = found.routes.get(method)
        if route is None:
            allowed = ", ".join(sorted(found.routes))
            raise RefusedError(405, "method_not_allowed", f"this address takes {allowed}", headers={"Allow": allowed})
        who = self._who(request, connection, route)
        address = _address(request, connection)
        try:
            call = Call(
                path={name: _decoded(value) for name, value in found.path.items()},
                query=_query(request, route),
                body=await self._body(request, route),
                who=who,
                address=address,
                is_local=connection.is_local,
            )
            if route.acts and self.api.is_draining:
                raise RefusedError(503, "ending", "the daemon ends: nothing new is begun", retry_after_s=5.0)
            return await self._call(request, route, call), route
        except RefusedError as refused:
            if route.name == "open_session" and refused.status == 401:
                self._failed(address)
            return self.problem(refused.status, refused.problem, headers=refused.headers), route
        except (HoldfastError, ValueError) as error:
            return self.problem(status_of(error), problem_of(error)), route

    def _who(self, request: web.BaseRequest, connection: _Connection, route: Route) -> Principal | None:
        """Who asks, who may ask that, and not too often."""
        address = _address(request, connection)
        if route.name == "open_session":
            self._spare(address)
        bearer = bearer_of(request.headers.getall("Authorization", []))
        who: Principal | None = _LOCAL if connection.is_local and bearer is None else None
        if bearer is not None:
            try:
                who = self.api.access.owner_of(bearer)
            except ConfigError as error:
                self.report("the bearers cannot be read", error)
                raise RefusedError(503, "tokens_unreadable", "the daemon cannot read its tokens") from None
            if who is None:
                self._failed(address)
                raise RefusedError(
                    401,
                    "unknown_bearer",
                    "this bearer is not known here, or has ended",
                    hint="`holdfast dashboard` makes a new link, `holdfast tokens create` a token",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        if route.role is None:
            return who
        if who is None:
            raise RefusedError(
                401,
                "no_bearer",
                "sign in: say `Authorization: Bearer TOKEN`",
                hint="`holdfast dashboard` makes a link for a browser, `holdfast tokens create` a token for a program",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not who.role.allows(route.role):
            message = f"{route.name} needs the {route.role.value} role; yours is {who.role.value}"
            raise RefusedError(403, "role_missing", message)
        wait_s = None if connection.is_local else self._rates.take(who.name)
        if wait_s is not None:
            raise RefusedError(429, "too_many_requests", "this bearer asks too often", retry_after_s=round(wait_s, 3))
        return who

    def _spare(self, address: str) -> None:
        """Refuse an address that has guessed too often."""
        wait_s = self._failures.peek(address)
        if wait_s is not None:
            raise RefusedError(429, "too_many_failures", "too many wrong attempts", retry_after_s=round(wait_s, 3))

    def _failed(self, address: str) -> None:
        wait_s = self._failures.take(address)
        if wait_s is not None:
            raise RefusedError(429, "too_many_failures", "too many wrong attempts", retry_after_s=round(wait_s, 3))

    async def _body(self, request: web.BaseRequest, route: Route) -> Any:
        length = request.content_length
        if route.body is None:
            if length or request.headers.get("Transfer-Encoding"):
                raise RefusedError(400, "bad_request", "this address takes no body")
            return None
        if length is not None and length > BODY_MAX:
            raise RefusedError(413, "too_large", f"a body has at most {BODY_MAX} bytes")
        text = await self._read(request)
        if not text:
            text = b"{}"
        elif request.content_type != "application/json" or request.headers.get("Content-Encoding"):
            raise RefusedError(415, "not_json", "say `Content-Type: application/json`, and send it plain")
        try:
            return msgspec.json.decode(text, type=route.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # The message names the place and the kind, and nothing of what was sent.
            said = "the body is no JSON" if not isinstance(error, msgspec.ValidationError) else str(error)[:300]
            raise RefusedError(400, "bad_request", said) from None

    async def _read(self, request: web.BaseRequest) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                async for part in request.content.iter_any():
                    size += len(part)
                    if size > BODY_MAX:
                        raise RefusedError(413, "too_large", f"a body has at most {BODY_MAX} bytes")
                    parts.append(part)
        except TimeoutError:
            raise RefusedError(408, "slow_body", f"a body comes within {_BODY_WITHIN_S:g} s") from None
        except web.RequestPayloadError:
            raise RefusedError(400, "malformed", "the body cannot be read") from None
        return b"".join(parts)

    async def _call(self, request: web.BaseRequest, route: Route, call: Call) -> web.StreamResponse:
        if route.name == "stream":
            from holdfast.daemon.stream import serve_stream

            return await serve_stream(self, request, call)
        if route.name == "attach":
            from holdfast.daemon.attaching import serve_attached

            return await serve_attached(self, request, call)
        if route.handler is None:
            return self.json(document())
        who = "nobody" if call.who is None else call.who.name
        command = f"HTTP {request.method} {request.path[:120]} by {who}"
        with asked_by(Caller(uid=None, pid=None, command=command)):
            value = await route.handler(self.api, call)
        if isinstance(value, Raw):
            return self._reply(value.text, value.content_type, status=value.status)
        return self.json(value)

    async def tunnel(self, request: web.BaseRequest, end: LineEnd) -> None:
        """Let *end* hear what comes over a request's connection from now on. Suspends until that is gone."""
        connection = request.protocol
        assert isinstance(connection, _Connection)
        await connection.hand_over(end)

    # Replies

    def json(self, value: Any, *, status: int = 200) -> web.Response:
        """A reply of ours; money as exact text."""
        return self._reply(self._encoder.encode(document_of(value)), "application/json", status=status)

    def problem(self, status: int, problem: Any, *, headers: dict[str, str] | None = None) -> web.Response:
        """A reply that says why there is no answer."""
        reply = self.json(ProblemReply(error=problem), status=status)
        reply.headers.update(headers or {})
        if problem.retry_after_s is not None:
            reply.headers["Retry-After"] = str(max(1, int(problem.retry_after_s + 0.999)))
        if status in (400, 408, 413):
            reply.force_close()  # What is left of such a body is not read.
        return reply

    def headers(self) -> dict[str, str]:
        """What every reply carries."""
        return security_headers(is_tls=self._is_tls)

    def _reply(self, text: bytes, kind: str, *, status: int) -> web.Response:
        headers = self.headers()
        headers["Content-Type"] = kind
        headers["Cache-Control"] = "no-store"
        return web.Response(body=text, status=status, headers=headers)

    def _static(self, request: web.BaseRequest, path: str) -> web.Response:
        file = self._page.find(path)
        assert file is not None
        headers = self.headers()
        headers["ETag"] = file.tag
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if file.keeps else "no-cache"
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = file.kind
        return web.Response(body=file.text, headers=headers)

    def report(self, what: str, error: BaseException) -> None:
        """A bug, where asyncio reports bugs: the caller is told nothing of it."""
        asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})


def _address(request: web.BaseRequest, connection: _Connection) -> str:
    return "local" if connection.is_local else str(request.remote)


def _decoded(part: str) -> str:
    from urllib.parse import unquote

    decoded = unquote(part)
    if len(decoded) > 128:
        raise RefusedError(404, "not_found", "a name in this address is too long")
    return decoded


def _query(request: web.BaseRequest, route: Route) -> Any:
    given = request.rel_url.query
    if len(given) != len(set(given)):
        raise RefusedError(400, "bad_request", "a name stands twice in the query")
    if route.query is None:
        if given:
            raise RefusedError(400, "bad_request", "this address takes no query; a token never stands in one")
        return None
    try:
        return msgspec.convert(dict(given), route.query, strict=False)
    except msgspec.ValidationError as error:
        raise RefusedError(400, "bad_request", str(error)[:300]) from None
