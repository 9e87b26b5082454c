"""
Who asked for what: the record of a person's acts, kept in the journal beside what they changed.

An act's row has the kind ``audit`` and says who asked (user, process, command line), what, how it stood before and
after, and what came of it. Of a call that came over the socket, user and process are what the kernel says of the other
end; the command line is what that end says of itself. Nothing in here ever holds a secret: commands take none.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.seams import Clock, JournalRow, Store
from holdfast.errors import HoldfastError, StoreError

__all__ = ["AUDIT", "Audit", "Caller", "asked_by", "caller", "command_line"]

AUDIT: Final = "audit"
"""The journal's kind of these rows."""

_WITHIN_S: Final = 5.0
_COMMAND_MAX: Final = 300
_WORDS_MAX: Final = 2000


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. ``command`` is None where nobody typed one: a bot."""

    uid: int | None
    pid: int | None
    command: str | None = None


_caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("holdfast_caller", default=None)


def caller() -> Caller:
    """Who asks in this context: whoever was named by ``asked_by``, else this process."""
    found = _caller.get()
    return Caller(uid=os.getuid(), pid=os.getpid()) if found is None else found


@contextlib.contextmanager
def asked_by(who: Caller) -> Iterator[None]:
    """Everything in the block, and in tasks begun in it, is asked by *who*."""
    token = _caller.set(who)
    try:
        yield
    finally:
        _caller.reset(token)


@contextlib.contextmanager
def command_line(words: str) -> Iterator[None]:
    """Everything in the block is asked by this process, with the command line *words*."""
    with asked_by(Caller(uid=os.getuid(), pid=os.getpid(), command=words[:_COMMAND_MAX])):
        yield


class Audit:
    """
    Keeps one broker's audit rows.

    Args:
        store: Where they are kept.
        clock: For their time.
        before_writing: Called before a row is handed over, so that what happened before it stands before it.
    """

    def __init__(self, store: Store, clock: Clock, *, before_writing: Any = None) -> None:
        self._store = store
        self._clock = clock
        self._before_writing = before_writing

    async def keep(
        self,
        act: str,
        *,
        outcome: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> str | None:
        """
        Keep one row. Suspends until it is durable, for 5 s at most; never raises for the store.

        Args:
            act: What was done, as one word.
            outcome: What came of it, in a word or a sentence.
            before: How it stood before, by name.
            after: How it stands now.
            facts: What else belongs to it.

        Returns:
            None once it is kept, else why it is not.
        """
        row = self.row(act, outcome=outcome, before=before, after=after, facts=facts)
        if self._before_writing is not None:
            self._before_writing()
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._store.append([row])
        except TimeoutError:
            return f"the store did not keep the record within {_WITHIN_S:g} s"
        except StoreError as error:
            return str(error)
        except HoldfastError as error:
            return f"{type(error).__name__}: {error}"
        return None

    def row(
        self,
        act: str,
        *,
        outcome: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> JournalRow:
        """The row that ``keep`` keeps."""
        who = caller()
        cause: dict[str, Any] = {
            "cause": act,
            "outcome": outcome[:_WORDS_MAX],
            "uid": who.uid,
            "pid": who.pid,
            "command": who.command or _own_program(who),
        }
        if before is not None:
            cause["before"] = dict(before)
        if after is not None:
            cause["after"] = dict(after)
        cause |= {} if facts is None else dict(facts)
        return JournalRow(
            wall_us=self._clock.wall_us(),
            kind=AUDIT,
            asset=None,
            total=None,
            held=None,
            available=None,
            source=None,
            cause=msgspec.json.encode(cause).decode(),
            is_money=True,  # Never coalesced: it does not merely confirm a figure.
        )


def _own_program(who: Caller) -> str | None:
    """The name of the program that runs here, where it is the one that asks."""
    if who.pid != os.getpid() or not sys.argv or not sys.argv[0]:
        return None
    return Path(sys.argv[0]).name
