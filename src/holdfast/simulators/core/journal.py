"""
What was asked of a simulated venue and what came back, in order.

The journal is evidence for whoever judges a client: it is written at the venue's side of every injected fault, so a
request that a fault lost before the venue is in it as a request without a verdict, and a reply that was lost on the
way back is in it with its verdict. Writing is an append of one tuple; names, channels and keys of stream frames are
worked out only when somebody reads.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from holdfast.core.seams import Clock

__all__ = ["DEFAULT_ENTRIES", "DEFAULT_FRAME_BYTES", "ENTRY_KINDS", "Journal"]

DEFAULT_ENTRIES: Final = 100_000
DEFAULT_FRAME_BYTES: Final = 64 * 1024 * 1024

ENTRY_KINDS: Final[dict[str, str]] = {
    "request": "An HTTP request arrived at the front; nothing has been processed yet.",
    "verdict": "The venue acted on the request named by `of` and decided; `outcome` is `ok` or its first error.",
    "reply": "What became of the answer to the request named by `of`, where that was not a plain whole reply.",
    "ws_open": "A stream handshake reached the venue; `line` numbers the connection from here on.",
    "ws_refused": "A stream handshake was refused; `outcome` is the HTTP status, or why there was no connection.",
    "ws_in": "A stream message arrived from the client.",
    "ws_out": "The venue sent a stream message; injected faults act on it after this entry.",
    "ws_close": "A stream connection ended; `outcome` is the close code and who ended it.",
    "fault": "A rule of the fault plan fired; `name` is the action, `rule` its number.",
}
"""Every kind of entry and what it means."""

_NO_FACTS: Final[Mapping[str, str]] = {}

_Said = tuple[Mapping[str, str], bytes]  # A frame, and what was known of it when it arrived.
_Entry = tuple[float, str, int | None, int | None, bytes | Mapping[str, str] | _Said, str | None]


class Journal:
    """
    A bounded record of requests, stream frames and verdicts.

    Args:
        clock: Times the entries; its wall clock is read once, so that steps of it do not show in the journal.
        describe_frame: The venue's own reading of a stream frame, used only while entries are read.
        max_entries: The oldest entry is dropped beyond this many.
        max_frame_bytes: The oldest entries are dropped while the frames kept for later reading exceed this.
        keeps_heartbeats: False leaves out heartbeat frames, which are most of what a quiet venue says.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        describe_frame: Callable[[bytes], Mapping[str, str]],
        max_entries: int = DEFAULT_ENTRIES,
        max_frame_bytes: int = DEFAULT_FRAME_BYTES,
        keeps_heartbeats: bool = True,
    ) -> None:
        self._now_s = clock.now_s
        self._wall_offset_us = clock.wall_us() - round(clock.now_s() * 1e6)
        self._describe_frame = describe_frame
        self._max_entries = max_entries
        self._max_frame_bytes = max_frame_bytes
        self._keeps_heartbeats = keeps_heartbeats
        self._entries: deque[_Entry] = deque()
        self._frame_bytes = 0
        self._next = 1

    @property
    def next(self) -> int:
        """The number the next entry will get; pass it to ``since`` to read only what is newer."""
        return self._next

    def note(
        self,
        kind: str,
        facts: Mapping[str, str] = _NO_FACTS,
        *,
        of: int | None = None,
        line: int | None = None,
        outcome: str | None = None,
    ) -> int:
        """Append one entry with facts already known; returns its number."""
        self._entries.append((self._now_s(), kind, of, line, facts, outcome))
        return self._advance()

    def note_frame(self, kind: str, frame: bytes, line: int, facts: Mapping[str, str] | None = None) -> None:
        """Append one stream frame; what it says is worked out when the entry is read, unless *facts* say it."""
        # Frames of this size that carry the word, and those of a channel of that name, are heartbeats on every venue;
        # looking is cheaper than decoding.
        if not self._keeps_heartbeats and (
            (len(frame) < 64 and b"heartbeat" in frame) or frame.startswith(b'{"channel":"heartbeats"')
        ):
            return
        self._frame_bytes += len(frame)
        self._entries.append((self._now_s(), kind, None, line, frame if facts is None else (facts, frame), None))
        self._advance()

    def _advance(self) -> int:
        number = self._next
        self._next = number + 1
        entries = self._entries
        while len(entries) > self._max_entries or self._frame_bytes > self._max_frame_bytes:
            dropped = entries.popleft()[4]
            if isinstance(dropped, tuple):
                dropped = dropped[1]
            if isinstance(dropped, bytes):
                self._frame_bytes -= len(dropped)
        return number

    def since(
        self, number: int = 0, *, with_text: bool = False, kinds: Collection[str] | None = None
    ) -> dict[str, Any]:
        """
        The entries from *number* on, oldest first.

        Args:
            number: ``next`` of an earlier answer, or 0 for everything kept.
            with_text: Add the whole text of stream frames.
            kinds: Only entries of these kinds; all where None.

        Returns:
            ``{"next": M, "lost": K, "entries": [...]}``; ``lost`` counts entries from *number* on that were already
            dropped for room. Each entry has ``n``, ``at_s`` (the simulator's clock), ``wall_us`` (UTC microseconds)
            and ``kind``, and where they apply ``of``, ``line``, ``outcome`` and what the venue says of it: ``name``,
            ``key``, ``nonce``, ``client_order_id``, ``channel``, ``type``.
        """
        first = self._next - len(self._entries)
        start = max(number, 1)
        shown: list[dict[str, Any]] = []
        for at, entry in enumerate(itertools.islice(self._entries, max(start - first, 0), None), max(start, first)):
            if kinds is None or entry[1] in kinds:
                shown.append(self._shown(at, entry, with_text=with_text))
        return {"next": self._next, "lost": max(0, first - start), "entries": shown}

    def _shown(self, number: int, entry: _Entry, *, with_text: bool) -> dict[str, Any]:
        at_s, kind, of, line, what, outcome = entry
        shown: dict[str, Any] = {
            "n": number,
            "at_s": round(at_s, 6),
            "wall_us": round(at_s * 1e6) + self._wall_offset_us,
            "kind": kind,
        }
        if of is not None:
            shown["of"] = of
        if line is not None:
            shown["line"] = line
        if outcome is not None:
            shown["outcome"] = outcome
        frame: bytes | None = None
        if isinstance(what, bytes):
            frame = what
            shown.update(self._describe_frame(frame))
        elif isinstance(what, tuple):
            shown.update(what[0])
            frame = what[1]
        else:
            shown.update(what)
        if with_text and frame is not None:
            shown["text"] = frame.decode("utf-8", "replace")
        return shown
