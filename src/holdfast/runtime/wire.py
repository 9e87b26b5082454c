"""
The real wires: HTTP through aiohttp, WebSockets through picows, both behind our own seams.

What the seams promise and the libraries do not: one deadline over everything, bounds on every size, the truth about
whether a request may have left, and a connection that is aborted, not merely closed, when a call ends badly, so that
nothing of it can be written after its lane was released. TLS is always verified. Libraries load on first use.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.seams import Clock, HttpReply, HttpRequest, StreamConnection, WireError
from holdfast.errors import ClosedError, ConfigError

if TYPE_CHECKING:
    import aiohttp
    import picows

__all__ = ["MAX_BODY_BYTES", "MAX_FRAME_BYTES", "AiohttpWire", "PicowsWire", "Resolve"]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Largest HTTP body, on the wire and decompressed."""

MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Largest WebSocket message, in one frame or in many."""

_MAX_HEADER_BYTES: Final = 16 * 1024
_MAX_HEADERS: Final = 128
_CONNECTIONS: Final = 32

# Kraken cuts connections after about 300 s, and a cut in the middle of a call makes its outcome unknown.
# Source: https://github.com/btschwertfeger/python-kraken-sdk/issues/333 (checked 2026-11-20)
_CONNECTION_MAX_AGE_S: Final = 240.0
_IDLE_MAX_S: Final = 30.0

_SIMULATOR_HEADER: Final = "x-holdfast-simulator"

Resolve = Callable[[str, int], Awaitable[Sequence[tuple[Any, ...]]]]
"""Host and port to what ``socket.getaddrinfo`` returns; raises ``OSError``."""


async def _resolve(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Certificates and host names are verified in every environment; *ca_file* adds an authority, it replaces none."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot read the certificate authority {ca_file}: {error}") from None
    return context


# HTTP


class _Exchange:
    """One sending of one request: its connection once there is one, which is when bytes may leave."""

    __slots__ = ("is_reused", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_reused = False

    @property
    def may_have_left(self) -> bool:
        return self.transport is not None

    def abort(self) -> None:
        # aiohttp closes a failed connection, which still flushes what was not written yet. This drops it.
        if self.transport is not None:
            self.transport.abort()


_exchange: contextvars.ContextVar[_Exchange] = contextvars.ContextVar("holdfast_http_exchange")


class AiohttpWire:
    """
    HTTP/1.1 for one event loop.

    Never follows redirects, keeps no cookies, asks no environment for proxies, verifies TLS always. Connections are
    kept alive for 30 s and used for at most 240 s.

    Args:
        clock: Stamps requests and replies, and ages connections.
        ca_file: A certificate authority to trust beside the system's: for simulators.
        resolve: How host names are looked up; the system's way when None.
    """

    def __init__(self, *, clock: Clock, ca_file: str | None = None, resolve: Resolve | None = None) -> None:
        self._clock = clock
        self._ca_file = ca_file
        self._resolve = resolve or _resolve
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[_Exchange] = set()
        self._is_closed = False

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        """
        Send and wait for the whole reply. Suspends.

        A request marked repeatable is sent once more where a kept-alive connection turned out to be dead.

        Raises:
            WireError: No whole reply within *deadline_s* seconds, or one beyond the bounds.
            ClosedError: The wire was closed, or belongs to another event loop.
        """
        session = self._session or self._start()
        if self._is_closed or self._loop is not asyncio.get_running_loop():
            raise ClosedError("this HTTP wire was closed, or belongs to another event loop")
        if self._tls is None and request.url.startswith("https:"):
            # Only now: reading the system's authorities takes longer than everything else that a start needs.
            self._tls = _tls(self._ca_file)
        exchange = _Exchange()
        try:
            async with asyncio.timeout(deadline_s):
                try:
                    return await self._exchanged(session, request, exchange)
                except WireError as error:
                    if not (request.is_repeatable and exchange.is_reused and error.kind in ("closed", "reset")):
                        raise
                exchange = _Exchange()
                return await self._exchanged(session, request, exchange)
        except TimeoutError:
            kind = "deadline" if exchange.may_have_left else "connect_timeout"
            raise WireError(
                f"no whole reply within {deadline_s:.3g} s", kind=kind, was_sent=exchange.may_have_left
            ) from None

    async def close(self) -> None:
        """Abort what is open. Suspends."""
        self._is_closed = True
        for exchange in tuple(self._open):
            exchange.abort()
        if self._session is not None:
            await self._session.close()

    async def _exchanged(self, session: aiohttp.ClientSession, request: HttpRequest, exchange: _Exchange) -> HttpReply:
        import aiohttp
        from yarl import URL

        token = _exchange.set(exchange)
        self._open.add(exchange)
        is_whole = False
        try:
            sent_s = self._clock.now_s()
            async with session.request(
                request.method,
                URL(request.url, encoded=True),  # What was signed goes on the wire as it is.
                headers={"Accept-Encoding": "gzip, deflate", **request.headers},
                data=request.body or None,
                allow_redirects=False,
                ssl=self._tls or True,
            ) as response:
                body = await self._whole_body(response)
                is_whole = True
            received_s = self._clock.now_s()
            headers = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
            return HttpReply(
                status=response.status,
                headers=headers,
                body=_decoded(body, headers.get("content-encoding", "")),
                sent_s=sent_s,
                received_s=received_s,
            )
        except aiohttp.ClientConnectorDNSError as error:
            raise _wire_error(error, "dns", was_sent=False) from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise _wire_error(error, "tls", was_sent=False) from None
        except aiohttp.ClientConnectorError as error:
            raise _wire_error(error, "refused", was_sent=False) from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError) as error:
            raise _wire_error(error, "closed", was_sent=exchange.may_have_left) from None
        except aiohttp.ClientResponseError as error:
            raise _wire_error(error, "protocol", was_sent=exchange.may_have_left) from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise _wire_error(error, "reset", was_sent=exchange.may_have_left) from None
        finally:
            _exchange.reset(token)
            self._open.discard(exchange)
            if not is_whole:
                exchange.abort()

    async def _whole_body(self, response: aiohttp.ClientResponse) -> bytes:
        announced = response.content_length
        if announced is not None and announced > MAX_BODY_BYTES:
            raise WireError(f"a body of {announced} bytes", kind="too_large", was_sent=True)
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise WireError(f"a body of more than {MAX_BODY_BYTES} bytes", kind="too_large", was_sent=True)
            chunks.append(chunk)
        return b"".join(chunks)

    def _start(self) -> aiohttp.ClientSession:
        import aiohttp

        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            connector=_connector(self._clock, self._resolve),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
        )
        return self._session


def _connector(clock: Clock, resolve: Resolve) -> aiohttp.TCPConnector:
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            found = await resolve(host, port)
            return [
                ResolveResult(
                    hostname=host,
                    host=address[0],
                    port=address[1],
                    family=each_family,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST,
                )
                for each_family, _, proto, _, address in found
            ]

        async def close(self) -> None:
            pass

    class Connector(aiohttp.TCPConnector):
        """Tells the exchange which connection it got, and gives none that is too old."""

        async def connect(
            self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
        ) -> aiohttp.connector.Connection:
            exchange = _exchange.get()
            if exchange.may_have_left:
                # aiohttp repeats idempotent methods by itself; a signed request must never be sent twice.
                raise WireError("the connection was lost before a reply", kind="closed", was_sent=True)
            while True:
                connection = await super().connect(req, traces, timeout)
                protocol: Any = connection.protocol
                born_s: float | None = getattr(protocol, "holdfast_born_s", None)
                if born_s is None:
                    protocol.holdfast_born_s = clock.now_s()
                elif clock.now_s() - born_s > _CONNECTION_MAX_AGE_S:
                    connection.close()
                    continue
                else:
                    exchange.is_reused = True
                exchange.transport = protocol.transport
                return connection

    return Connector(
        resolver=Resolver(),
        use_dns_cache=False,
        limit=_CONNECTIONS,
        keepalive_timeout=_IDLE_MAX_S,
        happy_eyeballs_delay=0.25,
    )


def _wire_error(error: BaseException, kind: str, *, was_sent: bool) -> WireError:
    told = str(error) or type(error).__name__
    return WireError(ascii(told)[1:-1][:200], kind=kind, was_sent=was_sent)


def _decoded(body: bytes, encoding: str) -> bytes:
    """
    The body without its content encoding, never larger than the bound.

    We offer gzip and deflate; anything else, two encodings on top of each other included, is refused.
    """
    word = encoding.strip().lower()
    if word in ("", "identity") or not body:
        return body
    if word not in ("gzip", "x-gzip", "deflate"):
        raise WireError(f"content encoding {ascii(encoding)[:60]}", kind="encoding", was_sent=True)
    if word == "deflate":
        # RFC 9110 means zlib's format; some servers send the bare stream.
        is_zlib = body[0] & 0x0F == 8 and len(body) > 1 and (body[0] << 8 | body[1]) % 31 == 0
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    else:
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        decoded = decoder.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise WireError(f"broken {word} body: {error}", kind="encoding", was_sent=True) from None
    if len(decoded) > MAX_BODY_BYTES:
        raise WireError(f"a {word} body of more than {MAX_BODY_BYTES} bytes", kind="too_large", was_sent=True)
    if not decoder.eof or decoder.unused_data:
        raise WireError(f"truncated or trailing {word} body", kind="encoding", was_sent=True)
    return decoded


# WebSockets


# picows reports every handshake and every close of its own accord; what matters of it we tell ourselves.
_SILENT: Final = logging.Logger("holdfast.picows", logging.CRITICAL + 1)

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")

_CLOSE_WITHIN_S: Final = 1.0


class PicowsWire:
    """
    WebSockets for any event loop: no compression, no redirects, no pings of its own.

    Args:
        must_be_simulator: True where the handshake's answer has to carry the simulator's header; False where it must
            not; None where nobody asks.
        ca_file: A certificate authority to trust beside the system's: for simulators.
        resolve: How host names are looked up; the system's way when None.
    """

    def __init__(
        self, *, must_be_simulator: bool | None, ca_file: str | None = None, resolve: Resolve | None = None
    ) -> None:
        self._must_be_simulator = must_be_simulator
        self._ca_file = ca_file
        self._resolve = resolve or _resolve
        self._tls: ssl.SSLContext | None = None

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> StreamConnection:
        """
        Open a WebSocket. Suspends until it is open.

        Raises:
            WireError: Not open within *deadline_s* seconds; ``status`` where the handshake was refused.
            ConfigError: A simulator answered where it must not, or something else where only a simulator may.
        """
        import picows

        listener = _listener(on_frame, on_close)
        if self._tls is None and url.startswith("wss:"):
            self._tls = _tls(self._ca_file)
        dialled: list[socket.socket] = []

        async def dial(parsed: Any) -> socket.socket:
            import aiohappyeyeballs

            found: Any = await self._resolve(parsed.host, parsed.port)
            reached = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=0.25)
            dialled.append(reached)
            return reached

        def greet(_: object, response: picows.WSUpgradeResponse) -> Any:
            self._check_simulator(url, response.headers)
            return listener

        is_open = False
        try:
            async with asyncio.timeout(deadline_s):
                transport, listening = await picows.ws_connect(
                    greet,
                    url,
                    ssl_context=self._tls,
                    websocket_handshake_timeout=deadline_s,
                    logger_name=_SILENT,
                    enable_auto_ping=False,
                    enable_auto_pong=True,
                    max_frame_size=MAX_FRAME_BYTES,
                    extra_headers=dict(headers or {}),
                    max_redirects=0,
                    socket_factory=dial,
                )
            if listening is None:
                raise WireError("closed during the handshake", kind="closed", was_sent=True)
            is_open = True
            return _Connection(transport, listener)
        except TimeoutError:
            kind = "deadline" if dialled else "connect_timeout"
            raise WireError(f"not open within {deadline_s:.3g} s", kind=kind, was_sent=bool(dialled)) from None
        except socket.gaierror as error:
            raise _wire_error(error, "dns", was_sent=False) from None
        except ssl.SSLError as error:
            raise _wire_error(error, "tls", was_sent=False) from None
        except picows.WSHandshakeError as error:
            status = _STATUS_LINE.match(error.raw_header or b"")
            if status is None or status[1] == b"101":
                raise _wire_error(error, "protocol", was_sent=True) from None
            raise WireError(
                f"the handshake was refused with HTTP {int(status[1])}",
                kind="handshake",
                was_sent=True,
                status=int(status[1]),
            ) from None
        except (picows.WSError, OSError) as error:
            kind = "reset" if dialled else "refused"
            raise _wire_error(error, kind, was_sent=bool(dialled)) from None
        finally:
            if not is_open:
                for each in dialled:
                    _drop(each)

    def _check_simulator(self, url: str, headers: Mapping[str, str]) -> None:
        is_simulator = _SIMULATOR_HEADER in headers
        if self._must_be_simulator is not None and is_simulator is not self._must_be_simulator:
            which = "is a simulator" if is_simulator else "is no simulator"
            raise ConfigError(f'{url} {which}; check environment = "simulated" and the addresses beside it')


def _drop(dialled: socket.socket) -> None:
    """End a connection whose handshake nobody waits for any more; its transport, if any, sees the end and closes."""
    with contextlib.suppress(OSError):  # It was closed already.
        dialled.shutdown(socket.SHUT_RDWR)


def _number(code: Any) -> int:
    """A close code as a number, whether or not picows has a name for it."""
    return int(getattr(code, "value", code))


def _listener(on_frame: Callable[[bytes], None], on_close: Callable[[int | None, str], None]) -> Any:
    import picows

    text, binary, continuation, close = (
        picows.WSMsgType.TEXT,
        picows.WSMsgType.BINARY,
        picows.WSMsgType.CONTINUATION,
        picows.WSMsgType.CLOSE,
    )

    class Listener(picows.WSListener):
        """Whole text messages to *on_frame*; the first thing that is wrong ends the connection."""

        def __init__(self) -> None:
            self.code: int | None = None
            self.reason = ""
            self.is_over = False
            self.parts: bytearray | None = None
            self.farewell: asyncio.Task[None] | None = None

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if self.is_over:
                return
            kind = frame.msg_type
            if frame.rsv1 or frame.rsv2 or frame.rsv3:
                self.refuse(transport, picows.WSCloseCode.PROTOCOL_ERROR, "compression was not agreed on")
            elif frame.payload_size > MAX_FRAME_BYTES:
                # The library looks at its bound only where a frame does not fit into what it has read already.
                self.refuse(transport, picows.WSCloseCode.MESSAGE_TOO_BIG, "message too big")
            elif kind == text and self.parts is None:
                if frame.fin:
                    self.deliver(transport, frame.get_payload_as_bytes())
                else:
                    self.parts = bytearray(frame.get_payload_as_bytes())
            elif kind == continuation and self.parts is not None:
                self.parts += frame.get_payload_as_bytes()
                if len(self.parts) > MAX_FRAME_BYTES:
                    self.refuse(transport, picows.WSCloseCode.MESSAGE_TOO_BIG, "message too big")
                elif frame.fin:
                    whole = bytes(self.parts)
                    self.parts = None
                    self.deliver(transport, whole)
            elif kind == close:
                self.is_over = True
                self.code = _number(frame.get_close_code()) or None
                self.reason = frame.get_close_message().decode("utf-8", "replace") if frame.payload_size > 2 else ""
                transport.send_close(frame.get_close_code() if self.code else picows.WSCloseCode.OK)
                transport.disconnect()
            elif kind == binary:
                self.refuse(transport, picows.WSCloseCode.UNSUPPORTED_DATA, "a binary message")
            elif kind in (text, continuation):
                self.refuse(transport, picows.WSCloseCode.PROTOCOL_ERROR, "fragments out of order")

        def deliver(self, transport: picows.WSTransport, message: bytes) -> None:
            if not message.isascii():
                try:
                    message.decode("utf-8")
                except UnicodeDecodeError:
                    self.refuse(transport, picows.WSCloseCode.INVALID_TEXT, "invalid UTF-8")
                    return
            try:
                on_frame(message)
            except Exception as error:
                # A bug of ours. Nothing that follows the message it broke off may count.
                self.refuse(transport, picows.WSCloseCode.INTERNAL_ERROR, "not understood")
                report = {"message": "a message of a stream failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(report)

        def refuse(self, transport: picows.WSTransport, code: picows.WSCloseCode, reason: str) -> None:
            self.is_over = True
            self.parts = None
            self.code, self.reason = _number(code), reason
            transport.send_close(code, reason.encode())
            transport.disconnect()

        def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
            was_over = self.is_over
            self.is_over = True
            self.parts = None
            handshake: picows.picows.WSCloseHandshake | None = transport.close_handshake
            if not was_over and handshake is not None and handshake.sent is not None:
                # The library itself refused something: too big, masked, an opcode that does not exist.
                self.code, self.reason = _number(handshake.sent.code), handshake.sent.reason
            self.farewell = asyncio.get_running_loop().create_task(_hear_out(transport))
            on_close(self.code, self.reason)

    return Listener()


async def _hear_out(transport: picows.WSTransport) -> None:
    """Take what picows has to say about the end, or asyncio does; ``on_close`` has told it."""
    try:
        await transport.wait_disconnected()
    except Exception as error:
        _SILENT.debug("closed: %s", error)


class _Connection:
    """One open WebSocket."""

    __slots__ = ("_listener", "_text", "_transport")

    def __init__(self, transport: picows.WSTransport, listener: Any) -> None:
        import picows

        self._transport = transport
        self._listener = listener  # picows keeps it weakly.
        self._text = picows.WSMsgType.TEXT

    def send(self, frame: bytes) -> None:
        if self._listener.is_over or self._transport.is_disconnected:
            raise WireError("the connection is gone", kind="closed", was_sent=False)
        self._transport.send(self._text, frame)

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)

    async def close(self) -> None:
        import picows

        if not self._transport.is_disconnected:
            if not self._listener.is_over:
                self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._transport.wait_disconnected()
        except TimeoutError:
            self.abort()
        except Exception as error:
            # picows hands over what went wrong on the connection; it is closed all the same, and on_close has told.
            _SILENT.debug("closed: %s", error)
