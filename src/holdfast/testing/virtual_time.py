"""
An asyncio loop whose time jumps to the next timer as soon as nothing is left to do.

A simulated day costs as much as the callbacks in it. Everything asyncio is made of runs unchanged: tasks, groups,
``asyncio.timeout``, queues, ``sleep``. What would really wait is refused instead of simulated: sockets, pipes,
signals and subprocesses raise, and calls handed to an executor run at once, in the loop's own thread.

The same program with the same seed runs the same way. Without a seed, callbacks run in asyncio's own order; with one,
timers of one instant fire in a drawn order and tasks that are ready together take their steps in a drawn order: what
asyncio promises (callbacks of one ``call_soon`` sequence stay in order) is kept, what it merely happens to do is not.
"""

from __future__ import annotations

import asyncio
import collections
import random
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

__all__ = ["RealWaitError", "StuckError", "VirtualTimeLoop", "run_virtual"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_MAX_STEPS_PER_INSTANT = 1_000_000
_COMPACT_AFTER_CANCELLED = 256

# No real clock stands still between arming a timer and its firing. A delay lost in rounding would let code that waits
# for "a little longer" ask again for ever.
_RESOLUTION_S = 1e-6


class StuckError(RuntimeError):
    """Virtual time cannot go on: nothing is scheduled, one instant never ends, or the horizon is reached."""


class RealWaitError(RuntimeError):
    """Something asked the virtual loop for a socket, a pipe, a signal or another thread: real waiting has no place."""


class _Timer(asyncio.TimerHandle):
    """A timer's handle, made in one step: the base classes take three, and it is half of what a timer costs."""

    __slots__ = ()
    _args: tuple[Any, ...]
    _callback: Callable[..., object]
    _cancelled: bool
    _context: Context
    _loop: asyncio.AbstractEventLoop
    _repr: str | None
    _scheduled: bool
    _source_traceback: object
    _when: float

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = True


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """
    The loop. ``time()`` starts at 0 and is in seconds.

    Args:
        seed: Draws the order of what is ready together; ``None`` keeps asyncio's own order.
        horizon_s: Raise ``StuckError`` rather than go past this time; ``None`` is no bound.
        max_steps_per_instant: Raise ``StuckError`` once so many callbacks have run without time moving on.

    Attributes:
        failures: What reached the loop's exception handler: errors nobody awaited.
    """

    # What the base class keeps and its typing does not tell.
    _ready: collections.deque[asyncio.Handle]
    _closed: bool
    _stopping: bool
    _thread_id: int | None

    def __init__(
        self,
        *,
        seed: int | None = None,
        horizon_s: float | None = None,
        max_steps_per_instant: int = _MAX_STEPS_PER_INSTANT,
    ) -> None:
        super().__init__()
        self._now_s = 0.0
        self._horizon_s = float("inf") if horizon_s is None else horizon_s
        self._max_steps = max_steps_per_instant
        self._steps = 0
        # Our own heap: tuples compare in C, TimerHandle.__lt__ is Python and would be half of a timer's cost.
        self._timers: list[tuple[float, float, _Timer]] = []
        self._serial = 0
        self._cancelled_timers = 0
        self._draw = None if seed is None else random.Random(seed)  # noqa: S311  # Reproducible on purpose.
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(self._keep_failure)

    # Time

    def time(self) -> float:
        return self._now_s

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if self._closed:
            raise RuntimeError("the loop is closed")
        handle = _Timer(when, callback, args, self, context)
        if self._draw is None:
            self._serial = tie = self._serial + 1
            heappush(self._timers, (when, tie, handle))
        else:
            heappush(self._timers, (when, self._draw.random(), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if 0.0 < delay < _RESOLUTION_S:
            delay = _RESOLUTION_S
        # As call_at, which would have to unpack and pack the arguments once more: most timers come this way.
        if self._closed:
            raise RuntimeError("the loop is closed")
        when = self._now_s + delay
        handle = _Timer(when, callback, args, self, context)
        if self._draw is None:
            self._serial = tie = self._serial + 1
            heappush(self._timers, (when, tie, handle))
        else:
            heappush(self._timers, (when, self._draw.random(), handle))
        return handle

    def _timer_handle_cancelled(self, handle: _Timer) -> None:
        if not handle._scheduled:
            return
        self._cancelled_timers += 1
        # Timeouts are armed and cancelled all day long: without this the heap would remember every one of them.
        if self._cancelled_timers > _COMPACT_AFTER_CANCELLED and self._cancelled_timers * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2]._cancelled]
            heapify(self._timers)
            self._cancelled_timers = 0

    # Running

    def _run_once(self) -> None:
        # The base class asks for one round; this runs rounds until it is told to stop, which saves a call each.
        while True:
            if self._ready:
                self._run_ready()
            elif not self._run_next_timer():
                return
            if self._stopping:
                return

    def _run_ready(self) -> None:
        """One round as asyncio has it: everything that is ready now, and every timer that is due, then look again."""
        ready, timers, now_s = self._ready, self._timers, self._now_s
        while timers and timers[0][0] <= now_s:
            timer = heappop(timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                self._cancelled_timers -= 1
            else:
                ready.append(timer)
        count = len(ready)
        if count > 1 and self._draw is not None:
            self._interleave()
        self._count_steps(count)
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _run_next_timer(self) -> bool:
        """Let time jump to the next timer and run it; False where there is none and the loop is to stop."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False
            self._cancelled_timers -= 1
        if not timers:
            if self._stopping:
                return False
            raise StuckError(f"nothing will ever happen again at {self._now_s} s: {self._waiting()}")
        if self._stopping and timers[0][0] > self._now_s:
            return False
        when, _, timer = heappop(timers)
        if when > self._now_s:
            if when > self._horizon_s:
                raise StuckError(f"the horizon of {self._horizon_s} s is reached: {self._waiting()}")
            self._now_s = when
            self._steps = 0
        timer._scheduled = False
        if timers and timers[0][0] <= self._now_s:
            # Several at one instant: all of them before anything that they make ready.
            self._ready.append(timer)
            self._run_ready()
        else:
            self._steps += 1
            if self._steps > self._max_steps:
                self._count_steps(0)
            timer._run()
        return True

    def _count_steps(self, count: int) -> None:
        self._steps += count
        if self._steps > self._max_steps:
            self._steps = 0
            raise StuckError(f"{self._max_steps} steps and still {self._now_s} s: {self._waiting()}")

    def _interleave(self) -> None:
        """Draw the order in which ready tasks take their next step; other callbacks keep their places."""
        assert self._draw is not None
        handles = list(self._ready)
        places = [
            place
            for place, handle in enumerate(handles)
            if isinstance(getattr(getattr(handle, "_callback", None), "__self__", None), asyncio.Task)
        ]
        if len(places) < 2:
            return
        drawn = places.copy()
        self._draw.shuffle(drawn)
        mixed = handles.copy()
        for place, source in zip(places, drawn, strict=True):
            mixed[place] = handles[source]
        self._ready.clear()
        self._ready.extend(mixed)

    def _waiting(self) -> str:
        tasks = sorted(
            f"{task.get_name()} in {getattr(task.get_coro(), '__qualname__', '?')}"
            for task in asyncio.all_tasks(self)
            if not task.done()
        )
        return "waiting: " + (", ".join(tasks[:20]) or "no task")

    def _keep_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context)

    # What the base class asks of a loop with sockets

    def _write_to_self(self) -> None:
        # Wakes a selector out of its wait; this loop never waits.
        pass

    def _process_events(self, event_list: object) -> None:
        pass

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if self._thread_id is not None and self._thread_id != threading.get_ident():
            raise RealWaitError("another thread called into the virtual loop: its timing cannot be reproduced")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run *func* now, in this thread but as if in another: no loop runs around it. It takes no virtual time."""
        future: asyncio.Future[T] = self.create_future()
        asyncio._set_running_loop(None)
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        finally:
            asyncio._set_running_loop(self)
        return future

    def close(self) -> None:
        self._timers.clear()
        super().close()

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise RealWaitError("the virtual loop has no sockets, pipes, signals or processes: give the code a fake wire")

    add_reader = remove_reader = add_writer = remove_writer = _refuse
    add_signal_handler = remove_signal_handler = _refuse
    sock_recv = sock_recv_into = sock_sendall = sock_connect = sock_accept = sock_sendfile = _refuse
    create_connection = create_server = create_datagram_endpoint = sendfile = start_tls = _refuse
    create_unix_connection = create_unix_server = connect_accepted_socket = _refuse
    connect_read_pipe = connect_write_pipe = subprocess_shell = subprocess_exec = _refuse
    getaddrinfo = getnameinfo = _refuse


def run_virtual(
    main: Coroutine[Any, Any, T],
    *,
    seed: int | None = None,
    horizon_s: float | None = None,
    max_steps_per_instant: int = _MAX_STEPS_PER_INSTANT,
) -> T:
    """
    Run *main* on a virtual loop of its own, and return its result. Blocks.

    Raises:
        StuckError: Nothing was left to happen while *main* still waited, or a bound was passed.
        ExceptionGroup: *main* ended well, and somewhere an error reached the loop that nobody awaited.
    """
    loop = VirtualTimeLoop(seed=seed, horizon_s=horizon_s, max_steps_per_instant=max_steps_per_instant)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            result = runner.run(main)
    except BaseException as error:
        # What nobody awaited is often the cause of what was seen.
        for context in loop.failures:
            error.add_note(f"and nobody awaited: {context.get('message')}: {context.get('exception')!r}")
        raise
    if loop.failures:
        raise ExceptionGroup("errors that nobody awaited", [_as_error(context) for context in loop.failures])
    return result


def _as_error(context: dict[str, Any]) -> Exception:
    error = context.get("exception")
    return error if isinstance(error, Exception) else RuntimeError(str(context.get("message", context)))
