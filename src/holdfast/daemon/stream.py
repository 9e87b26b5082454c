"""One event stream: what the hub queues for it, written as fast as it is read, and no faster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from holdfast.daemon.api import Call
from holdfast.daemon.guarding import bearer_of
from holdfast.daemon.hub import Client, frame, mark_of
from holdfast.daemon.problems import RefusedError
from holdfast.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from holdfast.daemon.server import HttpServer

__all__ = ["serve_stream"]

_WRITE_WITHIN_S: Final = 10.0
_CHECK_EVERY_S: Final = 10.0


async def serve_stream(server: HttpServer, request: web.BaseRequest, call: Call) -> web.StreamResponse:
    """
    Write events until the client goes, reads too slowly, loses its bearer, or the daemon ends. Suspends all that time.

    Raises:
        RefusedError: There are too many streams already, or there is no page (503, 501).
        UnknownNameError: No broker has that name.
    """
    api, query = server.api, call.query
    hub, desk = api.open_hub(), api.open_desk()
    if query.broker is not None and query.broker not in desk:
        raise UnknownNameError(f"no broker {query.broker!a}: there are {', '.join(desk.brokers)}")
    if hub.clients >= server.streams_max:
        raise RefusedError(503, "too_many_streams", f"{server.streams_max} streams are open already", retry_after_s=5.0)
    if query.view == "page" and api.scene is None:
        raise RefusedError(501, "no_page", "this build has no page")
    said = request.headers.get("Last-Event-ID", "")
    last = mark_of(said[:8192]) if said else None
    hello = {
        "version": api.version,
        "role": call.caller.role.value,
        "brokers": list(desk.brokers),
        "jobs": [each.view for each in api.jobs.all()],
        "pid": api.pid,
    }
    client = await hub.join(view=query.view, broker=query.broker, last=last, hello=hello)
    if said and last is None:
        client.put(frame("gap", b'{"reason":"unknown_id","needs":"snapshot"}'))
    bearer = bearer_of(request.headers.getall("Authorization", []))
    reason = "gone"
    try:
        response = web.StreamResponse(headers=server.headers())
        response.headers["Content-Type"] = "text/event-stream; charset=utf-8"
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        await response.prepare(request)
        reason = await _write(server, request, response, client, bearer)
    except (ConnectionError, asyncio.CancelledError):
        reason = client.cut or "gone"
        raise
    finally:
        hub.leave(client, reason)
    return response


async def _write(
    server: HttpServer, request: web.BaseRequest, response: web.StreamResponse, client: Client, bearer: str | None
) -> str:
    """Write until there is an end to it; why."""
    clock = server.api.clock
    checked_s = clock.now_s()
    while True:
        await client.wait()
        reason = client.cut
        if reason is None and bearer is not None and clock.now_s() - checked_s >= _CHECK_EVERY_S:
            checked_s = clock.now_s()
            reason = None if _is_known(server, bearer) else "revoked"
        text = client.take() if reason != "slow_reader" else b""
        if reason is not None:
            text += frame("bye", b'{"reason":"%s"}' % reason.encode())
        try:
            async with asyncio.timeout(_WRITE_WITHIN_S if reason is None else 1.0):
                await response.write(text)
                if reason is not None:
                    await response.write_eof()
        except TimeoutError:
            # It does not read: what waits in the kernel for it is dropped with the connection.
            if request.transport is not None:
                request.transport.abort()
            return reason or "stalled"
        if reason is not None:
            return reason


def _is_known(server: HttpServer, bearer: str) -> bool:
    try:
        return server.api.access.owner_of(bearer) is not None
    except ConfigError:
        return False
