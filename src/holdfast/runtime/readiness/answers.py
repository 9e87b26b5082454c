"""
What a run asks the venue: each thing once, with what came of it and how long it took.

Several checks judge one answer, so that a run costs the key's rate limit little more than one look at the account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from holdfast.core.seams import Clock
from holdfast.errors import HoldfastError, Outcome, RateLimitedError

__all__ = ["ASK_WITHIN_S", "Answer", "Answers", "patiently"]

T = TypeVar("T")

_BESIDE_S: Final = 1.0  # What else asks with this key needs room too.

ASK_WITHIN_S: Final = 30.0
"""The longest that one question waits for its turn, the rate limit and the answer together."""


class Answer(Generic[T]):
    """What came of one question: ``value``, or the ``error``; ``took_s`` has waiting for a turn in it."""

    __slots__ = ("error", "took_s", "value")

    def __init__(self, value: T | None, error: BaseException | None, took_s: float) -> None:
        self.value = value
        self.error = error
        self.took_s = took_s


class Answers:
    """The answers of one run, by the name of the question."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, Answer[Any]] = {}

    def known(self, name: str) -> Answer[Any] | None:
        """What came of a question that was asked; None where it was not."""
        return self._known.get(name)

    async def ask(self, name: str, question: Callable[[], Awaitable[T]], *, is_again: bool = False) -> Answer[T]:
        """Ask it, unless it was asked before and *is_again* is not set. Suspends, ``ASK_WITHIN_S`` at most."""
        known = self._known.get(name)
        if known is not None and not is_again:
            return known
        began_s = self._clock.now_s()
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                answer = Answer(await patiently(question), None, self._clock.now_s() - began_s)
        except (HoldfastError, TimeoutError) as error:
            answer = Answer(None, error, self._clock.now_s() - began_s)
        self._known[name] = answer
        return answer


async def patiently(question: Callable[[], Awaitable[T]]) -> T:
    """Ask again once our own share of the key's rate limit has room: that we ask much is not the venue's fault."""
    while True:
        try:
            return await question()
        except RateLimitedError as error:
            if error.outcome is not Outcome.NEVER_SENT or error.retry_after_s is None:
                raise
            await asyncio.sleep(error.retry_after_s + _BESIDE_S)
