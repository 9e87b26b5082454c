"""
Wires that a venue's echo does not pass: what was sent to prove who we are never comes back as text of the venue's.

A gateway's error page may quote the headers of a request, and OKX quotes a request that it does not understand, login
included. Such text goes into errors, logs and the journal, so it is cleaned where it comes in, before anybody reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

import msgspec

from holdfast.core.credentials import Credential
from holdfast.core.seams import HttpReply, HttpRequest, HttpWire, StreamConnection, StreamWire, WireError

__all__ = ["UnechoedHttp", "UnechoedStreams"]

_SIGNED = frozenset({"api-sign", "authorization", "ok-access-sign"})
_LEAST_SIGNED = 20

_LEAST = 6  # What is shorter stands in any answer by chance.


class _Parts:
    """
    Every part of a credential as bytes, each line of a secret that has several by itself; shows nothing of it.

    The public key is one of them only where nobody can mean it: Kraken names it where it tells of a key.
    """

    __slots__ = ("__key", "__parts")

    def __init__(self, credential: Credential) -> None:
        parts = [*credential.reveal_secret().splitlines(), credential.reveal_passphrase() or ""]
        self.__parts = tuple(part.encode() for part in parts if len(part) >= _LEAST)
        self.__key = tuple(part.encode() for part in (credential.key,) if len(part) >= _LEAST)

    def __reduce__(self) -> NoReturn:
        raise TypeError("parts of a credential cannot be pickled or copied: they must not travel")

    def cleaned(self, text: bytes, *, may_name_key: bool = True) -> bytes:
        """*text* itself where it holds none of them, else ``***`` in their places."""
        for part in self.__parts if may_name_key else self.__parts + self.__key:
            if part in text:
                text = text.replace(part, b"***")
        return text


class UnechoedHttp:
    """An HTTP wire whose replies hold nothing of *credential*: ``***`` stands there instead."""

    def __init__(self, wire: HttpWire, credential: Credential) -> None:
        self._wire = wire
        self._parts = _Parts(credential)

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        """As the wire's own. Suspends; raises ``WireError``."""
        try:
            reply = await self._wire.request(request, deadline_s=deadline_s)
        except WireError as error:
            told = self._parts.cleaned(str(error).encode(errors="replace"), may_name_key=False).decode()
            raise WireError(told, kind=error.kind, was_sent=error.was_sent, status=error.status) from None
        body = self._parts.cleaned(reply.body, may_name_key=reply.status == 200)
        for name, value in request.headers.items():
            # A signature or a token opens nothing for long, and is nobody's business either.
            if name.lower() in _SIGNED:
                signed = value.removeprefix("Bearer ").encode()
                body = body.replace(signed, b"***") if len(signed) >= _LEAST_SIGNED and signed in body else body
        return reply if body is reply.body else msgspec.structs.replace(reply, body=body)

    async def close(self) -> None:
        """As the wire's own. Suspends."""
        await self._wire.close()


class UnechoedStreams:
    """A stream wire whose frames hold nothing of *credential*; for venues whose login carries a part of it."""

    def __init__(self, wire: StreamWire, credential: Credential) -> None:
        self._wire = wire
        self._parts = _Parts(credential)

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> StreamConnection:
        """As the wire's own. Suspends; raises ``WireError``."""
        cleaned = self._parts.cleaned

        def hear(frame: bytes) -> None:
            on_frame(cleaned(frame))

        def end(code: int | None, reason: str) -> None:
            on_close(code, cleaned(reason.encode(errors="replace")).decode())

        return await self._wire.connect(url, on_frame=hear, on_close=end, deadline_s=deadline_s, headers=headers)
