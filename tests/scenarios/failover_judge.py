"""
What failover promises, judged by what the venues themselves have on record.

It knows nothing of how a broker is chosen: who was asked for what and when, what left the client, what each venue took,
and what the desk said of itself.
"""

from __future__ import annotations

import collections
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from holdfast.core.bindings import attempt_id
from holdfast.core.orders import OrderState
from holdfast.core.seams import Clock
from holdfast.errors import (
    DeniedError,
    IntentRepeatedError,
    NoBrokerError,
    OutcomeUnknownError,
    UnknownReservationError,
    VenueError,
)
from holdfast.runtime.intent_record import client_order_id_of
from tests.scenarios.checker import ViolationError

__all__ = ["MOVES_WITHIN_S", "Asked", "FailoverJudge", "Figures"]

MOVES_WITHIN_S: Final = 10.0
"""Within what time after a venue failed new orders go elsewhere, finding that out included."""

_ATTEMPTS: Final = 8
_HEALING_S: Final = 5.0

Orders = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""Every order that each broker's venue ever accepted, by our id."""


class Sent(Protocol):
    """One order that left the client."""

    @property
    def client_order_id(self) -> str | None: ...

    @property
    def at_s(self) -> float: ...


class Figures(msgspec.Struct, kw_only=True):
    """What one scenario counted."""

    intents: int = 0
    placed: int = 0
    denied: int = 0
    in_doubt: int = 0
    found_in_doubt: int = 0  # Of those, how many were at the venue after all.
    moved_on: int = 0  # Attempts of which nothing came, and that another broker took.
    repeated: int = 0  # Asked again after a crash, and refused.
    outages: int = 0
    restarts: int = 0
    failed_over: int = 0
    failed_back: int = 0
    longest_move_s: float = 0.0  # From the failure to when the last order was asked for that was sent there in vain.
    longest_return_s: float = 0.0  # From healing to the first order that went back.


@dataclass
class Asked:
    """One intent as its bot knows it; *life* counts the client's restarts before it."""

    intent_id: str
    began_s: float
    is_exit: bool = False
    life: int = 0
    ended_s: float | None = None
    broker: str | None = None
    error: BaseException | None = None

    def ids(self) -> list[str]:
        """Every client order id that it may have at a venue."""
        return [client_order_id_of(attempt_id(self.intent_id, number)) for number in range(1, _ATTEMPTS)]


class Ended(Protocol):
    """What became of an order, as the desk says."""

    @property
    def broker(self) -> str: ...

    @property
    def state(self) -> OrderState: ...


class FailoverJudge:
    """
    Judges one run.

    Attributes:
        asked: Every intent, in order.
        figures: What was counted.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[Asked] = []
        self.figures = Figures()

    def violated(self, what: str) -> None:
        """Raise what does not hold."""
        raise ViolationError(f"P8 at {self._clock.now_s():.3f} s: {what}")

    def judge_move(
        self,
        name: str,
        *,
        sent: Sequence[Sent],
        accepted: Mapping[str, object],
        failed_s: float,
        healed_s: float,
    ) -> None:
        """After the stated time nothing goes to the broker *name* in vain, and nothing is denied for its sake."""
        began = {own: each for each in self.asked for own in each.ids()}
        for sending in sent:
            asked = began.get(sending.client_order_id or "")
            if not failed_s <= sending.at_s < healed_s or sending.client_order_id in accepted:
                continue
            if asked is None or asked.is_exit:
                continue
            self.figures.longest_move_s = max(self.figures.longest_move_s, asked.began_s - failed_s)
            if asked.began_s > failed_s + MOVES_WITHIN_S:
                self.violated(
                    f"{asked.intent_id}, asked for {asked.began_s - failed_s:.1f} s after {name} failed, was sent "
                    "there in vain"
                )
        for asked in self.asked:
            is_late = failed_s + MOVES_WITHIN_S < asked.began_s < healed_s - _HEALING_S and not asked.is_exit
            if is_late and isinstance(asked.error, NoBrokerError):
                self.violated(f"{asked.intent_id} was denied while others were well: {asked.error}")

    async def judge_orders(self, there: Orders, resolution: Callable[..., Awaitable[Ended]]) -> None:
        """Each intent is at one broker, or at none with a reason that is told. *resolution* is the desk's."""
        for asked in self.asked:
            found = [name for name in there for own in asked.ids() for _ in there[name].get(own, ())]
            if len(found) > 1:
                self.violated(f"{asked.intent_id} was placed {len(found)} times: {', '.join(found)}")
            await self._judge_one(asked, found[0] if found else None, resolution)

    async def _judge_one(self, asked: Asked, holder: str | None, resolution: Callable[..., Awaitable[Ended]]) -> None:
        figures, error, name = self.figures, asked.error, asked.intent_id
        if asked.broker is not None:
            figures.placed += 1
            if holder != asked.broker:
                self.violated(f"{name} was told to be at {asked.broker}, and is at {holder}")
        elif isinstance(error, OutcomeUnknownError):
            figures.in_doubt += 1
            order = await resolution(name, timeout_s=120)
            figures.found_in_doubt += holder is not None
            if (order.state is OrderState.ABSENT) is not (holder is None) or holder not in (None, order.broker):
                self.violated(f"{name} was resolved as {order.state} at {order.broker}, and is at {holder}")
        elif isinstance(error, IntentRepeatedError):
            try:
                order = await resolution(name, timeout_s=120)
            except UnknownReservationError:
                order = None
            if holder is not None and (order is None or order.broker != holder):
                self.violated(f"{name} is at {holder}, and the desk looks for it elsewhere: {order}")
        elif isinstance(error, DeniedError | VenueError):
            figures.denied += 1
            if holder is not None:
                self.violated(f"{name} was denied ({type(error).__name__}: {error}), and is at {holder}")
        else:
            self.violated(f"{name} was lost: {type(error).__name__}: {error}")

    def judge_patience(
        self, name: str, *, decided: Sequence[tuple[float, Mapping[str, Any]]], failed_s: float, back_after_s: float
    ) -> None:
        """Once orders went elsewhere, none goes to the broker *name* before it can have been well for long enough."""
        has_left = False
        for at_s, told in decided:
            if at_s < failed_s or told["side"] == "sell" or at_s >= failed_s + back_after_s:
                continue
            if told["attempt"] > 1:
                continue  # One order went on; where new ones go is another matter.
            has_left = has_left or told["broker"] != name
            if has_left and told["broker"] == name and "no other would do" not in told["why"]:
                self.violated(f"flow went back to {name} {at_s - failed_s:.1f} s after it had failed")

    def judge_flapping(
        self,
        name: str,
        *,
        over: Sequence[tuple[float, Mapping[str, Any]]],
        back: Sequence[tuple[float, Mapping[str, Any]]],
    ) -> None:
        """Flow moves away from the broker *name* once in each life and back once; it leaves no other."""
        left = collections.Counter(told["broker"] for _, told in over)
        returned = collections.Counter(told["broker"] for _, told in back)
        if left[name] > self.figures.restarts + 1 or returned[name] > 1:
            self.violated(f"flow moved {left[name]} times away from {name}, and {returned[name]} times back")
        strays = [(round(at_s, 1), dict(told)) for at_s, told in over if told["broker"] != name]
        if strays and not self.figures.restarts:
            self.violated(f"flow left brokers that were well: {strays}")
