"""
One process's door to one lane file: its threads and loops queue here, and the head of them queues with other processes.

The turn itself is the kernel's exclusive lock on the lane file: it dies with its holder, so nothing ever has to be
stolen. Waiting is trying again after a short pause, never a thread that blocks in the kernel: such a thread could not
be cancelled and would take the lock for somebody who has left. Only the head of a process tries often; the rest of its
line is nudged when the holder leaves.

Every method here is a plain function that does not wait, but for ``open_files`` and ``Write``, which block on the disk
and belong in a worker thread. One short mutex per gate makes them safe from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import os
import secrets
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from holdfast.core.turns import standing
from holdfast.errors import StoreError
from holdfast.runtime.berths import Berths
from holdfast.runtime.marks import MarkFile, Sync, as_store_error
from holdfast.runtime.waiting_line import BERTHS_MAX, HolderEntry, WaitingLine

__all__ = ["Entrance", "Gate", "Ticket", "Write", "disk_threads", "gate_of"]

_LOCAL_STALE_S: Final = 0.5
_HEAD_RECHECK_S: Final = 0.02


class Entrance(enum.Enum):
    """What came of one try."""

    ENTERED = "entered"
    WAIT_AS_HEAD = "wait_as_head"  # Try again: the next turn of this process is ours, nobody will nudge.
    WAIT_IN_LINE = "wait_in_line"  # Others of this process are before us; somebody will nudge.
    REOPEN = "reopen"  # The lane's file is not open, or no longer the one that its path names.


class Ticket:
    """One caller's place, from joining the line to leaving the lane. A berth is 0 where only one is in flight."""

    __slots__ = (
        "ahead",
        "berth",
        "berth_count",
        "entered_s",
        "is_leaving",
        "loop",
        "nudged",
        "priority",
        "renewed_s",
        "respects_parking",
        "since_s",
        "task",
        "tie",
        "unlock_after_write",
        "wake",
        "write",
    )

    def __init__(self, *, priority: int, since_s: float, berth_count: int, respects_parking: bool = True) -> None:
        self.priority = priority
        self.since_s = since_s
        self.berth_count = berth_count
        self.respects_parking = respects_parking
        self.renewed_s = since_s
        self.entered_s = 0.0
        self.ahead = 0  # Waiters of other processes that go before us, as of the last try.
        self.tie = 0
        self.berth: int | None = None
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.wake: asyncio.Future[None] | None = None
        self.nudged = False
        self.write: Write | None = None
        self.is_leaving = False
        self.unlock_after_write = False


class Gate:
    """The door. Shared by every ``FileLane`` of the process on the same file; see ``gate_of``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.highest = 0  # The largest nonce this process ever saw here: a file that went back does not take us along.
        self._users = 0
        self._reset()

    def _reset(self) -> None:
        # Re-entrant: a turn that the garbage collector ends may be ended in the middle of one of our own calls.
        self._mutex = threading.RLock()
        self._token = secrets.randbits(63) | 1
        self._pid = os.getpid()
        self._waiters: list[Ticket] = []
        self._holders: dict[int, Ticket] = {}
        self._lane_owner: Ticket | None = None  # Who in this process has the kernel's lock on the lane file.
        self._mark: MarkFile | None = None
        self._line: WaitingLine | None = None
        self._berths = Berths(self.path)
        self._ties = 0
        self._head: Ticket | None = None
        self._head_checked_s = 0.0

    # Opening

    def open_files(self, first: bytes, sync: Sync | None) -> None:
        """
        Open the lane file, or make it with the record *first*; again where the path names another one now. Blocks.

        Raises:
            StoreError: It cannot be opened, made or trusted.
        """
        mark = MarkFile.open(self.path, first=first, sync=sync)
        with self._mutex:
            if self._holders or self._lane_owner is not None or (self._mark is not None and self._mark.is_current()):
                mark.close()
                return
            if self._mark is not None:
                self._mark.close()
            self._mark = mark
            self._line = WaitingLine(mark.fd, token=self._token, pid=self._pid)

    @property
    def mark(self) -> MarkFile:
        """The open lane file."""
        if self._mark is None:
            raise StoreError(f"{self.path} is not open")
        return self._mark

    @property
    def is_open(self) -> bool:
        return self._mark is not None

    # Entering and leaving

    def try_enter(self, ticket: Ticket, *, now_s: float) -> Entrance:
        """
        Take the lane for *ticket*, or keep its place in line.

        Raises:
            StoreError: The file system refused the lock.
        """
        with self._mutex:
            if self._mark is None or self._line is None:
                return Entrance.REOPEN
            ticket.renewed_s = now_s
            ticket.nudged = False
            if ticket.tie == 0:
                self._ties += 1
                ticket.tie = self._ties
                self._waiters.append(ticket)
                self._head = None
            head = self._find_head(now_s)
            if head is not ticket:
                self._line.stand(head.priority, head.since_s, now_s=now_s)
                return Entrance.WAIT_IN_LINE
            entrance = self._try_lock(ticket, now_s)
            if entrance is Entrance.ENTERED:
                self._forget_waiter(ticket)
                assert ticket.berth is not None
                ticket.entered_s = now_s
                self._holders[ticket.berth] = ticket
                self._line.hold(ticket.berth, now_s=now_s)
                rest = self._find_head(now_s) if self._waiters else None
                if rest is None:
                    self._line.leave()
                else:
                    self._line.stand(rest.priority, rest.since_s, now_s=now_s)
            elif entrance is not Entrance.REOPEN:
                self._line.stand(ticket.priority, ticket.since_s, now_s=now_s)
            return entrance

    def withdraw(self, ticket: Ticket, *, now_s: float) -> None:
        """Leave the line without having entered; the next one is nudged."""
        with self._mutex:
            if ticket in self._waiters:
                self._forget_waiter(ticket)
                self._nudge_head(now_s)

    def leave(self, ticket: Ticket, *, now_s: float) -> None:
        """
        Give the lane up. Twice is once.

        A write of this ticket that is already at the disk cannot be called back, and must not land after somebody
        else's: then the lane is given up by the thread that ends it, and this returns at once all the same.
        """
        with self._mutex:
            if ticket.berth is None or self._holders.get(ticket.berth) is not ticket:
                return
            write = ticket.write
            if write is not None and not write.abandon():
                ticket.is_leaving = True
                return
            self._let_go(ticket, now_s)

    def call_back(self, ticket: Ticket) -> None:
        """Stop this ticket's write if it has not reached the disk yet."""
        with self._mutex:
            if ticket.write is not None:
                ticket.write.abandon()

    def holds(self, ticket: Ticket) -> bool:
        """Whether *ticket* may act in the lane: it entered, has not left, and this is still its process."""
        return ticket.berth is not None and self._holders.get(ticket.berth) is ticket and not ticket.is_leaving

    def is_inside(self, task: asyncio.Task[object] | None) -> bool:
        """Whether *task* already holds this lane."""
        with self._mutex:
            return any(holder.task is task for holder in self._holders.values())

    # Several in flight

    def lock_lane(self, ticket: Ticket) -> bool:
        """Take the lane's own lock while at a berth, to allocate. False: somebody else has it."""
        with self._mutex:
            return self._lock_lane(ticket)

    def unlock_lane(self, ticket: Ticket) -> None:
        """Give the lane's own lock back and keep the berth; does nothing where *ticket* does not have it."""
        with self._mutex:
            if ticket.write is not None and not ticket.write.abandon():
                ticket.unlock_after_write = True
                return
            self._unlock_lane(ticket)

    def under_way(self, ticket: Ticket, count: int) -> list[int]:
        """Nonces of other requests in flight; complete while *ticket* has the lane's own lock."""
        with self._mutex:
            besides = ticket.berth if ticket.berth_count > 1 else None
            return self._berths.under_way(count, besides=besides)

    def put(self, ticket: Ticket, nonce: int | None) -> None:
        """Say what is under way from *ticket*'s berth; nothing to do where only one is in flight."""
        if ticket.berth_count > 1 and ticket.berth is not None:
            with self._mutex:
                self._berths.put(ticket.berth, nonce)

    # Waiting

    async def pause(self, ticket: Ticket, seconds: float) -> None:
        """Wait until nudged, for *seconds* at most. Suspends."""
        with self._mutex:
            if ticket.nudged:
                ticket.nudged = False
                return
            ticket.wake = ticket.loop.create_future()
        alarm = ticket.loop.call_later(seconds, _resolve, ticket.wake)
        try:
            await ticket.wake
        finally:
            alarm.cancel()
            ticket.wake = None

    # Naming

    def holder(self) -> HolderEntry | None:
        """Who has the lane now, as far as it is written: the one that has had it longest."""
        entries = [entry for entry in self.last_holders() if entry.until_s is None]
        return min(entries, key=lambda entry: entry.since_s) if entries else None

    def last_holders(self, count: int = BERTHS_MAX) -> list[HolderEntry]:
        """Who holds or last held each of the first *count* berths."""
        with self._mutex:
            return [] if self._line is None else self._line.holders(count)

    def waiting_pids(self, *, now_s: float) -> set[int]:
        """Processes that are waiting for this lane now."""
        with self._mutex:
            return set() if self._line is None else self._line.waiting_pids(now_s=now_s)

    # Inside, with the mutex held

    def _try_lock(self, ticket: Ticket, now_s: float) -> Entrance:
        assert self._line is not None
        assert self._mark is not None
        if self._holders and (ticket.berth_count == 1 or 1 in {held.berth_count for held in self._holders.values()}):
            return Entrance.WAIT_IN_LINE  # One of our own holds it alone, or has to be waited for to be alone.
        ticket.ahead = self._line.ahead_of(ticket.priority, ticket.since_s, now_s=now_s)
        if ticket.ahead:
            return Entrance.WAIT_AS_HEAD
        if ticket.berth_count > 1:
            if not self._mark.is_current():
                return Entrance.WAIT_AS_HEAD if self._holders else Entrance.REOPEN
            ticket.berth = self._berths.try_take(ticket.berth_count)
            return Entrance.WAIT_AS_HEAD if ticket.berth is None else Entrance.ENTERED
        if not self._lock_lane(ticket):
            return Entrance.WAIT_AS_HEAD
        if not self._mark.is_current():  # Replaced: others lock another file now.
            self._unlock_lane(ticket)
            return Entrance.REOPEN
        ticket.berth = 0
        return Entrance.ENTERED

    def _lock_lane(self, ticket: Ticket) -> bool:
        if self._lane_owner is not None:
            return self._lane_owner is ticket
        assert self._mark is not None
        try:
            fcntl.flock(self._mark.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise as_store_error(error, self.path, "cannot be locked") from error
        self._lane_owner = ticket
        return True

    def _unlock_lane(self, ticket: Ticket) -> None:
        if self._lane_owner is ticket:
            self._lane_owner = None
            if self._mark is not None:
                with contextlib.suppress(OSError):
                    fcntl.flock(self._mark.fd, fcntl.LOCK_UN)

    def _let_go(self, ticket: Ticket, now_s: float) -> None:
        assert ticket.berth is not None
        assert self._line is not None
        del self._holders[ticket.berth]
        self._line.let_go(ticket.berth, since_s=ticket.entered_s, now_s=now_s)
        if ticket.berth_count > 1:
            self._berths.release(ticket.berth)
        self._unlock_lane(ticket)
        ticket.task = None
        self._nudge_head(now_s)

    def _forget_waiter(self, ticket: Ticket) -> None:
        self._waiters.remove(ticket)
        if self._head is ticket:
            self._head = None
        if not self._waiters and self._line is not None:
            self._line.leave()

    def _find_head(self, now_s: float) -> Ticket:
        if len(self._waiters) == 1:
            return self._waiters[0]
        head = self._head
        if head is None or not 0 <= now_s - self._head_checked_s < _HEAD_RECHECK_S:
            # A waiter whose own loop is blocked cannot try; whoever can goes before it.
            trying = [ticket for ticket in self._waiters if now_s - ticket.renewed_s < _LOCAL_STALE_S]
            head = self._head = min(
                trying or self._waiters,
                key=lambda ticket: standing(ticket.priority, since_s=ticket.since_s, now_s=now_s, tie=ticket.tie),
            )
            self._head_checked_s = now_s
        return head

    def _nudge_head(self, now_s: float) -> None:
        if not self._waiters:
            return
        self._head = None
        ticket = self._find_head(now_s)
        ticket.nudged = True
        if ticket.wake is not None:
            with contextlib.suppress(RuntimeError):  # Its loop is closed: it will never try again.
                ticket.loop.call_soon_threadsafe(_resolve, ticket.wake)

    # Across fork

    def before_fork(self) -> None:
        self._mutex.acquire()

    def after_fork_in_parent(self) -> None:
        self._mutex.release()

    def after_fork_in_child(self) -> None:
        """Let go of everything that is the parent's: closing leaves its locks alone, unlocking would not."""
        if self._mark is not None:
            self._mark.close()
        self._berths.close()
        self._reset()

    # Users

    def join(self) -> None:
        """One more ``FileLane`` uses this gate."""
        with self._mutex:
            self._users += 1

    def part(self) -> None:
        """One less does. With the last the files are closed, unless somebody is inside; a new one opens them again."""
        with self._mutex:
            self._users -= 1
            if self._users or self._holders or self._waiters:
                return
            if self._line is not None:
                self._line.leave()
            if self._mark is not None:
                self._mark.close()
            self._berths.close()
            self._mark = self._line = None

    def __del__(self) -> None:
        if getattr(self, "_mark", None) is not None and self._mark is not None:
            # While the interpreter goes, modules may be gone before us; the system closes what is open.
            with contextlib.suppress(AttributeError, TypeError):
                self._mark.close()
                self._berths.close()


class Write:
    """
    One durable write of a ticket, for a worker thread.

    Either it is called back before it starts, or it ends and then gives up what its ticket left behind.
    """

    __slots__ = ("_gate", "_is_abandoned", "_is_started", "_now_s", "_payload", "_sync", "_ticket")

    def __init__(
        self, gate: Gate, ticket: Ticket, payload: bytes, *, sync: Sync | None, now_s: float, must_land: bool = False
    ) -> None:
        self._gate = gate
        self._ticket = ticket
        self._payload = payload
        self._sync = sync
        self._now_s = now_s
        self._is_started = must_land
        self._is_abandoned = False
        ticket.write = self

    def abandon(self) -> bool:
        """True where it has not started, and never will. The gate's mutex is held."""
        if not self._is_started:
            self._is_abandoned = True
            self._ticket.write = None
        return not self._is_started

    def __call__(self) -> None:
        """Write and sync. Blocks; raises ``StoreError``."""
        gate, ticket = self._gate, self._ticket
        with gate._mutex:
            if self._is_abandoned:
                return
            self._is_started = True
        try:
            gate.mark.write(self._payload, sync=self._sync)
        finally:
            with gate._mutex:
                ticket.write = None
                if ticket.is_leaving:
                    ticket.is_leaving = False
                    gate._let_go(ticket, self._now_s)
                elif ticket.unlock_after_write:
                    gate._unlock_lane(ticket)
                ticket.unlock_after_write = False


def _resolve(wake: asyncio.Future[None]) -> None:
    if not wake.done():
        wake.set_result(None)


_registry_lock = threading.Lock()
_gates: weakref.WeakValueDictionary[str, Gate] = weakref.WeakValueDictionary()
_forking: list[Gate] = []
_threads: ThreadPoolExecutor | None = None


def gate_of(path: str | os.PathLike[str]) -> Gate:
    """The gate of the lane file at *path*; the same one for every spelling of its folder."""
    place = Path(path)
    key = os.path.join(os.path.realpath(place.parent), place.name)  # noqa: PTH118 - A key, not a path to walk.
    with _registry_lock:
        gate = _gates.get(key)
        if gate is None:
            gate = _gates[key] = Gate(Path(key))
        return gate


def disk_threads() -> ThreadPoolExecutor:
    """The threads that wait for disks: a hanging disk never takes the ones that resolve names or serve others."""
    global _threads
    with _registry_lock:
        if _threads is None:
            _threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="holdfast-disk")
        return _threads


# A fork copies mutexes as they are, held or not, and every descriptor. All of ours are held by nobody at that moment,
# and the child starts without descriptors: it opens its own when it needs them, and holds nothing of the parent's.


def _before_fork() -> None:
    _registry_lock.acquire()
    _forking.extend(_gates.values())
    for gate in _forking:
        gate.before_fork()


def _after_fork_in_parent() -> None:
    for gate in _forking:
        gate.after_fork_in_parent()
    _forking.clear()
    _registry_lock.release()


def _after_fork_in_child() -> None:
    global _registry_lock, _threads
    _registry_lock = threading.Lock()
    _threads = None
    for gate in _forking:
        gate.after_fork_in_child()
    _forking.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
