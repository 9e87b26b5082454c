"""
Steps between a wish and the end of its order at which a process kills itself, with SIGKILL.

As in ``failpoints`` a step names a function of ours and whether to die before it runs, after it ran or while it does,
and nothing in the product knows of it. A function that is called for many things is told apart by a text that has to
occur in what it is called with.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import msgspec

__all__ = ["BOTH", "STEPS", "OrderStep", "Trap", "step_called"]

Scene = Literal[
    "buy",
    "sell",
    "limit",
    "cancel",
    "fill",
    "reserve",
    "release",
    "expire",
    "lost",
    "unheard",
    "deaf",
    "refused",
    "reduce",
    "close",
    "asked",
    "again",
    "migrate",
]
Wire = Literal["stream", "rest"]

BOTH: Final[tuple[Wire, ...]] = ("stream", "rest")


class OrderStep(msgspec.Struct, frozen=True, kw_only=True):
    """
    One place to die.

    ``only`` has to occur in the call's arguments as they are printed. ``scene`` is what is going on: see
    ``order_scenes``. ``wires`` are the ways orders may go there. In scene ``again`` and ``migrate`` the process dies
    while it opens, so the trap is set from its start; else it is set when it is told so.
    """

    name: str
    target: str  # module:attribute[.attribute]
    when: Literal["before", "after", "during", "within"]
    scene: Scene
    only: str = ""
    nth: int = 1
    wires: tuple[Wire, ...] = BOTH

    @property
    def is_set_from_the_start(self) -> bool:
        return self.scene in ("again", "migrate")


_SENDING: Final = "holdfast.runtime.sending:Sending"
_CLAIMS: Final = "holdfast.runtime.claims:Claims"
_JUDGING: Final = "holdfast.runtime.judging:Judging"
_INTENTS: Final = "holdfast.core.intents:Intents"
_ENGINE: Final = "holdfast.store.sqlite.engine:Engine"
_FOLLOWER: Final = "holdfast.runtime.follower:Follower"
_STREAM: Final = "holdfast.venues.kraken.stream:_Session"
_SESSION: Final = "holdfast.runtime.attach.serving:_Session"
_HTTP: Final = "holdfast.runtime.wire:AiohttpWire.request"
_STREAM_ONLY: Final[tuple[Wire, ...]] = ("stream",)
_REST_ONLY: Final[tuple[Wire, ...]] = ("rest",)


def _step(
    name: str,
    target: str,
    when: Literal["before", "after", "during", "within"],
    scene: Scene,
    only: str = "",
    *,
    nth: int = 1,
    wires: tuple[Wire, ...] = BOTH,
) -> OrderStep:
    return OrderStep(name=name, target=target, when=when, scene=scene, only=only, nth=nth, wires=wires)


STEPS: Final = (
    # From the claim to the write
    _step("claimed, not handed to the store", f"{_CLAIMS}._write", "before", "buy"),
    _step("claimed, on its way to the disk", f"{_ENGINE}.commit", "before", "buy", '"order":"sending"'),
    _step(
        "claimed, written and not committed",
        "holdfast.store.sqlite.intents:IntentTable.put",
        "after",
        "sell",
        '"order":"sending"',
    ),
    _step("durable, the journal's mark is behind", f"{_ENGINE}._remember", "before", "buy", nth=1),
    _step("durable, nobody was told", f"{_ENGINE}.commit", "after", "limit", '"order":"sending"'),
    _step("durable, nothing is sent", f"{_SENDING}._send", "before", "buy"),
    _step("the last look was good, nothing is sent", f"{_SENDING}._check_sending", "after", "sell"),
    # The write and its answer
    _step("the frame is ready, not handed over", f"{_STREAM}._write", "before", "buy", "add_order", wires=_STREAM_ONLY),
    _step("the frame is handed over", f"{_STREAM}._write", "after", "limit", "add_order", wires=_STREAM_ONLY),
    _step(
        "the venue has it, the answer is under way: stream",
        "holdfast.venues.kraken.requests:OrderRequests.ask",
        "during",
        "buy",
        "add_order",
        wires=_STREAM_ONLY,
    ),
    _step(
        "the answer is here, not looked at: stream",
        "holdfast.venues.kraken.requests:OrderRequests.answered",
        "before",
        "limit",
        "add_order",
        wires=_STREAM_ONLY,
    ),
    _step(
        "a nonce is durable, the order is not sent",
        "holdfast.venues.kraken.client:KrakenClient._send_signed",
        "before",
        "buy",
        "AddOrder",
        wires=_REST_ONLY,
    ),
    _step("the request is ready, not handed over", _HTTP, "before", "sell", "/AddOrder", wires=_REST_ONLY),
    _step("the venue has it, the answer is under way: REST", _HTTP, "during", "limit", "/AddOrder", wires=_REST_ONLY),
    _step("the answer is here, not looked at: REST", _HTTP, "after", "buy", "/AddOrder", wires=_REST_ONLY),
    _step("answered, not counted", f"{_INTENTS}.acked", "before", "limit"),
    _step("answered, not recorded", f"{_INTENTS}.acked", "after", "buy"),
    _step("refused, not counted", f"{_INTENTS}.refused", "before", "refused"),
    _step("refused, not recorded", f"{_INTENTS}.refused", "after", "refused"),
    # What the venue says later
    _step(
        "an execution was seen, not judged",
        "holdfast.runtime.account:Account.orders_changed",
        "before",
        "limit",
    ),
    _step("an execution was judged, not counted", f"{_CLAIMS}.orders_changed", "before", "fill", "OrderFill"),
    _step("a fill was counted, not recorded", f"{_INTENTS}.changed", "after", "fill", "OrderFill"),
    _step("a second fill was counted, not recorded", f"{_INTENTS}.changed", "after", "fill", "OrderFill", nth=2),
    _step(
        "a fill is recorded, its balances are not seen",
        f"{_ENGINE}.commit",
        "after",
        "buy",
        '"order":"filled"',
    ),
    _step("covered, not recorded", f"{_INTENTS}._step", "after", "limit", "'covered'"),
    _step("covered, recorded", f"{_ENGINE}.commit", "after", "limit", '"cause":"covered"'),
    _step("to be cancelled, nothing is sent", "holdfast.runtime.cancelling:Cancelling._cancel", "before", "cancel"),
    _step("the cancel is handed over", f"{_STREAM}._write", "after", "cancel", "cancel_order"),
    _step("cancelled by request, nobody was told", "holdfast.runtime.cancelling:Cancelling._cancel", "after", "cancel"),
    _step("cancelled, not recorded", f"{_INTENTS}._ended", "after", "cancel"),
    _step("consumed, not recorded", f"{_INTENTS}._end", "after", "buy", "<ReservationState.CONSUMED"),
    _step("consumed, on its way to the disk", f"{_ENGINE}.commit", "before", "sell", '"reservation":"consumed"'),
    _step("consumed, recorded", f"{_ENGINE}.commit", "after", "fill", '"reservation":"consumed"'),
    # Outcomes unknown
    _step("in doubt, not recorded", f"{_INTENTS}.doubt", "after", "lost"),
    _step("in doubt, recorded", f"{_ENGINE}.commit", "after", "unheard", '"order":"in_doubt"'),
    _step("in doubt: before the venue's time is asked", f"{_FOLLOWER}._ask_time", "before", "lost"),
    _step("in doubt: after the venue's time was asked", f"{_FOLLOWER}._ask_time", "after", "lost", nth=2),
    _step("in doubt: before open orders are asked", f"{_FOLLOWER}._ask_open", "before", "deaf"),
    _step("in doubt: after open orders were asked", f"{_FOLLOWER}._ask_open", "after", "lost"),
    _step("in doubt: open orders were asked, the last time", f"{_FOLLOWER}._ask_open", "after", "lost", nth=3),
    _step("in doubt: before closed orders are asked", f"{_FOLLOWER}._ask_closed", "before", "lost"),
    _step("in doubt: after closed orders were asked", f"{_FOLLOWER}._ask_closed", "after", "lost"),
    _step("in doubt: before fills are asked", f"{_FOLLOWER}._ask_fills", "before", "lost"),
    _step("in doubt: after fills were asked", f"{_FOLLOWER}._ask_fills", "after", "lost"),
    _step("found again by the stream, not counted", f"{_INTENTS}._assured", "before", "unheard", "IN_DOUBT"),
    _step("found again by asking, not recorded", f"{_INTENTS}._assured", "after", "deaf", "IN_DOUBT"),
    _step("found again, recorded", f"{_ENGINE}.commit", "after", "unheard", '"cause":"found_'),
    _step("absent, not counted", f"{_CLAIMS}.absent", "before", "lost"),
    _step("absent, not recorded", f"{_INTENTS}.absent", "after", "lost"),
    _step("absent, recorded", f"{_ENGINE}.commit", "after", "lost", '"order":"absent"'),
    # Reservations
    _step("reserved, the order is not judged", f"{_JUDGING}.take_claim", "before", "reserve"),
    _step("reserved, the order is judged, not recorded", f"{_JUDGING}.take_claim", "after", "reserve"),
    _step("reserved, recorded, nobody was told", f"{_ENGINE}.commit", "after", "reserve", '"cause":"claimed"'),
    _step("released, not recorded", f"{_INTENTS}.release", "after", "release"),
    _step("released, recorded", f"{_ENGINE}.commit", "after", "release", '"reservation":"released"'),
    _step("expired, not recorded", f"{_INTENTS}._end", "after", "expire", "<ReservationState.EXPIRED"),
    _step("expired, recorded", f"{_ENGINE}.commit", "after", "expire", '"reservation":"expired"'),
    # What another process asks for
    _step("asked for by another process, not taken", f"{_SESSION}._asked", "before", "asked", "'place'"),
    _step("taken from another process, not begun", f"{_SESSION}._serve", "before", "asked"),
    _step(
        "done for another process, which was not told",
        "holdfast.runtime.attach.serving:encode_value",
        "before",
        "asked",
        "Order(",
    ),
    # What a person says, and the end in order
    _step("reducing, not recorded", "holdfast.runtime.trading:Trading._keep", "before", "reduce"),
    _step("reducing, recorded", "holdfast.runtime.trading:Trading._keep", "after", "reduce"),
    _step("closing amid an order: before", "holdfast.runtime.entry:OrderEntry.close", "before", "close"),
    _step("closing amid an order: after", "holdfast.runtime.entry:OrderEntry.close", "after", "close"),
    _step("closing amid an order: the store is closed", f"{_ENGINE}.close", "after", "close"),
    # Coming back
    _step("opening: intents are read, nothing is restored", f"{_INTENTS}.restore", "before", "again"),
    _step("opening: restored, in doubt by that, not recorded", f"{_INTENTS}.restore", "after", "again"),
    _step("opening: restored and recorded, nothing was asked", f"{_ENGINE}.commit", "after", "again", '"cause":"rest'),
    _step("migrating: before", "holdfast.store.sqlite.engine:migrate", "before", "migrate"),
    _step("migrating: half done", "holdfast.store.sqlite.schema:_statements", "within", "migrate", nth=2),
    _step("migrating: done, not looked at", "holdfast.store.sqlite.engine:migrate", "after", "migrate"),
)
"""Every step, about in the order in which an order comes by them."""

_DURING_S: Final = 0.06
"""So long after a request was handed over its answer is under way: the venue is told to take longer than this."""


def step_called(name: str) -> OrderStep:
    """The step of this name."""
    (found,) = [step for step in STEPS if step.name == name]
    return found


class Trap:
    """
    A step prepared in this process: it goes off once it is set and the process comes by.

    Args:
        step: Where.
        number: What happens there: ``SIGKILL``, or ``SIGSTOP`` for a process that goes on when somebody lets it.
    """

    def __init__(self, step: OrderStep, number: signal.Signals = signal.SIGKILL) -> None:
        self._step = step
        self._number = number
        self._is_set = threading.Event()
        self._calls = 0
        module, _, path = step.target.partition(":")
        holder: Any = importlib.import_module(module)
        *parents, name = path.split(".")
        for parent in parents:
            holder = getattr(holder, parent)
        setattr(holder, name, self._doomed(getattr(holder, name)))

    def set(self) -> None:
        """From now on."""
        self._is_set.set()

    def _is_it(self, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
        if not self._is_set.is_set() or (self._step.only and self._step.only not in repr((args, named))):
            return False
        self._calls += 1
        return self._calls == self._step.nth

    def _doomed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        when = self._step.when
        if when == "within":

            @functools.wraps(original)
            def generated(*args: Any, **named: Any) -> Iterator[Any]:
                mine = self._is_set.is_set()
                for number, each in enumerate(original(*args, **named), 1):
                    yield each
                    if mine and number == self._step.nth:
                        self._spring()

            return generated
        if asyncio.iscoroutinefunction(original):

            @functools.wraps(original)
            async def suspended(*args: Any, **named: Any) -> Any:
                mine = self._is_it(args, named)
                if mine and when == "before":
                    self._spring()
                if mine and when == "during":
                    asyncio.get_running_loop().call_later(_DURING_S, self._spring)
                try:
                    return await original(*args, **named)
                finally:
                    if mine and when == "after":
                        self._spring()

            return suspended

        @functools.wraps(original)
        def plain(*args: Any, **named: Any) -> Any:
            mine = self._is_it(args, named)
            if mine and when == "before":
                self._spring()
            try:
                return original(*args, **named)
            finally:
                if mine and when != "before":
                    self._spring()

        return plain

    def _spring(self) -> None:
        # To this thread: it does nothing more before the signal has arrived.
        signal.pthread_kill(threading.get_ident(), self._number)
