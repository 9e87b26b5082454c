"""Both wires verify who answers, and have no way around it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from holdfast.core.seams import HttpRequest, WireError
from holdfast.errors import ConfigError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import AiohttpWire, PicowsWire, _tls
from holdfast.simulators.core.tls import Certificates, Flaw, issue_certificates
from tests.runtime.loopback import CLOSE, accept_of, frame, reply

FLAWS: list[Flaw] = ["expired", "wrong_host", "unknown_authority"]


async def _serve(certificates: Certificates) -> tuple[asyncio.Server, int]:
    """Answers every request over TLS: a WebSocket where one is asked for, else ``{}``."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"websocket" in head.lower():
                writer.write(accept_of(head) + frame(b"{}") + frame(b"\x03\xe8", opcode=CLOSE))
            else:
                writer.write(reply(b"{}", close=True))
            await writer.drain()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=certificates.server_context())
    return server, server.sockets[0].getsockname()[1]


async def _both(ca: Path | None, port: int) -> list[WireError | None]:
    """What each wire says of the server, None where all is well."""
    found: list[WireError | None] = []
    http = AiohttpWire(clock=SystemClock(), ca_file=None if ca is None else str(ca))
    try:
        await http.request(HttpRequest(method="GET", url=f"https://127.0.0.1:{port}/", headers={}), deadline_s=5)
        found.append(None)
    except WireError as error:
        found.append(error)
    finally:
        await http.close()
    heard: list[bytes] = []
    closed = asyncio.Event()
    try:
        await PicowsWire(must_be_simulator=None, ca_file=None if ca is None else str(ca)).connect(
            f"wss://127.0.0.1:{port}/v2", on_frame=heard.append, on_close=lambda *_: closed.set(), deadline_s=5
        )
        async with asyncio.timeout(5):
            await closed.wait()
        assert heard == [b"{}"]
        found.append(None)
    except WireError as error:
        found.append(error)
    return found


async def test_server_of_a_named_authority_is_believed() -> None:
    with issue_certificates() as certificates:
        server, port = await _serve(certificates)
        assert await _both(certificates.ca, port) == [None, None]
        server.close()


async def test_server_of_an_authority_that_nobody_named_is_refused() -> None:
    with issue_certificates() as certificates:
        server, port = await _serve(certificates)
        for error in await _both(None, port):
            assert error is not None
            assert (error.kind, error.was_sent) == ("tls", False)
        server.close()


@pytest.mark.parametrize("flaw", FLAWS)
async def test_flawed_certificate_is_refused_and_nothing_is_sent(flaw: Flaw) -> None:
    with issue_certificates(flaw=flaw) as certificates:
        server, port = await _serve(certificates)
        for error in await _both(certificates.ca, port):
            assert error is not None
            assert (error.kind, error.was_sent) == ("tls", False)
        server.close()


async def test_server_without_tls_is_refused_never_spoken_to_in_the_clear() -> None:
    seen: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1))
        writer.write(reply(b"{}", close=True))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for error in await _both(None, port):
        assert error is not None
        assert not error.was_sent
    assert seen == [b"\x16", b"\x16"]  # Two TLS greetings, nothing else.
    server.close()


def test_verification_is_on_and_an_unreadable_authority_is_named() -> None:
    context = _tls(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem"):
        _tls("/nowhere/ca.pem")
