"""
The line between a simulated venue and the front that carries its bytes.

A venue answers requests and stream messages in plain functions, at once, and changes its ground truth only there. A
front (real sockets, or memory under virtual time) carries the bytes, applies the transport faults before and after
the venue has acted, and owns the journal of what was asked and answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

__all__ = ["Peer", "Session", "SimReply", "SimRequest", "SimulatedVenue", "Timers"]


class SimRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request as it arrived; header names are lower case, ``query`` is raw, without the question mark."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class SimReply(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP reply. The front adds ``X-Holdfast-Simulator``, ``Date`` and length."""

    status: int
    headers: dict[str, str]
    body: bytes


class Timers(Protocol):
    """When a venue acts by itself (heartbeats, dead-man timers): an asyncio loop fits, real or virtual."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any: ...


class Peer(Protocol):
    """The client's end of one stream connection, as the venue sees it."""

    def send(self, frame: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Session(Protocol):
    """One stream connection at the venue's side."""

    def receive(self, frame: bytes) -> None:
        """A whole text message arrived."""

    def closed(self) -> None:
        """The connection is gone; send nothing more."""


class SimulatedVenue(Protocol):
    """One simulated venue: deterministic for a seed, a clock and a sequence of requests."""

    id: str

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one request; what it commits is committed when this returns."""
        ...

    def describe(self, request: SimRequest) -> dict[str, str]:
        """
        What the journal and the fault plan need to know of a request, without acting on it.

        Keys, where they apply: ``name`` (``BalanceEx``), ``key`` (public key), ``nonce``, ``client_order_id``.
        """
        ...

    def describe_frame(self, frame: bytes) -> dict[str, str]:
        """The same for a stream message from the client, or to it: ``name``, ``channel``, ``type``, ``key`` ..."""
        ...

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> Session | SimReply:
        """A stream connection to *path*, or the refusal of its handshake."""
        ...

    def truth(self) -> dict[str, Any]:
        """``{"accounts": {name: {"assets": {CODE: {"total", "held", "available"}}}}}``: exact text, canonical codes."""
        ...

    def orders(self) -> dict[str, Any]:
        """
        ``{"accounts": {name: {"orders": [...]}}}``: every order that was ever accepted, oldest first, with its fills.

        Each has at least ``order_id``, ``client_order_id``, ``symbol``, ``side``, ``status``, ``filled``, ``cost``,
        ``fees`` by asset, ``claimed`` by asset, and ``accepted_us`` and ``ended_us`` on the venue's clock.
        """
        ...

    def credentials(self) -> list[dict[str, Any]]:
        """``account``, ``key``, ``secret``, ``passphrase``, ``nonce_window`` per key, for the ready line."""
        ...

    def happen(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """
        Let something happen at the venue (``POST /events``): deposit, withdrawal, external trade, mode ...

        Raises:
            ValueError: The event is unknown or malformed; the text says what is expected.
        """
        ...

    def impair(self, fault: Mapping[str, Any]) -> bool:
        """
        Take a fault that only the venue itself can act out (lag, stolen nonce, lockout, token death ...).

        Returns False where this venue does not know the fault's kind. An empty mapping clears all of them.
        """
        ...
