"""
A desk over HTTP: the protocol of attached processes through a daemon on another port, another host, or another proxy.

The connection asks for an upgrade and is then a line like any other, so everything that an attached broker does it does
over this one too. Three things differ: a bearer opens it, the other host's clock is not ours, and making it takes time.
The clock is measured with each connection, never to its favour: what is unknown of the way makes figures older.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

import msgspec

from holdfast.config import BrokerConfig, Config
from holdfast.core.seams import Clock
from holdfast.errors import ConfigError, OwnerSilentError, UnknownNameError
from holdfast.runtime.attach.lines import LineEnd, LocalLine, LocalServer, Peer, Place
from holdfast.runtime.attach.protocol import Bye, encode
from holdfast.runtime.secrets import known_variables, named_file, read_secret_file, read_secret_variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.core.credentials import Secret

__all__ = ["Address", "RemoteClock", "WebLines", "address_of", "bearer_for", "chosen_of"]

UPGRADE: Final = "holdfast-attach"
_OPEN_WITHIN_S: Final = 5.0
_HEAD_MAX: Final = 16 * 1024
_CHUNK: Final = 64 * 1024
_ANSWER_MAX: Final = 4 * 1024 * 1024
_QUEUE_MAX: Final = 8 * 1024 * 1024
TOKEN_VARIABLE: Final = "HOLDFAST_TOKEN"  # noqa: S105  # A variable's name.
TOKEN_FILE_VARIABLE: Final = "HOLDFAST_TOKEN_FILE"  # noqa: S105  # A variable's name.


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a daemon answers HTTP, and the one broker that is wanted; all of them where that is None."""

    host: str
    port: int
    is_tls: bool
    broker: str | None = None

    @property
    def shown_host(self) -> str:
        """The host as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.shown_host}"


def address_of(url: str, *, allows_plain: bool = False) -> Address:
    """
    What an address of a daemon says: ``https://host:port``, and ``/brokers/NAME`` for one broker of it.

    Raises:
        ConfigError: It is no such address, holds what belongs in no address, or would send a bearer readable to another
            host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("this is no address of a daemon: write https://host:port") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        # Not shown: it may hold a token.
        raise ConfigError("the address of a daemon holds no name, token or query: name a token file instead")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url[:100]!a} is no address of a daemon: write https://host:port")
    path = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    if path and (len(path) != 2 or path[0] != "brokers"):
        raise ConfigError(f"{url[:100]!a}: after host and port comes nothing, or /brokers/NAME")
    is_tls = parts.scheme == "https"
    if not is_tls and not allows_plain and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(f"{url[:100]!a}: a bearer is sent to another host over https only")
    port = port or (443 if is_tls else 80)
    return Address(host=parts.hostname, port=port, is_tls=is_tls, broker=path[1] if path else None)


def bearer_for(token_file: str | os.PathLike[str] | None) -> Secret:
    """
    The token from *token_file*, else from the file that ``HOLDFAST_TOKEN_FILE`` names, else ``HOLDFAST_TOKEN``.

    Raises:
        ConfigError: There is none, or its file is not private.
    """
    if token_file is not None:
        return read_secret_file(Path(token_file).expanduser(), where="token_file")
    path = named_file(TOKEN_FILE_VARIABLE, None)
    if path is not None:
        return read_secret_file(path, where=TOKEN_FILE_VARIABLE)
    if TOKEN_VARIABLE in known_variables(None):
        return read_secret_variable(TOKEN_VARIABLE, None)
    raise ConfigError(
        f"no token: name a file that holds it, mode 0600, with token_file or {TOKEN_FILE_VARIABLE}; `holdfast tokens "
        "create` makes one where the daemon runs"
    )


class RemoteClock:
    """Our clock, moved to where the other host's stands."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_s = 0.0

    def now_s(self) -> float:
        """Seconds of the other host's clock, as near as is known."""
        return self._clock.now_s() + self.offset_s

    def awake_s(self) -> float:
        """As ``now_s``, of the clock that halts during sleep."""
        return self._clock.awake_s() + self.offset_s

    def wall_us(self) -> int:
        """UTC microseconds, here."""
        return self._clock.wall_us()

    def measured(self, *, theirs_s: float, asked_s: float, answered_s: float) -> None:
        """The other clock read *theirs_s* somewhere between *asked_s* and *answered_s* of ours."""
        # Within one host the clock is one. Of another, the moment of asking is taken: ages are then never too young.
        self.offset_s = 0.0 if asked_s <= theirs_s <= answered_s else theirs_s - asked_s


class WebLines:
    """
    The ``LocalSockets`` of a daemon's address: connects, and serves nobody.

    Args:
        address: The daemon's.
        bearer: Shown with each connection.
        clock: Set by each connection.
        ca_file: PEM file of the certificate's own authority, where the machine does not know it.
    """

    def __init__(self, address: Address, bearer: Secret, clock: RemoteClock, *, ca_file: str | None) -> None:
        self._address = address
        self._bearer = bearer
        self._clock = clock
        self._own = clock._clock
        self._tls: ssl.SSLContext | None = None
        if address.is_tls:
            try:
                self._tls = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise ConfigError(f"ca_file {ca_file}: {error.strerror or 'it is no certificate'}") from None
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def serve(self, place: Place, accept: Callable[[LocalLine], LineEnd | None]) -> LocalServer:
        raise ConfigError("a desk over HTTP serves nobody")

    def connect(self, place: Place, end: LineEnd) -> _WebLine:
        return _WebLine(self, f"/v1/brokers/{place.name}/attach", end)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection. Suspends; raises ``OSError`` or ``TimeoutError``."""
        async with asyncio.timeout(_OPEN_WITHIN_S):
            return await asyncio.open_connection(
                self._address.host, self._address.port, ssl=self._tls, limit=_ANSWER_MAX
            )

    def head(self, path: str, *, upgrades: bool) -> bytes:
        """A request's head."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {self._address.shown_host}",
            f"Authorization: Bearer {self._bearer.reveal()}",
        ]
        lines += ["Connection: Upgrade", f"Upgrade: {UPGRADE}"] if upgrades else ["Connection: close"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def read_head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        """An answer's status and headers. Suspends; raises as ``open``, ``ConnectionError`` for what is no HTTP."""
        async with asyncio.timeout(_OPEN_WITHIN_S):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise ConnectionError("no answer") from error
        first, *rest = head[:_HEAD_MAX].split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise ConnectionError("no HTTP")
        pairs = (line.partition(":") for line in rest if ":" in line)
        return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    async def brokers(self) -> list[BrokerConfig]:
        """
        What the daemon's brokers are. Suspends.

        Raises:
            ConfigError: The bearer is not taken, or something else answers.
            OwnerSilentError: Nobody answers.
        """
        try:
            asked_s = self._own.now_s()
            reader, writer = await self.open()
            try:
                writer.write(self.head("/v1/brokers", upgrades=False))
                status, headers = await self.read_head(reader)
                async with asyncio.timeout(_OPEN_WITHIN_S):
                    length = int(headers.get("content-length", "0"))
                    body = await reader.readexactly(min(length, _ANSWER_MAX))
            finally:
                writer.close()
        except ssl.SSLError as error:
            raise ConfigError(f"{self._address}: its certificate is not trusted: {error.reason}") from None
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            text = f"no daemon answers at {self._address} ({type(error).__name__})"
            raise OwnerSilentError(text, pid=None, silent_for_s=None) from None
        document = _json(body)
        if status != 200:
            raise ConfigError(f"the daemon at {self._address} does not take us: {_why(status, document)}")
        try:
            self._clock.measured(theirs_s=document["now_s"], asked_s=asked_s, answered_s=self._own.now_s())
            if document["is_starting"]:
                raise OwnerSilentError(f"the daemon at {self._address} starts", pid=None, silent_for_s=None)
            return [
                BrokerConfig(
                    name=each["name"],
                    venue=each["venue"],
                    environment=cast('Literal["production", "demo", "simulated"]', each["environment"]),
                )
                for each in document["brokers"]
            ]
        except (KeyError, TypeError):
            raise ConfigError(f"what answers at {self._address} is no holdfast of this version") from None


class _WebLine:
    """A connection that is being made, and then is there."""

    def __init__(self, lines: WebLines, path: str, end: LineEnd) -> None:
        self.peer = Peer(uid=None, pid=None)
        self._lines = lines
        self._end = end
        self._writer: asyncio.StreamWriter | None = None
        self._before: list[bytes] = []
        self._is_open = True
        self._task = asyncio.get_running_loop().create_task(self._run(path), name="holdfast attach over HTTP")

    @property
    def queued(self) -> int:
        if self._writer is None:
            return sum(map(len, self._before))
        return self._writer.transport.get_write_buffer_size()

    def send(self, data: bytes) -> bool:
        if not self._is_open:
            return False
        if self._writer is None:
            self._before.append(data)
            return False
        if self.queued > _QUEUE_MAX:
            asyncio.get_running_loop().call_soon(self._lose, "stalled")
            return False
        self._writer.write(data)
        return self.queued == 0

    def read_now(self) -> None:
        """What has arrived is in the kernel's hands until the loop comes round."""

    def abort(self) -> None:
        self._is_open = False
        if self._writer is not None:
            self._writer.transport.abort()
        self._task.cancel()

    async def _run(self, path: str) -> None:
        reason = "ended"
        try:
            asked_s = self._lines._own.now_s()
            reader, writer = await self._lines.open()
            if not self._is_open:
                writer.transport.abort()
                return
            self._writer = writer
            writer.write(self._lines.head(path, upgrades=True))
            status, headers = await self._lines.read_head(reader)
            if status != 101:
                await self._refused(reader, status, headers)
                return
            with contextlib.suppress(ValueError, KeyError):
                self._lines._clock.measured(
                    theirs_s=float(headers["x-holdfast-now"]), asked_s=asked_s, answered_s=self._lines._own.now_s()
                )
            for data in self._before:
                writer.write(data)
            self._before.clear()
            while data := await reader.read(_CHUNK):
                self._end.received(data)
        except (OSError, TimeoutError) as error:
            reason = "reset" if self._writer is not None else "unreachable"
            if isinstance(error, ssl.SSLCertVerificationError):
                self._end.received(encode(Bye(reason="refused", detail="its certificate is not trusted")))
        finally:
            self._lose(reason)

    async def _refused(self, reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> None:
        body = b""
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_OPEN_WITHIN_S):
                body = await reader.readexactly(min(int(headers.get("content-length", "0")), _ANSWER_MAX))
        if status in (401, 403, 404, 426):
            # No waiting helps: whoever waits is told why. A daemon that starts or ends is asked again.
            self._end.received(encode(Bye(reason="refused", detail=_why(status, _json(body)))))

    def _lose(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            if self._writer is not None:
                self._writer.transport.abort()
            self._end.lost(reason)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _why(status: int, document: Any) -> str:
    try:
        return f"{document['error']['message']} ({status})"[:300]
    except (KeyError, TypeError):
        return f"HTTP {status}"


def chosen_of(found: list[BrokerConfig], address: Address) -> Config:
    """The brokers that an address means, as a configuration that holds nothing else."""
    if address.broker is not None:
        found = [each for each in found if each.name == address.broker]
        if not found:
            raise UnknownNameError(f"the daemon at {address} has no broker {address.broker!a}")
    if not found:
        raise ConfigError(f"the daemon at {address} has no broker")
    return Config(brokers={each.name: each for each in found})
