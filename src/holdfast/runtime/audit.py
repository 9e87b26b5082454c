"""
Who asked for what: the record of repairs, resets, halts and check-ups, kept in the journal beside what they changed.

An act's row has the kind ``audit`` and says who asked (user, process, command line), what, how it stood before and
after, and what came of it. A store that cannot take it stops nothing: the event ``act.recorded`` tells the same, and
the one who asked learns why there is no row. Nothing in here ever holds a secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.events import event
from holdfast.core.seams import Clock, Emit, JournalRow, Store
from holdfast.errors import HoldfastError
from holdfast.runtime.callers import caller

__all__ = ["AUDIT", "Audit", "Told"]

AUDIT: Final = "audit"
"""The journal's kind of these rows."""

_WITHIN_S: Final = 5.0
_WORDS_MAX: Final = 1000

T = TypeVar("T")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """
    What there is to say of an act: its ``outcome`` in a word or a sentence, and how it stood ``before`` and ``after``.

    ``facts`` are what else belongs to it. Values are what JSON has: never money as a number, and never a secret.
    """

    outcome: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = {}


class Audit:
    """
    Keeps one broker's audit rows.

    Args:
        store: Where they are kept.
        clock: For their time.
        broker: Whose they are.
        emit: Takes the event.
        before_writing: Called before a row is handed over, so that what happened before it stands before it.
        redact: Takes what is secret out of a text: somebody may have typed it as a reason.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        broker: str,
        emit: Emit,
        before_writing: Callable[[], None],
        redact: Callable[[str], str] = str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._broker = broker
        self._emit = emit
        self._before_writing = before_writing
        self._redact = redact

    async def acting(
        self, act: str, work: Awaitable[T], tell: Callable[[T], Told], *, facts: Mapping[str, Any] | None = None
    ) -> tuple[T, str | None]:
        """
        Do *work* and keep what came of it, also where it failed or nobody waits for it any more. Suspends.

        Args:
            act: What it is, as one word.
            work: Does it.
            tell: What there is to say of its result.
            facts: What was asked for; said of a failure too.

        Returns:
            The result, and None once the row is kept, else why it is not.
        """
        given = dict(facts or {})
        try:
            result = await work
        except HoldfastError as error:
            await self.keep(act, Told(outcome=f"failed: {type(error).__name__}: {error}", facts=given))
            raise
        except asyncio.CancelledError:
            # Nobody waits for it: handed over, and not waited for.
            self._hand_over(act, Told(outcome="given up: whoever asked went away", facts=given))
            raise
        told = tell(result)
        return result, await self.keep(act, msgspec.structs.replace(told, facts={**given, **told.facts}))

    async def keep(self, act: str, told: Told) -> str | None:
        """Keep one row; None once it is durable, else why it is not. Suspends, 5 s at most; never raises."""
        record: str | None = None
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._hand_over(act, told)
        except TimeoutError:
            record = f"the store did not keep it within {_WITHIN_S:g} s"
        except HoldfastError as error:
            record = str(error)
        who = caller()
        self._emit(
            event(
                "act.recorded",
                broker=self._broker,
                act=act,
                outcome=self._redact(told.outcome)[:300],
                uid=who.uid,
                pid=who.pid,
                command=None if who.command is None else self._redact(who.command),
                record=record,
            )
        )
        return record

    def _hand_over(self, act: str, told: Told) -> Awaitable[int]:
        self._before_writing()
        row = row_of_act(act, told, wall_us=self._clock.wall_us())
        return self._store.append([msgspec.structs.replace(row, cause=self._redact(row.cause))])


def row_of_act(act: str, told: Told, *, wall_us: int) -> JournalRow:
    """The journal's row of an act, asked for by whoever asks in this context."""
    who = caller()
    cause: dict[str, Any] = {
        "cause": act,
        "outcome": told.outcome[:_WORDS_MAX],
        "uid": who.uid,
        "pid": who.pid,
        "command": who.command,
    }
    if told.before is not None:
        cause["before"] = dict(told.before)
    if told.after is not None:
        cause["after"] = dict(told.after)
    cause |= told.facts
    return JournalRow(
        wall_us=wall_us,
        kind=AUDIT,
        asset=None,
        total=None,
        held=None,
        available=None,
        source=None,
        cause=msgspec.json.encode(cause).decode(),
        is_money=True,  # Never coalesced: it does not merely confirm a figure.
    )
