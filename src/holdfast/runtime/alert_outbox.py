"""
Notices on their way to people, off the event loop: nothing that trades ever waits for one.

Each address has a thread and a short queue of its own, so that one that hangs keeps nobody else waiting. A notice has
one deadline for everything; what an address has not taken by then has failed there, and what no address took has
failed. An address that fails is told as an event when it begins, counted, and told again when it takes notices again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from holdfast.core.alerts import Notice
from holdfast.core.events import event
from holdfast.core.seams import Emit
from holdfast.errors import ConfigError
from holdfast.runtime.alert_addresses import AlertAddress

__all__ = ["ClosablePost", "Connect", "Delivery", "Outbox", "Post", "load_apprise", "through_apprise"]

Connect = Callable[[AlertAddress], Callable[[Notice], bool]]
"""Makes what sends to one address; both are called in that address's thread, and may block and raise."""

_QUEUE: Final = 50
_CLOSE_WITHIN_S: Final = 2.0
_READY_WITHIN_S: Final = 120.0  # An import on a machine that is busy starting everything at once.
_THREAD: Final = "holdfast-alerts"

# Whatever these log names hosts, paths and headers, which is where services put their tokens.
_MUTED: Final = (
    "apprise",
    "requests",
    "requests.sessions",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)


class Post(Protocol):
    """Takes notices, and tells what became of each."""

    def put(self, notice: Notice, done: Callable[[bool], object]) -> None:
        """Take *notice*; *done* is called on the loop, once: whether anybody was told. Never suspends or blocks."""
        ...


class ClosablePost(Post, Protocol):
    """A post that ends with its desk."""

    async def close(self) -> None:
        """Let what is on its way arrive, for a short time. Suspends."""
        ...


class Delivery:
    """
    One notice on its way to every address.

    Attributes:
        results: By address number, why it was not taken, or None where it was.
        took_s: By address number, how long that took.
    """

    def __init__(self, notice: Notice | None, *, until_s: float) -> None:
        self.notice = notice
        self.until_s = until_s
        self.began_s = time.monotonic()
        self.results: dict[int, str | None] = {}
        self.took_s: dict[int, float] = {}

    @property
    def was_taken(self) -> bool:
        """Whether any address took it."""
        return any(reason is None for reason in self.results.values())


class _Line:
    """One address with its thread and its count of failures in a row."""

    def __init__(self, address: AlertAddress, connect: Connect, heard: Callable[[_Line, Delivery, str | None], None]):
        self.address = address
        self.failures = 0
        self._connect = connect
        self._heard = heard
        self._jobs: queue.Queue[Delivery | None] = queue.Queue(_QUEUE)
        self._thread: threading.Thread | None = None

    def put(self, delivery: Delivery) -> bool:
        """Take it, or say that the queue is full. A delivery without a notice only makes the sender ready."""
        try:
            self._jobs.put_nowait(delivery)
        except queue.Full:
            return False
        if self._thread is None:
            name = f"{_THREAD}-{self.address.number}"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()
        return True

    def close(self) -> None:
        """Let the thread end once it is done; it is a daemon, and holds nobody up."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(None)

    def _work(self) -> None:
        send: Callable[[Notice], bool] | None = None
        while (delivery := self._jobs.get()) is not None:
            if time.monotonic() >= delivery.until_s:
                continue  # Given up already: an old alert is not sent when an address comes back.
            try:
                if send is None:
                    send = self._connect(self.address)
                is_taken = delivery.notice is None or send(delivery.notice)
                reason = None if is_taken else "not_taken"
            except ConfigError:
                reason = "not_understood"
            except Exception as error:
                # Its text may hold the address; its class does not.
                reason = type(error).__name__
            try:
                self._heard(self, delivery, reason)
            except RuntimeError:
                return  # The loop is closed: nobody is there to hear of it.


class Outbox:
    """
    A desk's notices on their way. Belongs to one running loop.

    Args:
        addresses: Where to; each notice goes to all of them.
        connect: Makes what sends to one.
        within_s: The deadline of a notice, seconds, waiting included.
        emit: Hears of addresses that fail and come back, on the loop.
    """

    def __init__(self, addresses: Sequence[AlertAddress], *, connect: Connect, within_s: float, emit: Emit) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines = [_Line(each, connect, self._heard_in_thread) for each in addresses]
        self._within_s = within_s
        self._emit = emit
        self._open: dict[Delivery, tuple[Callable[[Delivery], object], asyncio.TimerHandle]] = {}
        self._is_empty = asyncio.Event()
        self._is_closed = False

    def prepare(self) -> None:
        """Make every address ready now: one that cannot be used is told before it is needed. Never blocks."""
        self.send(None, _ignore)

    def put(self, notice: Notice, done: Callable[[bool], object]) -> None:
        """Send *notice* to every address; *done* hears on the loop whether anybody took it. Never blocks."""
        self.send(notice, lambda delivery: done(delivery.was_taken))

    def send(self, notice: Notice | None, done: Callable[[Delivery], object]) -> None:
        """As ``put``; *done* hears what became of it at each address. None makes them ready and sends nothing."""
        within_s = self._within_s if notice is not None else max(self._within_s, _READY_WITHIN_S)
        delivery = Delivery(notice, until_s=time.monotonic() + within_s)
        if self._is_closed:
            self._loop.call_soon(done, delivery)
            return
        timer = self._loop.call_later(within_s, self._expired, delivery)
        self._open[delivery] = done, timer
        self._is_empty.clear()
        for line in self._lines:
            if not line.put(delivery):
                self._loop.call_soon(self._heard, line, delivery, "queue_full")

    async def close(self) -> None:
        """Let what is on its way arrive, for 2 s at most; then it has failed. Suspends."""
        self._is_closed = True
        if self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_empty.wait(), _CLOSE_WITHIN_S)
        for delivery in tuple(self._open):
            self._end(delivery)
        for line in self._lines:
            line.close()

    def _heard_in_thread(self, line: _Line, delivery: Delivery, reason: str | None) -> None:
        self._loop.call_soon_threadsafe(self._heard, line, delivery, reason)

    def _heard(self, line: _Line, delivery: Delivery, reason: str | None) -> None:
        number = line.address.number
        if number in delivery.results:
            if reason is None and delivery.results[number] is not None:
                self._count(line, None)  # Late, and it works again.
            return
        delivery.results[number] = reason
        delivery.took_s[number] = time.monotonic() - delivery.began_s
        self._count(line, reason)
        if len(delivery.results) == len(self._lines):
            self._end(delivery)

    def _expired(self, delivery: Delivery) -> None:
        for line in self._lines:
            if line.address.number not in delivery.results:
                delivery.results[line.address.number] = "deadline"
                delivery.took_s[line.address.number] = time.monotonic() - delivery.began_s
                self._count(line, "deadline")
        self._end(delivery)

    def _end(self, delivery: Delivery) -> None:
        found = self._open.pop(delivery, None)
        if found is not None:
            done, timer = found
            timer.cancel()
            if not self._open:
                self._is_empty.set()
            done(delivery)

    def _count(self, line: _Line, reason: str | None) -> None:
        facts: dict[str, Any] = {"address": line.address.number, "service": line.address.service}
        if reason is None:
            failures, line.failures = line.failures, 0
            if failures:
                self._emit(event("alert.address_recovered", **facts, failures=failures))
            return
        line.failures += 1
        if line.failures & (line.failures - 1) == 0:  # The first time, the second, the fourth, the eighth ...
            self._emit(event("alert.address_failed", **facts, reason=reason, failures=line.failures))


def _ignore(_: Delivery) -> None:
    pass


# apprise


# True in our own threads, and in those that apprise lends them: it hands the context on.
_is_ours: contextvars.ContextVar[bool] = contextvars.ContextVar("holdfast_alerts", default=False)


class _NotOurs(logging.Filter):
    """Drops what our own sending makes other people's libraries log; a bot that uses them too keeps its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_ours.get()


_not_ours: Final = _NotOurs()
_one_at_a_time: Final = threading.Lock()  # apprise loads its plugins with the first address.


def through_apprise(address: AlertAddress) -> Callable[[Notice], bool]:
    """
    What sends to *address* through apprise, which is imported now: a few tenths of a second.

    Nothing that the calling thread makes apprise log is logged from here on.

    Raises:
        ConfigError: apprise does not understand the URL; says nothing of it.
    """
    for name in _MUTED:
        logging.getLogger(name).addFilter(_not_ours)  # Once: adding it again does nothing.
    _is_ours.set(True)
    with _one_at_a_time:
        return _sender(address)


def load_apprise(addresses: Sequence[AlertAddress]) -> None:
    """
    Import apprise and what it needs for *addresses*, so that no notice's deadline pays for it. Blocks.

    Never raises: what is wrong with an address is told where it is used.
    """
    for address in addresses:
        with contextlib.suppress(Exception):
            through_apprise(address)


def _sender(address: AlertAddress) -> Callable[[Notice], bool]:
    import apprise

    kinds = {
        "info": apprise.NotifyType.INFO,
        "success": apprise.NotifyType.SUCCESS,
        "warning": apprise.NotifyType.WARNING,
        "error": apprise.NotifyType.FAILURE,
    }
    asset = apprise.AppriseAsset(
        app_id="holdfast",
        app_desc="holdfast",
        async_mode=False,
        secure_logging=True,
        service_timeout=0,  # Sockets have their own, and the deadline is ours: no thread of apprise's beside ours.
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    server = apprise.Apprise(asset=asset)
    if not server.add(address.url.reveal()):
        raise ConfigError(f"alert address {address.shown}: apprise does not understand its URL")

    def send(notice: Notice) -> bool:
        return bool(
            server.notify(
                title=notice.title,
                body=notice.body,
                notify_type=kinds[notice.level],
                body_format=apprise.NotifyFormat.TEXT,
            )
        )

    return send
