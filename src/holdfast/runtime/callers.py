"""
Who asks, in this context: a user, a process, and what was typed.

Of a call over the socket, user and process are what the kernel says of the other end, and the command line is what that
end says of itself. Carried by the context, so that nothing in between has to hand it on.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["COMMAND_MAX", "Caller", "asked_by", "caller", "own_command", "typed"]

COMMAND_MAX: Final = 300
"""Most characters of a command line that are kept."""

_SECRET_ENDS: Final = ("_API_KEY", "_API_SECRET", "_API_PASSPHRASE")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks; None for what is not known. ``command`` is what was typed, or a program's name."""

    uid: int | None
    pid: int | None
    command: str | None = None


_caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("holdfast_caller", default=None)


def caller() -> Caller:
    """Who asks in this context: whoever was named by ``asked_by`` or ``typed``, else this process."""
    found = _caller.get()
    return Caller(uid=os.getuid(), pid=os.getpid(), command=_program()) if found is None else found


def own_command() -> str | None:
    """What this process says it is doing: what was typed, else the program's name."""
    return caller().command


@contextlib.contextmanager
def asked_by(who: Caller) -> Iterator[None]:
    """Everything in the block, and in tasks begun in it, is asked by *who*."""
    token = _caller.set(who)
    try:
        yield
    finally:
        _caller.reset(token)


@contextlib.contextmanager
def typed(argv: Sequence[str], *, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """
    Everything in the block is asked by this process, for which somebody typed ``holdfast`` and *argv*.

    No command takes a secret; a word that holds one that *environ* (``os.environ`` when None) names is left out anyway.
    """
    known = os.environ if environ is None else environ
    secrets = [value for name, value in known.items() if name.endswith(_SECRET_ENDS) and value]
    words = ["***" if any(secret in word for secret in secrets) else word for word in argv]
    line = shlex.join(["holdfast", *words])[:COMMAND_MAX]
    with asked_by(Caller(uid=os.getuid(), pid=os.getpid(), command=line)):
        yield


def _program() -> str | None:
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] else None
