"""
What a run asks the venue: each thing once, with what came of it and how long it took.

Several checks judge one answer, so that a run costs the key's rate limit little more than one look at the account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from holdfast.core.seams import Clock
from holdfast.errors import HoldfastError, LockoutError, Outcome, RateLimitedError

__all__ = ["ASK_WITHIN_S", "Answer", "Answers", "patiently"]

T = TypeVar("T")

_REFUSALS_MAX: Final = 2
_REFUSED_S: Final = 5.0
_PATIENCE_S: Final = 20.0
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
    """
    Ask again once there is room: that we ask much is not the venue's fault.

    Our own share of the key's rate limit is waited for; where the venue itself refused, it is asked twice more. Through
    a lockout nothing is asked.
    """
    refused, began_s = 0, asyncio.get_running_loop().time()
    while True:
        try:
            return await question()
        except LockoutError:
            raise
        except RateLimitedError as error:
            refused += error.outcome is not Outcome.NEVER_SENT
            if refused > _REFUSALS_MAX:
                raise
            wait_s = (_REFUSED_S if error.retry_after_s is None else error.retry_after_s) + _BESIDE_S
            if asyncio.get_running_loop().time() + wait_s - began_s > _PATIENCE_S:
                raise
            await asyncio.sleep(wait_s)
