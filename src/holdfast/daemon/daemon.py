"""
The owner as a daemon: its sockets first, its brokers then, and an orderly end of both.

It answers ``/livez`` before a broker is open, so that whoever started it can tell *starting* from *dead*. On the way
down it takes no new connection, begins nothing new, ends jobs, tells every stream, and gives what is under way two
seconds; then the desk closes, which is quick by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.config import Config, DaemonSettings
from holdfast.core.seams import Clock
from holdfast.daemon.access import Access, TokenFile
from holdfast.daemon.api import Api
from holdfast.daemon.guarding import Hosts
from holdfast.daemon.notices import Notices
from holdfast.daemon.places import DaemonPlace, tokens_path
from holdfast.daemon.server import HttpServer
from holdfast.daemon.static import page_files
from holdfast.errors import ConfigError, HoldfastError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.state_folder import StateFolder

if TYPE_CHECKING:
    from holdfast.runtime.desk import Desk

__all__ = ["Daemon", "check_binding"]

_LAG_EVERY_S: Final = 0.5
_HERE: Final = ("127.0.0.1", "localhost", "::1")


class Daemon:
    """
    HTTP for a desk that is yet to be opened.

    Args:
        config: What is in force; its ``daemon`` table decides unless the other arguments do.
        brokers: The names of those that will be open.
        port: Instead of the configuration's.
        host: Instead of the configuration's.
        say: Takes a line for people.
        notices: Tells the init system.
        clock: For everything that is timed.
    """

    def __init__(
        self,
        config: Config,
        brokers: tuple[str, ...],
        *,
        port: int | None = None,
        host: str | None = None,
        say: Callable[[str], None],
        notices: Notices | None = None,
        clock: Clock | None = None,
    ) -> None:
        settings = config.daemon
        self.settings = settings
        self.notices = notices or Notices()
        self._clock = clock or SystemClock()
        self._port = settings.port if port is None else port
        self._host = settings.host if host is None else host
        self._say = say
        self._config = config
        self._brokers = brokers
        folder = StateFolder.open(config.state_dir)
        self._place = DaemonPlace(folder)
        self.access = Access(TokenFile(tokens_path(folder)), self._clock)
        self.api = Api(access=self.access, clock=self._clock, configured=brokers)
        self.server = HttpServer(
            self.api,
            page_files(),
            connections_max=settings.connections,
            streams_max=settings.streams,
            requests_per_s=settings.requests_per_s,
        )
        self._tasks: list[asyncio.Task[Any]] = []

    @property
    def url(self) -> str | None:
        """Where a browser finds the page; None where no port is served."""
        return self.api.url

    async def start(self) -> None:
        """
        Bind and answer; brokers are not open yet. Suspends briefly.

        Raises:
            ConfigError: An address cannot be bound, or must not be without TLS and a token.
        """
        if self._port is not None:
            tls = _tls_of(self.settings, self._config)
            check_binding(
                self._host,
                is_tls=tls is not None,
                has_token=bool(self.access.tokens.tokens()),
                is_allowed_plain=self.settings.allow_plain_remote,
            )
            if tls is None and not _is_loopback(self._host):
                self._say(
                    f"WARNING: listening on {self._host} without TLS: whoever is on the way can read bearers and act "
                    "with them (daemon.allow_plain_remote)"
                )
            listening = _bound(self._host, self._port)
            port = listening.getsockname()[1]
            names = (
                {self._host, *_HERE, *self.settings.names}
                if _is_any(self._host)
                else {self._host, *self.settings.names}
            )
            if _is_loopback(self._host):
                names |= set(_HERE)
            hosts = Hosts(names, port=port, is_tls=tls is not None).with_names_behind_a_proxy(self.settings.names)
            await self.server.listen(listening, hosts=hosts, tls=tls)
            shown = "127.0.0.1" if _is_any(self._host) else f"[{self._host}]" if ":" in self._host else self._host
            self.api.url = f"{'http' if tls is None else 'https'}://{shown}:{port}"
        await self.server.listen_locally(self._place.bind())
        self._place.tell(url=self.url, brokers=self._brokers, started_us=self._clock.wall_us())
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._measure_lag(), name="holdfast daemon lag")]
        if self.notices.alive_every_s is not None:
            self._tasks.append(loop.create_task(self._tell_alive(self.notices.alive_every_s), name="holdfast watchdog"))

    def begin(self, desk: Desk) -> None:
        """The brokers are open: serve them. Never suspends."""
        self.api.begin(desk)
        assert self.api.hub is not None
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.api.hub.run(), name="holdfast daemon hub"))
        self._tasks.append(loop.create_task(self._find_readiness(desk), name="holdfast daemon readiness"))
        self._place.tell(url=self.url, brokers=tuple(desk.brokers), started_us=self._clock.wall_us())
        self.notices.ready(f"{len(desk.brokers)} brokers open")

    async def end(self) -> None:
        """Serve the brokers no more, and answer nobody. Suspends, about two seconds at most."""
        self.notices.stopping()
        self.server.stop_listening()
        await self.api.end("ending")
        # Streams say goodbye by themselves; what else is under way has its two seconds.
        await asyncio.sleep(0)
        await self.server.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._place.close()

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self.api.meters.lag.add(max(0.0, loop.time() - due_s))

    async def _tell_alive(self, every_s: float) -> None:
        while True:
            self.notices.alive()
            await asyncio.sleep(every_s)

    async def _find_readiness(self, desk: Desk) -> None:
        """The last readiness run of each broker, as its own history has it."""
        from holdfast.core.readiness import document_of

        for broker in desk:
            with contextlib.suppress(HoldfastError):
                reports = await broker.readiness_reports(limit=1)
                if reports:
                    self.api.readiness.setdefault(broker.name, document_of(reports[0]))


def check_binding(host: str, *, is_tls: bool, has_token: bool, is_allowed_plain: bool) -> None:
    """
    Refuse an address that others reach, unless it is guarded.

    Raises:
        ConfigError: There is no token, or no TLS and nobody said that it is somebody else's to provide.
    """
    if _is_loopback(host):
        return
    if not has_token:
        raise ConfigError(
            f"daemon.host {host} is reached by others, and there is no token: make one with `holdfast tokens create "
            "NAME --role read`, or listen on 127.0.0.1"
        )
    if not is_tls and not is_allowed_plain:
        raise ConfigError(
            f"daemon.host {host} is reached by others, and bearers would travel readable: set daemon.tls_cert_file, or"
            " daemon.allow_plain_remote = true where a proxy has TLS"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"daemon.host {host!a} is no address of this machine: {error.strerror or error}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"port {port} of {host} cannot be bound: {error.strerror or error}; name another with --port, 0 for any"
        ) from error
    return listening


def _tls_of(settings: DaemonSettings, config: Config) -> ssl.SSLContext | None:
    if settings.tls_cert_file is None:
        if settings.tls_key_file is not None:
            raise ConfigError("daemon.tls_key_file is set and daemon.tls_cert_file is not")
        return None
    folder = Path.cwd() if config.path is None else Path(config.path).parent
    chain = folder / Path(settings.tls_cert_file).expanduser()
    key = chain if settings.tls_key_file is None else folder / Path(settings.tls_key_file).expanduser()
    try:
        if stat.S_IMODE(key.stat().st_mode) & 0o077:
            raise ConfigError(f"{key} holds a private key and others may read it: run chmod 600 on it")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"TLS cannot be served with {chain}: {error.strerror or 'it is no certificate'}") from error
    return context
