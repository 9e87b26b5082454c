"""
One stream connection at the venue's side: the fault plan acts here, in both directions, before any bytes.

A healthy frame costs one journal entry and one call of the carrier. Everything else happens only where a rule is in
force or the connection is muted.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from holdfast.simulators.core import actions as do
from holdfast.simulators.core.faults import FaultPlan, Firing
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.mutations import mutate
from holdfast.simulators.core.pipe import Pipe
from holdfast.simulators.core.seam import Session, SimReply, SimulatedVenue

__all__ = ["Carrier", "Line"]


class Carrier(Protocol):
    """
    The transport below one stream connection: real frames, or memory.

    Nothing here suspends. What is said before the transport is open is kept and said first.
    """

    def text(self, frame: bytes) -> None:
        """One whole text message."""

    def fragments(self, parts: list[bytes]) -> None:
        """One text message in several fragments."""

    def binary(self, frame: bytes) -> None:
        """One binary message."""

    def invalid_utf8(self, frame: bytes) -> None:
        """A text message whose bytes, given here, are not UTF-8."""

    def compressed(self, frame: bytes) -> None:
        """A text message marked as compressed, though that was never agreed on."""

    def pong(self, payload: bytes) -> None:
        """The protocol's own answer to a ping frame."""

    def close(self, code: int, reason: str) -> None:
        """Close in order, after everything said so far."""

    def abort(self) -> None:
        """Be gone at once."""


class Line:
    """
    One stream connection: what the venue says goes through ``send``, what the client says through ``receive``.

    Args:
        venue: The venue behind it.
        plan: Rules of kinds ``ws_in`` and ``ws_out`` apply.
        journal: Gets every frame, as the venue said it and before it is impaired.
        loop: Timers for delays.
        carrier: The transport.
        number: This connection's number in the journal.
        forget: Called once, when the connection has ended.
    """

    __slots__ = (
        "_carrier",
        "_deaf_until",
        "_describe",
        "_forget",
        "_held_in",
        "_held_out",
        "_in",
        "_journal",
        "_loop",
        "_mute_until",
        "_out",
        "_plan",
        "_session",
        "_venue",
        "is_closed",
        "key",
        "number",
    )

    def __init__(
        self,
        venue: SimulatedVenue,
        plan: FaultPlan,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        carrier: Carrier,
        *,
        number: int,
        forget: Callable[[Line], None],
    ) -> None:
        self.number = number
        self.key = ""
        self.is_closed = False
        self._venue = venue
        self._describe = venue.describe_frame
        self._plan = plan
        self._journal = journal
        self._loop = loop
        self._carrier = carrier
        self._forget = forget
        self._session: Session | None = None
        self._mute_until = -math.inf  # The client hears nothing before this.
        self._deaf_until = -math.inf  # The venue hears nothing before this.
        self._out: Pipe[tuple[str, bytes]] | None = None
        self._in: Pipe[bytes] | None = None
        self._held_out: tuple[str, bytes] | None = None
        self._held_in: bytes | None = None

    def connect(self, path: str, headers: Mapping[str, str], *, impaired_by: list[Firing]) -> SimReply | None:
        """Let the venue take the connection, impaired from its first moment; its refusal where it does not."""
        # Before the venue is asked: it may speak at once, and that already belongs to this connection.
        self._journal.note("ws_open", {"name": path}, line=self.number)
        for firing in impaired_by:
            if isinstance(firing.action, do.Mute):
                self.impair(firing.action)
        answer = self._venue.connect(path, self, headers)
        if isinstance(answer, SimReply):
            self.is_closed = True
            return answer
        if self.is_closed:
            self._loop.call_soon(answer.closed)  # The venue closed it while it was taking it.
            return None
        self._session = answer
        for firing in impaired_by:
            if isinstance(firing.action, do.Close):
                self.impair(firing.action)
        return None

    # From the venue

    def send(self, frame: bytes) -> None:
        """The venue says one text message."""
        if self.is_closed:
            return
        self._journal.note_frame("ws_out", frame, self.number)
        if self._mute_until > -math.inf and self._loop.time() < self._mute_until:
            return
        if self._plan.ws_out:
            self._send_impaired(frame)
        elif self._out is None and self._held_out is None:
            self._carrier.text(frame)
        else:
            self._pass_out("text", frame)

    def close(self, code: int, reason: str) -> None:
        """The venue closes the connection in order."""
        if self.is_closed:
            return
        self._flush_out()
        self._end(f"{code} venue")
        self._carrier.close(code, reason)

    def _send_impaired(self, frame: bytes) -> None:
        facts = self._describe(frame)
        if self.key and "key" not in facts:
            facts = {**facts, "key": self.key}
        firings = self._plan.firing(self._plan.ws_out, facts)
        if not firings:
            self._pass_out("text", frame)
            return
        style, copies, delay_s = "text", 1, 0.0
        before: list[bytes] = []
        after: list[bytes] = []
        ending: do.Action | None = None
        swapped_s: float | None = None
        for firing in firings:
            firing.note(self._journal, line=self.number)
            action = firing.action
            if isinstance(action, do.Delay):
                delay_s += firing.delay_s()
            elif isinstance(action, do.Drop):
                copies = 0
            elif isinstance(action, do.Duplicate):
                copies += action.times
            elif isinstance(action, do.Burst):
                after += [frame if action.text is None else action.text.encode()] * action.frames
            elif isinstance(action, do.Inject):
                (before if action.where == "before" else after).append(action.text.encode())
            elif isinstance(action, do.Swap):
                swapped_s = action.for_s
            elif isinstance(action, do.Mute):
                ending = action
                copies = 0
            elif isinstance(action, do.Close):
                ending = action
                copies = copies if action.delivers else 0
            else:
                style, frame = _rewritten(style, frame, firing)
        for text in before:
            self._pass_out("text", text, delay_s)
        if swapped_s is not None and copies and self._held_out is None:
            self._held_out = held = (style, frame)
            self._loop.call_later(swapped_s, self._flush_held, held)
        else:
            for _ in range(copies):
                self._pass_out(style, frame, delay_s)
        for text in after:
            self._pass_out("text", text, delay_s)
        if ending is not None:
            self.impair(ending)

    def _pass_out(self, style: str, frame: bytes, delay_s: float = 0.0) -> None:
        held = self._held_out
        if self._out is None and delay_s > 0:
            self._out = Pipe(self._loop, self._emit)
        if self._out is None:
            self._emit((style, frame))
        elif not self._out and delay_s <= 0:
            self._out = None
            self._emit((style, frame))
        else:
            self._out.push((style, frame), delay_s)
        if held is not None:
            self._held_out = None
            self._pass_out(*held)

    def _flush_held(self, held: tuple[str, bytes]) -> None:
        if self._held_out is held and not self.is_closed:
            self._held_out = None
            self._pass_out(*held)

    def _flush_out(self) -> None:
        """Say what delays still hold back, so that an orderly close comes after it."""
        if self._out is not None:
            out, self._out = self._out, None
            for item in out.drain():
                self._emit(item)

    def _emit(self, item: tuple[str, bytes]) -> None:
        if self.is_closed:
            return
        style, frame = item
        if style == "text":
            self._carrier.text(frame)
        elif style == "binary":
            self._carrier.binary(frame)
        elif style == "invalid_utf8":
            self._carrier.invalid_utf8(frame)
        elif style == "compressed":
            self._carrier.compressed(frame)
        else:
            parts = int(style)
            size = max(1, -(-len(frame) // parts))
            self._carrier.fragments([frame[at : at + size] for at in range(0, len(frame), size)])

    # From the client

    def receive(self, frame: bytes) -> None:
        """The client said one whole text message."""
        if self.is_closed:
            return
        facts = self._describe(frame)
        if "key" in facts:
            self.key = facts["key"]
        elif self.key:
            facts = {**facts, "key": self.key}
        self._journal.note_frame("ws_in", frame, self.number, facts)
        if self._loop.time() < self._deaf_until:
            return
        if self._plan.ws_in:
            self._receive_impaired(frame, facts)
        else:
            self._pass_in(frame)

    def _receive_impaired(self, frame: bytes, facts: Mapping[str, str]) -> None:
        copies, delay_s = 1, 0.0
        ending: do.Action | None = None
        swapped_s: float | None = None
        for firing in self._plan.firing(self._plan.ws_in, facts):
            firing.note(self._journal, line=self.number)
            action = firing.action
            if isinstance(action, do.Delay):
                delay_s += firing.delay_s()
            elif isinstance(action, do.Drop):
                copies = 0
            elif isinstance(action, do.Duplicate):
                copies += action.times
            elif isinstance(action, do.Swap):
                swapped_s = action.for_s
            elif isinstance(action, do.Mute):
                ending = action
                copies = 0
            elif isinstance(action, do.Close):
                ending = action
                copies = copies if action.delivers else 0
        if swapped_s is not None and copies and self._held_in is None:
            self._held_in = frame
            self._loop.call_later(swapped_s, self._flush_held_in, frame)
        else:
            for _ in range(copies):
                self._pass_in(frame, delay_s)
        if ending is not None:
            self.impair(ending)

    def _pass_in(self, frame: bytes, delay_s: float = 0.0) -> None:
        held = self._held_in
        if self._in is None and delay_s > 0:
            self._in = Pipe(self._loop, self._take)
        if self._in is None:
            self._take(frame)
        elif not self._in and delay_s <= 0:
            self._in = None
            self._take(frame)
        else:
            self._in.push(frame, delay_s)
        if held is not None:
            self._held_in = None
            self._pass_in(held)

    def _flush_held_in(self, frame: bytes) -> None:
        if self._held_in is frame and not self.is_closed:
            self._held_in = None
            self._pass_in(frame)

    def _take(self, frame: bytes) -> None:
        if not self.is_closed and self._session is not None:
            self._session.receive(frame)

    def ping(self, payload: bytes) -> None:
        """The client sent a protocol ping; a muted connection does not answer it."""
        now = self._loop.time()
        if not self.is_closed and now >= self._mute_until and now >= self._deaf_until:
            self._carrier.pong(payload)

    def is_speaking(self) -> bool:
        """Whether the client hears anything from here: not closed and not muted."""
        return not self.is_closed and self._loop.time() >= self._mute_until

    def gone(self, why: str) -> None:
        """The transport ended by itself or by the client; *why* goes into the journal."""
        if not self.is_closed:
            self._end(why)

    # By a fault

    def impair(self, action: do.Action) -> None:
        """Mute, unmute or close this connection now."""
        if self.is_closed:
            return
        if isinstance(action, do.Mute):
            until = math.inf if action.for_s is None else self._loop.time() + action.for_s
            if action.direction in ("in", "both"):
                self._mute_until = max(self._mute_until, until)
            if action.direction in ("out", "both"):
                self._deaf_until = max(self._deaf_until, until)
        elif isinstance(action, do.Unmute):
            self._mute_until = self._deaf_until = -math.inf
        elif isinstance(action, do.Close):
            self._end(f"{action.code} fault")
            if action.code == 1006:
                self._carrier.abort()
            else:
                self._carrier.close(action.code, action.reason)

    def _end(self, why: str) -> None:
        self.is_closed = True
        self._journal.note("ws_close", {}, line=self.number, outcome=why)
        if self._out is not None:
            self._out.clear()
        if self._in is not None:
            self._in.clear()
        self._forget(self)
        session, self._session = self._session, None
        if session is not None:
            # The venue may be in the middle of saying something to this very session.
            self._loop.call_soon(session.closed)


def _rewritten(style: str, frame: bytes, firing: Firing) -> tuple[str, bytes]:
    action = firing.action
    if isinstance(action, do.Truncate):
        return style, frame[: firing.place_in(len(frame))]
    if isinstance(action, do.Mutate):
        text = mutate(frame.decode(), action.how, field=action.field, value=action.value, rng=firing.rng)
        return style, frame if text is None else text.encode()
    if isinstance(action, do.Fragment):
        return str(action.parts), frame
    if isinstance(action, do.SendBinary):
        return "binary", frame
    if isinstance(action, do.InvalidUtf8):
        return "invalid_utf8", frame[:-1] + b"\xff" + frame[-1:]
    if isinstance(action, do.DeflateBomb):
        # As permessage-deflate has it: a raw deflate stream that ends in a sync flush, the flush's tail cut off.
        # Source: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(frame.ljust(action.unpacked_bytes)) + packer.flush(zlib.Z_SYNC_FLUSH)
        return "compressed", packed[:-4]
    assert isinstance(action, do.HugeFrame)
    return style, frame + b" " * max(0, action.total_bytes - len(frame))
