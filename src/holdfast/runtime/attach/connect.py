"""Attach to accounts' owners by nothing but a socket, a broker's name or a daemon's address: no configuration."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, cast

from holdfast.config import BrokerConfig, Config
from holdfast.core.events import Event
from holdfast.core.seams import Clock, RouteBook
from holdfast.errors import ClosedError, ConfigError, OwnerSilentError, UnknownNameError, UnsupportedError
from holdfast.runtime.attach.lines import LocalSockets, Place
from holdfast.runtime.attach.succession import Seat
from holdfast.runtime.desk import Desk
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.guard import Guard
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.state_folder import StateFolder

if TYPE_CHECKING:
    from holdfast.runtime.blocking import BlockingDesk
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.routing import Router

__all__ = ["Connecting", "connect", "connect_blocking", "place_of"]

_WAIT_S: Final = 10.0
_AGAIN_S: Final = 0.2


def connect(
    target: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] | None = None,
    wait_s: float = _WAIT_S,
    on_event: Callable[[Event], object] | None = None,
    token_file: str | os.PathLike[str] | None = None,
    ca_file: str | os.PathLike[str] | None = None,
) -> Connecting:
    """
    Use an account through the process that owns it, for the length of an ``async with`` block.

    The desk has the interface of any other, and one broker; over HTTP, every broker of the daemon. Needs no
    configuration and no credential. When the owner ends, the desk attaches to the next one and never takes the account
    over.

    Args:
        target: A socket's path, ``unix:`` and a path, or a broker's name, with its environment where two have it:
            ``kraken-master`` or ``simulated/kraken-master``. Or a daemon's address, ``https://host:port``, with
            ``/brokers/NAME`` for one broker alone.
        state_dir: Where a name is looked up; ``HOLDFAST_STATE_DIR`` or the user's own state folder when None.
        wait_s: How long the owner is waited for, now and by every call.
        on_event: Called with every event of the owner.
        token_file: Over HTTP: the file of mode 0600 that holds the token; the one that ``HOLDFAST_TOKEN_FILE`` names,
            else ``HOLDFAST_TOKEN``, when None.
        ca_file: Over HTTPS: PEM file of the authority that signed the daemon's certificate.

    Raises (on entering):
        ConfigError: *target* names no socket, the socket is another user's, or the daemon does not take the token.
        UnknownNameError: No broker of that name ever had an owner here.
        OwnerSilentError: Nobody owns it now, or its owner does not answer.
    """
    return Connecting(
        target, state_dir=state_dir, wait_s=wait_s, on_event=on_event, token_file=token_file, ca_file=ca_file
    )


def connect_blocking(
    target: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] | None = None,
    wait_s: float = _WAIT_S,
    on_event: Callable[[Event], object] | None = None,
    token_file: str | os.PathLike[str] | None = None,
    ca_file: str | os.PathLike[str] | None = None,
) -> BlockingDesk:
    """``holdfast.connect`` for synchronous code: ``with holdfast.connect_blocking("kraken-master") as desk``."""
    from holdfast.runtime.blocking import BlockingDesk

    return BlockingDesk(
        lambda: connect(
            target, state_dir=state_dir, wait_s=wait_s, on_event=on_event, token_file=token_file, ca_file=ca_file
        )
    )


def place_of(
    target: str | os.PathLike[str], *, state_dir: str | os.PathLike[str] | None = None
) -> tuple[Place, StateFolder | None]:
    """
    The place that *target* names, and the state folder it was found in, where it is a broker's name.

    Raises:
        ConfigError: It is the address of something else, or names brokers of several environments.
        UnknownNameError: No broker of that name ever had an owner here.
    """
    text = os.fspath(target)
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "unix":
        # unix:/path and unix:///path alike; a host between the slashes would be another machine.
        path = rest.removeprefix("//") if rest.startswith("///") else rest
        if not path.startswith("/") or path.startswith("//"):
            raise ConfigError(f"{text!a} names no socket of this host: write unix:/path/to/owner.sock")
        return Place(path=path), None
    if colon and rest.startswith("//"):
        raise ConfigError(f"{text!a}: no socket or daemon; write unix:/path, https://host:port or a broker's name")
    if not isinstance(target, str) or text.startswith(("/", ".", "~")) or text.endswith(".sock"):
        return Place(path=str(Path(text).expanduser().absolute())), None
    folder = StateFolder.open(state_dir)
    environment, slash, name = text.rpartition("/")
    there = folder.broker_places()
    found = [each for each in there if each[1] == name and (not slash or each[0] == environment)]
    if not found:
        known = ", ".join(f"{each[0]}/{each[1]}" for each in there) or "none"
        raise UnknownNameError(f"no broker {text!a} ever had an owner in {folder.root}: there are {known}")
    if len(found) > 1:
        choices = " or ".join(f"{each[0]}/{each[1]}" for each in found)
        raise ConfigError(f"several brokers are called {text!a}: write {choices}")
    return Place(environment=found[0][0], name=found[0][1]), folder


class Connecting:
    """What ``holdfast.connect`` returns: enter it once, with ``async with``."""

    def __init__(
        self,
        target: str | os.PathLike[str],
        *,
        state_dir: str | os.PathLike[str] | None,
        wait_s: float,
        on_event: Callable[[Event], object] | None,
        token_file: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        sockets: LocalSockets | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._token_file = token_file
        self._ca_file = ca_file
        self._target = target
        self._state_dir = state_dir
        self._wait_s = wait_s
        self._on_event = on_event
        self._sockets = sockets
        self._clock = clock
        self._guard: Guard | None = None
        self._seats: list[Seat] = []
        self._router: Router | None = None
        self._listeners = Listeners()

    async def __aenter__(self) -> Desk:
        if self._guard is not None:
            raise ClosedError("this desk was opened before: call holdfast.connect(...) again for another one")
        self._guard = Guard("this desk")
        clock = self._clock
        if clock is None:
            from holdfast.runtime.clock import SystemClock

            clock = SystemClock()
        emitter = Emitter([] if self._on_event is None else [self._on_event])
        try:
            if isinstance(self._target, str) and self._target.startswith(("http://", "https://")):
                brokers, config = await self._over_http(self._target, clock, emitter)
            else:
                brokers, config = await self._over_socket(clock, emitter)
        except BaseException:
            await self._close()
            raise
        return Desk(
            brokers,
            config=config,
            guard=self._guard,
            listeners=self._listeners,
            emitter=emitter,
            is_configured=False,
            router=lambda open_brokers: self._routing(open_brokers, config, clock=clock, emitter=emitter),
        )

    def _routing(self, brokers: Mapping[str, Broker], config: Config, *, clock: Clock, emitter: Emitter) -> Router:
        from holdfast.runtime.parts import open_routes  # Loaded by whoever routes.
        from holdfast.runtime.routing import Router

        is_elsewhere = isinstance(self._target, str) and self._target.startswith(("http://", "https://"))

        async def open_book(environment: str) -> RouteBook:
            if is_elsewhere:
                # Its host has the book; one of ours would know nothing of who else asks there.
                raise UnsupportedError(
                    "over HTTP an order names its broker, as desk.route(...).broker does; one that names none is the "
                    "daemon's to place: POST /v1/orders",
                    capability="routing",
                )
            return await open_routes(StateFolder.open(self._state_dir), environment)

        self._router = Router(
            brokers,
            settings=config.routing,
            clock=clock,
            randomness=random.SystemRandom(),
            emit=emitter,
            open_book=open_book,
        )
        return self._router

    async def _over_socket(self, clock: Clock, emitter: Emitter) -> tuple[dict[str, Broker], Config]:
        where, folder = place_of(self._target, state_dir=self._state_dir)
        sockets = self._sockets
        if sockets is None:
            from holdfast.runtime.attach.sockets import UnixSockets

            sockets = UnixSockets(folder)
        broker = await self._sit(where, where.name or "", "", where.environment or "", sockets, clock, emitter)
        environment = cast('Literal["production", "demo", "simulated"]', broker.environment)
        found = BrokerConfig(name=broker.name, venue=broker.venue, environment=environment)
        return {broker.name: broker}, Config(brokers={broker.name: found})

    async def _over_http(self, url: str, clock: Clock, emitter: Emitter) -> tuple[dict[str, Broker], Config]:
        from holdfast.runtime.attach.web import RemoteClock, WebLines, address_of, bearer_for, chosen_of

        address = address_of(url)
        theirs = RemoteClock(clock)
        ca_file = None if self._ca_file is None else os.fspath(self._ca_file)
        lines = WebLines(address, bearer_for(self._token_file), theirs, ca_file=ca_file)
        end_s = clock.now_s() + self._wait_s
        config: Config | None = None
        while config is None:
            try:
                config = chosen_of(await lines.brokers(), address)
            except OwnerSilentError:
                # It starts, or is just being restarted: worth as long as a call is.
                if clock.now_s() >= end_s:
                    raise
                await asyncio.sleep(_AGAIN_S)
        brokers = {}
        for each in config.brokers.values():
            where = Place(environment=each.environment, name=each.name)
            brokers[each.name] = await self._sit(where, each.name, each.venue, each.environment, lines, theirs, emitter)
        return brokers, config

    async def _sit(
        self,
        where: Place,
        name: str,
        venue: str,
        environment: str,
        sockets: LocalSockets,
        clock: Clock,
        emitter: Emitter,
    ) -> Broker:
        assert self._guard is not None
        seat = Seat(
            where=where,
            name=name,
            venue=venue,
            environment=environment,
            mode="attach",
            take=None,
            sockets=sockets,
            clock=clock,
            randomness=random.SystemRandom(),
            emitter=emitter,
            listeners=(Listeners(), self._listeners),
            guard=self._guard,
            wait_s=self._wait_s,
        )
        self._seats.append(seat)
        await seat.open()
        return seat.broker

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._guard is not None:
            self._guard.close()
        self._listeners.close()
        for seat in self._seats:
            await seat.close()
        if self._router is not None:
            await self._router.close()
