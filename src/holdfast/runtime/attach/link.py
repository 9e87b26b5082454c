"""
One connection to an owner, from the attached side: lines cut and decoded, calls numbered, answers matched.

What becomes of a call is in its ``Asked``: begun once the owner took it, answered it or is lost; ended once nothing
more will come of it over this connection.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from holdfast.runtime.attach.lines import LocalLine
from holdfast.runtime.attach.protocol import (
    FRAME_MAX,
    Accepted,
    Ask,
    ClientHello,
    Failed,
    Follow,
    FrameError,
    Frames,
    FromOwner,
    Result,
    Stop,
    decode_from_owner,
    encode,
)

__all__ = ["Asked", "Hearer", "Link", "end"]


class Hearer(Protocol):
    """Who is told what comes over a link."""

    def heard(self, link: Link, message: FromOwner) -> None: ...

    def link_lost(self, link: Link, reason: str) -> None: ...


class Asked:
    """
    One call under way.

    Attributes:
        begun: Done once the owner has taken the call or answered it, or the connection is lost.
        ended: Done once it is answered, given up or lost.
        is_accepted: Whether the owner said that it begins.
        answer: What it said, where it did.
    """

    __slots__ = ("answer", "begun", "ended", "id", "is_accepted")

    def __init__(self, id_: int) -> None:
        loop = asyncio.get_running_loop()
        self.id = id_
        self.is_accepted = False
        self.answer: Result | Failed | None = None
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def finish(self) -> None:
        """Nothing more will come of it."""
        end(self.begun)
        end(self.ended)


class Link:
    """
    One connection.

    Attributes:
        line: What carries it; None once it has ended.
        is_greeted: Whether the owner has said who it is.
        is_filled: Whether its whole picture has come.
    """

    def __init__(self, hearer: Hearer) -> None:
        self.line: LocalLine | None = None
        self.is_greeted = False
        self.is_filled = False
        self._hearer = hearer
        self._frames = Frames(limit=FRAME_MAX)
        self._asked: dict[int, Asked] = {}
        self._last_id = 0

    # LineEnd

    def received(self, data: bytes) -> None:
        try:
            for line in self._frames.feed(data):
                if self.line is None:
                    return
                self._hearer.heard(self, decode_from_owner(line))
        except FrameError as error:
            self._hearer.link_lost(self, error.reason)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a message of an account's owner could not be handled", "exception": error}
            )
            self._hearer.link_lost(self, "failed")

    def lost(self, reason: str) -> None:
        self._hearer.link_lost(self, reason)

    # Calls

    def say(self, message: ClientHello | Ask | Stop | Follow) -> None:
        if self.line is not None:
            self.line.send(encode(message))

    def ask(self, method: str, arguments: msgspec.Raw, valid_until_s: float) -> Asked:
        """Ask; what came of it is in what this returns."""
        self._last_id += 1
        asked = self._asked[self._last_id] = Asked(self._last_id)
        self.say(Ask(id=asked.id, method=method, valid_until_s=valid_until_s, arguments=arguments))
        return asked

    def answered(self, message: Accepted | Result | Failed) -> None:
        asked = self._asked.get(message.id)
        if asked is None:
            return  # Nobody waits for it any more.
        if isinstance(message, Accepted):
            asked.is_accepted = True
            end(asked.begun)
        else:
            asked.answer = message
            del self._asked[message.id]
            asked.finish()

    def stop(self, asked: Asked) -> None:
        """Nobody waits for it any more."""
        if self._asked.pop(asked.id, None) is not None:
            self.say(Stop(id=asked.id))

    def give_up(self) -> None:
        """The owner has been silent for too long: what it took is not waited for."""
        for asked in [each for each in self._asked.values() if each.is_accepted]:
            del self._asked[asked.id]
            asked.finish()

    def read_now(self) -> None:
        if self.line is not None:
            self.line.read_now()

    def drop(self) -> None:
        """End it; whoever waits on it is told."""
        line, self.line = self.line, None
        if line is not None:
            line.abort()
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.finish()


def end(waiter: asyncio.Future[None]) -> None:
    """Let whoever waits go on; safe to repeat."""
    if not waiter.done():
        waiter.set_result(None)
