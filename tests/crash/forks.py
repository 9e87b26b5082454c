"""
Processes forked from one that has everything imported: thousands of lives, and no interpreter started for each.

Each is a process of its own in every respect that matters to a kill: its own memory, sockets, files and locks, all
opened after the fork. It talks to whoever asked for it over a socket that is its standard input and output.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "Forked", "Forks"]

ROOT: Final = Path(__file__).resolve().parents[2]
_LINE_MAX: Final = 2**24
_PR_SET_PDEATHSIG: Final = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html (checked 2026-11-20)


class Forked:
    """
    One forked process.

    Attributes:
        pid: Its own.
        returncode: As of a child process: negative for a signal; None while it runs.
        reader: What it says, line by line.
    """

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.reader = reader
        self._writer = writer
        self._ended = asyncio.Event()

    def tell(self, **facts: Any) -> None:
        """Say one line to it."""
        self._writer.write(json.dumps(facts).encode() + b"\n")

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait until it has ended; its return code."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def ended(self, returncode: int) -> None:
        self.returncode = returncode
        self._ended.set()

    async def forget(self) -> None:
        """Give the socket back. Suspends."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class _Parent:
    """The process that everything is forked from; one for each module, until this process ends."""

    def __init__(self, module: str) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control.setblocking(False)
        self.is_used = False
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.forks", str(theirs.fileno()), module, str(os.getpid())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self.control.close()
        self._process.kill()
        self._process.wait()


_parents: Final[dict[str, _Parent]] = {}


class Forks:
    """
    Makes them, for the length of an ``async with`` block; kills what is left at its end.

    Args:
        module: Its ``main(work)`` is what a forked process runs; *work* is the first line that it is told.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._parent: _Parent | None = None
        self._waiting: list[asyncio.Future[int]] = []
        self._living: dict[int, Forked] = {}
        self._ended_early: dict[int, int] = {}

    async def __aenter__(self) -> Forks:
        parent = _parents.get(self._module)
        if parent is None:
            parent = _parents[self._module] = _Parent(self._module)
        if parent.is_used:
            raise AssertionError(f"one at a time forks from {self._module}")
        parent.is_used = True
        self._parent = parent
        asyncio.get_running_loop().add_reader(parent.control.fileno(), self._heard)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._parent is not None
        for forked in list(self._living.values()):
            forked.send_signal(signal.SIGKILL)
            await forked.wait()
        asyncio.get_running_loop().remove_reader(self._parent.control.fileno())
        self._parent.is_used = False

    async def start(self, work: Any) -> Forked:
        """Fork one and tell it its *work*, which JSON can express."""
        assert self._parent is not None
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LINE_MAX)
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with theirs:
            self._waiting.append(waiter)
            socket.send_fds(self._parent.control, [b"."], [theirs.fileno()])
        pid = await waiter
        forked = self._living[pid] = Forked(pid, reader, writer)
        if pid in self._ended_early:
            self._note_end(pid, self._ended_early.pop(pid))
        writer.write(json.dumps(work).encode() + b"\n")
        return forked

    def _heard(self) -> None:
        assert self._parent is not None
        with contextlib.suppress(BlockingIOError):
            while said := self._parent.control.recv(4096):
                pid, status = json.loads(said)
                if status is None:
                    self._waiting.pop(0).set_result(pid)
                elif pid in self._living:
                    self._note_end(pid, status)
                else:
                    self._ended_early[pid] = status

    def _note_end(self, pid: int, status: int) -> None:
        self._living.pop(pid).ended(os.waitstatus_to_exitcode(status))


def _serve(control: socket.socket, module: str, parent: int) -> None:
    """Fork whenever a socket comes, tell of every end."""
    _die_with_parent(parent)
    main = importlib.import_module(module).main
    rung, ring = socket.socketpair()
    for each in (rung, ring):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ring.fileno())
    while True:
        ready, _, _ = select.select([control, rung], [], [])
        if rung in ready:
            with contextlib.suppress(BlockingIOError):
                rung.recv(4096)
            with contextlib.suppress(ChildProcessError):
                while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                    control.send(json.dumps(ended).encode())
        if control in ready:
            _, (descriptor, *_), _, _ = socket.recv_fds(control, 16, 1)
            us, pid = os.getpid(), os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (control, rung, ring):
                    each.close()
                _live(descriptor, main, us)
            os.close(descriptor)
            control.send(json.dumps((pid, None)).encode())


def _live(descriptor: int, main: Any, parent: int) -> None:
    """What a forked process does, and its end."""
    code = 1
    try:
        _die_with_parent(parent)
        for standard in (0, 1):
            os.dup2(descriptor, standard)
        os.close(descriptor)
        main(json.loads(_first_line()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _die_with_parent(parent: int) -> None:
    """Be killed when the parent is, stopped or not: nothing of a run outlives it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It was too late.
            os.kill(os.getpid(), signal.SIGKILL)


def _first_line() -> bytes:
    # One byte at a time: what comes after it is not ours to read.
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1) or b"\n"
    return line


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        _serve(inherited, sys.argv[2], int(sys.argv[3]))
