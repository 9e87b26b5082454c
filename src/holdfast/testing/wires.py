"""Wires that lead nowhere, for venues that need none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from holdfast.core.seams import HttpReply, HttpRequest, StreamConnection, WireError

__all__ = ["NoHttp", "NoStreams"]


class NoHttp:
    """An ``HttpWire`` that refuses every request before a byte has left."""

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        raise WireError("this wire leads nowhere", kind="refused", was_sent=False)

    async def close(self) -> None:
        pass


class NoStreams:
    """A ``StreamWire`` that refuses every connection."""

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> StreamConnection:
        raise WireError("this wire leads nowhere", kind="refused", was_sent=False)
