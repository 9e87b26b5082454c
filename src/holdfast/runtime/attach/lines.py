"""
The seam under owner and attached process: bytes between two processes of one host.

Nothing in here suspends. A connection is made or refused at once, what is sent is in the kernel's hands or queued and
counted, and what arrives is handed to a plain function. The real thing is in ``sockets``, the pretended one in
``holdfast.testing``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

__all__ = ["LineEnd", "LocalLine", "LocalServer", "LocalSockets", "Peer", "Place"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where a broker's owner is found: by the broker's name in a state folder, or by a socket's own path.

    ``path`` is set by whoever was given nothing but a path; else ``environment`` and ``name`` say it.
    """

    environment: str | None = None
    name: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        return self.path if self.path is not None else f"{self.environment}/{self.name}"


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """
    The process at the other end, as the kernel says; None where it does not say.

    ``name`` is that of the bearer that it showed, where it came over a network.
    """

    uid: int | None
    pid: int | None
    name: str | None = None


class LineEnd(Protocol):
    """Who hears a connection: plain functions that do not raise."""

    def received(self, data: bytes) -> None:
        """Some bytes arrived."""
        ...

    def lost(self, reason: str) -> None:
        """The other end is gone. Called at most once, and never after our own ``abort``."""
        ...


class LocalLine(Protocol):
    """One open connection."""

    peer: Peer

    @property
    def queued(self) -> int:
        """Bytes sent that the kernel has not taken yet."""
        ...

    def send(self, data: bytes) -> bool:
        """
        Send, or queue where the kernel takes no more. Never suspends, never raises.

        Returns:
            Whether everything sent so far is in the kernel's hands: it arrives whatever becomes of this process.
        """
        ...

    def read_now(self) -> None:
        """Hand over what has arrived already, without waiting for the loop to come round."""
        ...

    def abort(self) -> None:
        """Drop the connection; safe to repeat. What the kernel has taken still arrives."""
        ...


class LocalServer(Protocol):
    """A place that is served."""

    address: str

    def close(self) -> None:
        """Serve no more, and remove the socket's file unless it is another's by now. Safe to repeat."""
        ...

    def abandon(self) -> None:
        """Serve no more and touch no file: it may be another owner's."""
        ...


class LocalSockets(Protocol):
    """Where owners are served and found."""

    def serve(self, place: Place, accept: Callable[[LocalLine], LineEnd | None]) -> LocalServer:
        """
        Serve *place*; the caller holds its owner lock, and whatever is left of an earlier owner is removed.

        *accept* answers each new connection with who hears it, or None to drop it. Connections of another user are
        dropped before that.

        Raises:
            ConfigError: No socket can be made there; the message says why.
        """
        ...

    def connect(self, place: Place, end: LineEnd) -> LocalLine | None:
        """
        Connect to whoever serves *place*; None where nobody does, or where its waiting line is full.

        Raises:
            ConfigError: What is there belongs to another user, or may not be reached.
        """
        ...
