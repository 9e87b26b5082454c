"""
What the shell must provide: clock, wires, lane and store.

Everything that may suspend, and everything that differs between production and a simulated week, enters here.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from holdfast.core.events import Event

__all__ = [
    "Clock",
    "Emit",
    "HttpReply",
    "HttpRequest",
    "HttpWire",
    "IntentRow",
    "JournalRow",
    "Lane",
    "Priority",
    "Randomness",
    "RouteBook",
    "RouteRow",
    "Store",
    "StoreStatus",
    "StreamConnection",
    "StreamWire",
    "Turn",
    "WireError",
]

Emit = Callable[[Event], None]
"""Takes one event; never blocks, never raises."""


class Clock(Protocol):
    """
    Three readings of time, none of which suspends.

    ``now_s`` runs through suspend and never steps: every age and bound is measured on it (its zero is arbitrary).
    ``wall_us`` is UTC microseconds since 1970 and may step. ``awake_s`` halts while the machine is suspended; only
    its difference to the other two matters.
    """

    def now_s(self) -> float: ...

    def awake_s(self) -> float: ...

    def wall_us(self) -> int: ...


class Randomness(Protocol):
    """Jitter. ``random.Random`` fits."""

    def random(self) -> float: ...

    def uniform(self, a: float, b: float, /) -> float: ...


class WireError(Exception):
    """
    A wire fault, before any venue meaning is known.

    Attributes:
        was_sent: False only where provably not one byte of the request left.
        kind: One word: ``refused``, ``dns``, ``tls``, ``connect_timeout``, ``deadline``, ``reset``, ``closed``,
            ``too_large``, ``encoding``, ``protocol``, ``handshake``.
        status: HTTP status of a refused stream handshake, or None.
    """

    def __init__(self, message: str, *, kind: str, was_sent: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.was_sent = was_sent
        self.status = status


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, exactly as it goes on the wire: ``url`` includes the query, ``body`` the signed bytes."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    is_repeatable: bool = False  # A public read: the wire may repeat it once on a stale keep-alive connection.

    def __repr__(self) -> str:
        # Headers carry keys and passphrases, and a traceback that shows local variables would show them.
        return f"<HttpRequest {self.method} {self.url.partition('?')[0]} {len(self.body)} bytes>"


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """
    One HTTP reply with its whole body, decompressed and within the byte bound.

    Header names are lower case. ``sent_s`` and ``received_s`` are ``Clock.now_s`` when the request left and when the
    last byte had arrived.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_s: float
    received_s: float


class HttpWire(Protocol):
    """HTTP without redirects, with one deadline over everything and a bound on the body's size."""

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        """
        Send and wait for the whole reply. Suspends.

        When this returns or raises (cancellation included) the connection is either idle and reusable or aborted:
        nothing of the request can be written afterwards.

        Raises:
            WireError: No whole reply within *deadline_s* seconds; ``was_sent`` says whether the request may have left.
        """
        ...

    async def close(self) -> None:
        """Abort what is open. Suspends."""
        ...


class StreamConnection(Protocol):
    """One open WebSocket."""

    def send(self, frame: bytes) -> None:
        """Queue one text frame. Never suspends; raises ``WireError`` when the connection is gone."""
        ...

    def abort(self) -> None:
        """Drop the connection now; ``on_close`` follows."""
        ...

    async def close(self) -> None:
        """Close in order, within a second. Suspends."""
        ...


class StreamWire(Protocol):
    """WebSockets. Frames reach a plain function: what a frame changes is changed before anything else runs."""

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

        *on_frame* gets each whole text message; a binary message, invalid UTF-8 or a message over the byte bound
        closes the connection instead. *on_close* is called exactly once, with the close code (None where there was
        none) and a reason.

        Raises:
            WireError: Not open within *deadline_s* seconds; ``status`` where the handshake was refused.
        """
        ...


class Priority(enum.IntEnum):
    """Who goes first in a lane; smaller is sooner."""

    CANCEL = 0
    ORDER = 1
    TOKEN = 2
    BALANCE = 3
    HISTORY = 4


class Turn(Protocol):
    """One holder's turn in a lane: from nonce allocation to the reply."""

    async def take(self) -> int:
        """
        The next nonce, durable before it is returned. Suspends while it is synced.

        Raises:
            StoreError: It could not be made durable; nothing may be sent.
            CredentialParkedError: The credential was parked meanwhile, or has no number left that is larger.
        """
        ...

    async def take_beyond(self) -> int:
        """
        The one regenerated nonce after ``Invalid nonce``: further ahead by a bounded jump, durable before returned.

        Suspends. Raises like ``take``.
        """
        ...

    async def park(self, cause: str, *, for_s: float | None) -> str:
        """
        Close the credential to every process of this host for *for_s* seconds, or until a person acts when None.

        Durable. Suspends.

        Returns:
            The cause, as precisely as what is known of the credential allows.
        """
        ...


class Lane(Protocol):
    """The per-credential turn to send, shared by every task, thread and process of a host."""

    def turn(self, *, priority: Priority, wait_s: float | None = None) -> AbstractAsyncContextManager[Turn]:
        """
        Wait for the lane, hold it for the block. Suspends.

        Raises:
            CredentialBusyError: Not free within *wait_s* seconds (the configured bound when None); names the holder.
            CredentialParkedError: The credential is parked; nothing may be sent.
            StoreError: The lane's file cannot be trusted or written.
        """
        ...


class JournalRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    One accepted change, discrepancy or notice, as it is kept.

    Amounts are exact text or ``None``; ``wall_us`` is UTC microseconds; ``cause`` is a JSON object saying why.
    ``is_money`` is False for rows that only confirm figures: those may be coalesced.
    """

    wall_us: int
    kind: str  # snapshot, delta, derived, discrepancy, restored, notice, audit ...
    asset: str | None
    total: str | None
    held: str | None
    available: str | None
    source: str | None
    cause: str
    is_money: bool
    seq: int | None = None  # Given by the store; rises by one per row kept.


class IntentRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    One intent (a reservation and what became of its order) as it stands, whole: a later row of the id replaces it.

    ``record`` is a JSON object; ``wall_us`` is UTC microseconds of its latest change.
    """

    intent_id: str
    client_order_id: str
    is_ended: bool
    wall_us: int
    record: str


class RouteRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which broker one intent of a desk is bound to, as it is kept.

    ``key`` is the intent's client order id, so that two spellings of one id are one intent; ``token`` names the writer
    of this state, and whoever replaces it has to name it. ``updated_us`` is UTC microseconds.
    """

    key: str
    token: str
    updated_us: int
    record: str


class RouteBook(Protocol):
    """Intents bound to brokers, durable and shared by a host's processes. All suspend and raise ``StoreError``."""

    async def find(self, key: str) -> RouteRow | None: ...

    async def put(self, row: RouteRow, *, was: str | None) -> bool:
        """Keep *row*, durably, in the place of the one whose token *was*, of none where None; False where not so."""
        ...

    async def drop(self, key: str, *, was: str) -> bool:
        """Forget the row under *key* whose token *was*; False where there is none."""
        ...

    async def prune(self, *, before_us: int) -> int:
        """Forget what was last changed before that time; how many rows."""
        ...

    async def close(self) -> None: ...


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the store can be relied on now."""

    is_ok: bool
    reason: str | None  # full, read_only, corrupt, replaced, io, busy, refused, closed; None when ok.
    last_seq: int
    path: str
    halted: str | None = None  # Why the account is halted, such as restored_old_copy; says nothing about writes.


class Kept(Awaitable[int], Protocol):
    """What becomes of intents that were handed over; awaited as what ``append`` returns, by as many as wish."""

    def when_settled(self, told: Callable[[bool], None]) -> None:
        """Have *told* called with whether they were kept: before those who await it, at once where that is known."""
        ...


class Store(Protocol):
    """Durable state of one account: journal and facts. One process has it open."""

    def append(self, rows: Sequence[JournalRow]) -> Awaitable[int]:
        """
        Hand rows to the writer, in order. Never suspends and never blocks.

        Returns:
            An awaitable that ends once the rows are durable, with the last row's sequence number, or raises
            ``StoreError``. Not awaiting it is allowed: ``status`` remembers a failure.
        """
        ...

    def keep(
        self,
        intents: Sequence[IntentRow],
        rows: Sequence[JournalRow] = (),
        facts: Mapping[str, str | None] | None = None,
    ) -> Kept:
        """
        Hand intents to the writer, with the journal rows and facts that belong to them: all of it or nothing.

        Never suspends and never blocks. Ordered with ``append``; as durable (each commit is synced). Once one failed,
        every further one that is handed over before that is told fails too: handed over again, all is kept in order.

        Returns:
            An awaitable as ``append``'s.
        """
        ...

    async def open_intents(self) -> list[IntentRow]:
        """Every intent that has not ended, oldest change first. Suspends."""
        ...

    async def intent(self, intent_id: str) -> IntentRow | None:
        """One intent, ended ones included while they are remembered, or None. Suspends."""
        ...

    async def intents(self, *, limit: int = 1000, since_wall_us: int | None = None) -> list[IntentRow]:
        """Remembered intents, newest change first, at most *limit*. Suspends."""
        ...

    async def intent_ids(self) -> list[str]:
        """The ids of every remembered intent. Suspends."""
        ...

    async def latest(self) -> list[JournalRow]:
        """The newest row with figures for each asset, in asset order. Suspends."""
        ...

    async def history(
        self,
        *,
        asset: str | None = None,
        after_seq: int = 0,
        since_wall_us: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
        kind: str | None = None,
    ) -> list[JournalRow]:
        """Kept rows, of one *kind* or all, oldest first unless *newest_first*, at most *limit*. Suspends."""
        ...

    async def fact(self, name: str) -> str | None:
        """The JSON text kept under *name*, or None. Suspends."""
        ...

    async def keep_fact(self, name: str, value: str | None) -> None:
        """Keep JSON text under *name*, durable when this returns; None removes it. Suspends; raises ``StoreError``."""
        ...

    def status(self) -> StoreStatus:
        """Whether writes are accepted now."""
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy while open. Suspends; raises ``StoreError`` and leaves no partial file behind."""
        ...

    async def prune(self, *, wall_us: int) -> int:
        """
        Drop whole journal segments older than the kept days; the checkpoint after them stays. Suspends.

        Intents that ended more than 30 days ago go with them; how many journal rows went is returned.
        """
        ...

    async def close(self) -> None:
        """Write what is queued and close. Suspends."""
        ...
