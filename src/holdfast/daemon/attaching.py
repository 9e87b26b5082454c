"""
The library's own interface over HTTP: the lines that attached processes speak, in a connection that was upgraded.

``holdfast.connect("https://…")`` asks for ``/v1/brokers/NAME/attach`` with ``Upgrade: holdfast-attach`` and speaks from
then on exactly what a process of this host speaks to the unix socket, so it has every method that a broker has. Which
of them a bearer may call is its role's to say, here, where the call arrives.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from holdfast.daemon.access import Principal, Role
from holdfast.daemon.api import Api, Call
from holdfast.daemon.problems import RefusedError
from holdfast.errors import DeniedError
from holdfast.runtime.attach.lines import LineEnd, LocalLine, Peer, Place
from holdfast.runtime.attach.serving import OwnerServer

if TYPE_CHECKING:
    from holdfast.daemon.server import HttpServer
    from holdfast.runtime.backend import BrokerBackend
    from holdfast.runtime.broker import Broker

__all__ = ["ROLES", "UPGRADE", "role_of_call", "serve_attached"]

UPGRADE: Final = "holdfast-attach"
"""The protocol's name in the Upgrade header."""

ROLES: Final[dict[str, Role]] = {
    **dict.fromkeys(
        (
            "account_balance",
            "candles",
            "explain",
            "history",
            "order",
            "orders",
            "positions",
            "products",
            "readiness_reports",
            "reservation",
            "resolution",
            "symbol_name",
            "verify",
        ),
        Role.READ,
    ),
    **dict.fromkeys(
        (
            "cancel",
            "cancel_all",
            "check",
            "close_position",
            "force_balance_refresh",
            "note_visit",
            "place",
            "probe",
            "refresh",
            "release",
        ),
        Role.TRADE,
    ),
}
"""The role that each call needs; operate for whatever is not in here."""


def role_of_call(method: str, arguments: Mapping[str, Any]) -> Role:
    """What a bearer needs to be for this call."""
    if method == "verify" and arguments.get("reserve"):
        return Role.TRADE
    if method == "release" and arguments.get("force"):
        return Role.OPERATE
    return ROLES.get(method, Role.OPERATE)


class _Line:
    """One upgraded connection, as the owner's side of the protocol sees it."""

    def __init__(self, transport: asyncio.Transport, who: Principal) -> None:
        self.peer = Peer(uid=None, pid=None, name=who.name)
        self.who = who
        self.is_open = True
        self._transport = transport

    @property
    def queued(self) -> int:
        return self._transport.get_write_buffer_size() if self.is_open else 0

    def send(self, data: bytes) -> bool:
        if not self.is_open or self._transport.is_closing():
            return False
        self._transport.write(data)
        # Here it left for another host, maybe: what matters is that no queue of ours holds it back.
        return self._transport.get_write_buffer_size() == 0

    def read_now(self) -> None:
        """What has arrived was handed over when it did."""

    def abort(self) -> None:
        if self.is_open:
            self.is_open = False
            if self._transport.get_write_buffer_size() == 0:
                self._transport.close()
            else:
                self._transport.abort()


class _Door:
    """Where such connections are taken in: the part of ``LocalSockets`` that an owner's server needs."""

    def __init__(self) -> None:
        self.address = "http"
        self.accept: Callable[[LocalLine], LineEnd | None] = _nobody

    def serve(self, place: Place, accept: Callable[[LocalLine], LineEnd | None]) -> _Door:
        self.accept = accept
        return self

    def connect(self, place: Place, end: LineEnd) -> LocalLine | None:
        return None

    def close(self) -> None:
        self.accept = _nobody

    def abandon(self) -> None:
        self.accept = _nobody


def _nobody(line: LocalLine) -> LineEnd | None:
    return None


class _Behind:
    """A broker's backend, whichever it is now: it is another one after a reload or a change of owner."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker._backend, name)


_doors: weakref.WeakKeyDictionary[Api, dict[str, tuple[_Door, OwnerServer]]] = weakref.WeakKeyDictionary()


def _door_of(api: Api, broker: Broker) -> _Door:
    doors = _doors.setdefault(api, {})
    if broker.name not in doors:
        desk, door = api.open_desk(), _Door()
        backend: BrokerBackend = _Behind(broker)
        server = OwnerServer(
            backend=backend,
            place=Place(name=broker.name, environment=broker.environment),
            sockets=door,
            clock=api.clock,
            emitter=desk._emitter,
            check_ownership=_ours,
            max_age_s=desk.config.brokers[broker.name].reading.max_age_s,
            permit=_permit,
        )
        server.start()
        doors[broker.name] = (door, server)
        api.closing.append(server.close)
    return doors[broker.name][0]


def _ours() -> None:
    """Ownership is the broker's own to check: who is attached here is told what the broker says."""


def _permit(line: LocalLine, method: str, arguments: Mapping[str, Any]) -> None:
    assert isinstance(line, _Line)
    needed = role_of_call(method, arguments)
    if not line.who.role.allows(needed):
        raise DeniedError(f"{method} needs the {needed.value} role; this bearer has {line.who.role.value}")


async def serve_attached(server: HttpServer, request: web.BaseRequest, call: Call) -> web.StreamResponse:
    """
    Speak the protocol of attached processes until the connection ends. Suspends all that time.

    Raises:
        RefusedError: No upgrade was asked for (426), or too many are attached (503).
        UnknownNameError: No broker has that name.
    """
    api = server.api
    broker = api.broker(call)
    if request.headers.get("Upgrade", "").lower() != UPGRADE:
        raise RefusedError(426, "upgrade_required", f"ask with `Upgrade: {UPGRADE}`", headers={"Upgrade": UPGRADE})
    transport = request.transport
    assert isinstance(transport, asyncio.Transport)
    line = _Line(transport, call.caller)
    end = _door_of(api, broker).accept(line)
    if end is None:
        raise RefusedError(503, "too_many_attached", "too many processes are attached", retry_after_s=5.0)
    head = (
        "HTTP/1.1 101 Switching Protocols",
        "Connection: Upgrade",
        f"Upgrade: {UPGRADE}",
        f"X-Holdfast-Now: {api.clock.now_s():.6f}",
    )
    transport.write("\r\n".join((*head, "", "")).encode())
    await server.tunnel(request, end)
    # The connection is gone: there is nobody left to be answered.
    return web.Response(status=204)
