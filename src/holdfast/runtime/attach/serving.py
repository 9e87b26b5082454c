"""
The owner's side: greet whoever attaches, push the picture, take calls.

The owner never waits for anybody here. Whoever reads too slowly, speaks nonsense or asks for too much is dropped with a
reason; what it asked for and what is not durable by then need not happen. A call is begun only when its ``accepted`` is
in the kernel's hands, so that a caller who did not get it knows that nothing was done.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from typing import Final

from holdfast.core.events import Event, event
from holdfast.core.seams import Clock
from holdfast.errors import ClosedError, DeniedError, HoldfastError, OwnerSilentError
from holdfast.runtime.attach.feed import Feed
from holdfast.runtime.attach.lines import LocalLine, LocalServer, LocalSockets, Place
from holdfast.runtime.attach.protocol import (
    FRAME_MAX,
    REQUEST_MAX,
    VERSION,
    Accepted,
    Ask,
    Bye,
    ClientHello,
    Failed,
    Follow,
    FrameError,
    Frames,
    FromOwner,
    Happened,
    OwnerHello,
    Result,
    Stop,
    decode_from_client,
    encode,
    encode_value,
)
from holdfast.runtime.attach.values import Call, call_named, failure_of
from holdfast.runtime.backend import BrokerBackend
from holdfast.runtime.callers import COMMAND_MAX, Caller, asked_by
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.listeners import Subscription
from holdfast.runtime.views import BalancesChanged

__all__ = ["BEAT_S", "OwnerServer"]

BEAT_S: Final = 1.0
"""The picture is pushed at least this often: silence means that the owner does not run."""

_SPACING_S: Final = 0.02  # A busy account is told of fifty times a second at most, with all that moved in between.
_CLIENTS_MAX: Final = 64
_CALLS_MAX: Final = 256  # Of one client, under way at once.
_QUEUE_MAX: Final = 2 * 1024 * 1024  # Of pushes, beyond what the kernel has taken.
_QUEUE_HARD_MAX: Final = 2 * FRAME_MAX
_CHANGES_MAX: Final = 1000
_HELLO_WITHIN_S: Final = 5.0
_VALIDITY_MAX_S: Final = 600.0


class OwnerServer:
    """
    One broker's socket, for as long as this process owns its account.

    Args:
        backend: What answers.
        place: Where it is found; its owner lock is ours.
        check_ownership: Raises ``ClosedError`` once the account may be another process's.
        max_age_s: The age beyond which a fresh figure is stale, for whoever counts ages himself.
        permit: Raises ``DeniedError`` where whoever is at a line may not make a call; everybody may where None.
    """

    def __init__(
        self,
        *,
        backend: BrokerBackend,
        place: Place,
        sockets: LocalSockets,
        clock: Clock,
        emitter: Emitter,
        check_ownership: Callable[[], None],
        max_age_s: float | None = None,
        permit: Callable[[LocalLine, str, Mapping[str, object]], None] | None = None,
    ) -> None:
        self.permit = permit
        self.backend = backend
        self.clock = clock
        self._place = place
        self._sockets = sockets
        self._emitter = emitter
        self._check_ownership = check_ownership
        self._max_age_s = max_age_s
        self._feed = Feed(backend, clock)
        self._server: LocalServer | None = None
        self._sessions: list[_Session] = []
        self._changes: list[BalancesChanged] = []
        self._answers: list[tuple[_Session, FromOwner]] = []
        self._beating: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pushed_s = float("-inf")
        self._spacing_s = _SPACING_S
        self._subscription: Subscription | None = None
        self._events: Subscription | None = None
        self._ended: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str | None:
        """The socket's path while it is served."""
        return None if self._server is None else self._server.address

    @property
    def clients(self) -> int:
        """How many are attached."""
        return len(self._sessions)

    def start(self) -> None:
        """
        Serve from now on. Needs a running loop; never suspends.

        Raises:
            ConfigError: The socket cannot be made.
        """
        self._server = self._sockets.serve(self._place, self._accept)

    async def close(self) -> None:
        """Say goodbye, drop everybody and end their calls. Suspends until those have ended."""
        self._stop(Bye(reason="closed", detail="the owner closes"))
        tasks, self._ended = self._ended, set()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self, bye: Bye, *, is_ours: bool = True) -> None:
        server, self._server = self._server, None
        if server is not None:
            if is_ours:
                server.close()
            else:
                server.abandon()
        for session in list(self._sessions):
            session.dismiss(bye)

    # Attaching and leaving

    def _accept(self, line: LocalLine) -> _Session | None:
        if len(self._sessions) >= _CLIENTS_MAX:
            line.send(encode(Bye(reason="full", detail=f"{_CLIENTS_MAX} processes are attached already")))
            return None
        session = _Session(self, line)
        self._sessions.append(session)
        return session

    def greet(self, session: _Session) -> None:
        """Everything a new client needs, in one go: from then on it gets what differs, with everybody else."""
        self._push()
        if session.is_gone:
            return
        backend = self.backend
        hello = OwnerHello(
            version=VERSION,
            pid=os.getpid(),
            host=socket.gethostname(),
            broker=backend.name,
            venue=backend.venue,
            environment=backend.environment,
            now_s=self.clock.now_s(),
            max_age_s=self._max_age_s,
        )
        listed = self._feed.listed_before()
        session.say(hello)
        if listed is not None:
            session.say(listed)
        session.say(self._feed.whole())
        session.is_greeted = True
        if self._subscription is None:
            self._subscription = backend.listeners.subscribe(self._note)
            self._beating = asyncio.get_running_loop().create_task(self._beat(), name=f"holdfast beat {backend.name}")
        self.look_at_events()

    def leave(self, session: _Session) -> None:
        """Forget a client."""
        if session not in self._sessions:
            return
        self._sessions.remove(session)
        self.look_at_events()
        if any(each.is_greeted for each in self._sessions):
            return
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        if self._beating is not None:
            self._beating.cancel()
            self._ended.add(self._beating)
            self._beating.add_done_callback(self._ended.discard)
            self._beating = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def dropped(self, pid: int | None, reason: str) -> None:
        """Say that a client was dropped, unless that is because we go."""
        if reason != "closed":
            self._emitter(event("owner.dropped", broker=self.backend.name, pid=pid, reason=reason))

    def keep(self, task: asyncio.Task[None]) -> None:
        """Own a call's task until it has ended."""
        self._ended.add(task)
        task.add_done_callback(self._ended.discard)

    # The picture

    async def _beat(self) -> None:
        while True:
            await self.backend.changed(within_s=BEAT_S)
            self._touch()

    def _note(self, change: BalancesChanged) -> None:
        if len(self._changes) < _CHANGES_MAX:
            self._changes.append(change)
        self._touch()

    def _touch(self) -> None:
        """Push soon: at once, unless that was done a moment ago."""
        if self._timer is None and self._subscription is not None:
            wait_s = self._pushed_s + self._spacing_s - self.clock.now_s()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._push_due)

    def _push_due(self) -> None:
        self._timer = None
        self._push()

    def _push(self) -> None:
        """Tell everybody what differs, now."""
        try:
            self._check_ownership()
        except ClosedError as error:
            # The place may be another owner's by now: nothing of it is touched.
            self._stop(Bye(reason="ownership_lost", detail=str(error)), is_ours=False)
            return
        self._pushed_s = self.clock.now_s()
        changes, self._changes = self._changes, []
        messages: list[FromOwner] = []
        try:
            listed = self._feed.listed()
            if listed is not None:
                messages.append(listed)
            messages.append(self._feed.step(changes))
        except Exception as error:
            # A bug in an answer: whoever is attached hears nothing more, and knows what that means.
            report(f"broker {self.backend.name} cannot say how it stands", error)
            for session in list(self._sessions):
                session.dismiss(Bye(reason="failed", detail="a bug of holdfast in the owner"))
            return
        lines = b"".join(map(encode, messages))
        for session in list(self._sessions):
            if session.is_greeted:
                session.push(lines)
        # However many assets and clients there are, this takes a tenth of the loop's time at most.
        took_s = self.clock.now_s() - self._pushed_s
        self._spacing_s = min(BEAT_S / 2, max(_SPACING_S, 10 * took_s))

    def answer(self, session: _Session, answer: FromOwner) -> None:
        """Answer a call: after a push, so that whoever gets it has figures that know of it."""
        self._answers.append((session, answer))
        if len(self._answers) == 1:
            # With everything else that is answered in this round: one picture serves them all.
            asyncio.get_running_loop().call_soon(self._send_answers)

    def _send_answers(self) -> None:
        answers, self._answers = self._answers, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._push()
        for session, answer in answers:
            session.say(answer)

    # Events

    def look_at_events(self) -> None:
        """Listen to the owner's events exactly while somebody wants them: some are costly to make."""
        is_wanted = any(session.wants_events for session in self._sessions)
        if is_wanted and self._events is None:
            self._events = self._emitter.subscribe(self._forward)
        elif not is_wanted and self._events is not None:
            self._events.close()
            self._events = None

    def _forward(self, event: Event) -> None:
        if event.fields.get("broker") != self.backend.name:
            return
        line = encode(Happened(name=event.name, level=event.level, fields=event.fields))
        for session in list(self._sessions):
            if session.wants_events and session.is_greeted:
                session.push(line)


class _Session:
    """One attached process, as its bytes come."""

    def __init__(self, server: OwnerServer, line: LocalLine) -> None:
        self.is_greeted = False
        self.is_gone = False
        self.wants_events = False
        self._server = server
        self._line = line
        self._frames = Frames(limit=REQUEST_MAX)
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._last_id = 0
        self._caller = Caller(uid=None, pid=None)
        self._hello = asyncio.get_running_loop().call_later(_HELLO_WITHIN_S, self._hello_overdue)

    # LineEnd

    def received(self, data: bytes) -> None:
        try:
            for line in self._frames.feed(data):
                if self.is_gone:
                    return
                self._heard(line)
        except FrameError as error:
            self.dismiss(Bye(reason=error.reason, detail=str(error)))
        except Exception as error:
            report("a message of an attached process could not be handled", error)
            self.dismiss(Bye(reason="failed", detail="a bug of holdfast in the owner"))

    def lost(self, reason: str) -> None:
        self._end()

    # Messages

    def _heard(self, line: bytes) -> None:
        message = decode_from_client(line)
        if isinstance(message, ClientHello):
            if self.is_greeted:
                raise FrameError("hello was said before", reason="malformed")
            if message.version != VERSION:
                detail = f"the owner speaks version {VERSION}, process {message.pid} version {message.version}"
                self.dismiss(Bye(reason="version", detail=f"{detail}: run one version of holdfast on this host"))
                return
            self._hello.cancel()
            self.wants_events = message.wants_events
            peer = self._line.peer
            # User and process are the kernel's word; the command line is what it says of itself.
            command = message.command and message.command[:COMMAND_MAX]
            if peer.name is not None:
                command = f"{command or 'unnamed'} (token {peer.name})"[:COMMAND_MAX]
            self._caller = Caller(uid=peer.uid, pid=peer.pid or message.pid, command=command)
            self._server.greet(self)
        elif not self.is_greeted:
            raise FrameError("hello comes first", reason="malformed")
        elif isinstance(message, Ask):
            self._asked(message)
        elif isinstance(message, Stop):
            task = self._calls.get(message.id)
            if task is not None:
                task.cancel()
        elif isinstance(message, Follow):
            self.wants_events = message.wants_events
            self._server.look_at_events()

    def _asked(self, ask: Ask) -> None:
        if ask.id <= self._last_id:
            raise FrameError("the ids of calls rise", reason="malformed")
        self._last_id = ask.id
        now_s = self._server.clock.now_s()
        try:
            call = call_named(ask.method)
            if call is None:
                raise DeniedError(f"no call is named {ask.method[:80]!a}")
            if not now_s < ask.valid_until_s:
                late_s = now_s - ask.valid_until_s
                raise OwnerSilentError(
                    f"{call.name} was asked for too long ago ({late_s:.1f} s past its validity): nothing was done",
                    pid=os.getpid(),
                    silent_for_s=None,
                )
            if len(self._calls) >= _CALLS_MAX:
                raise DeniedError(f"{_CALLS_MAX} calls of this process are under way already: wait for some to end")
            arguments = call.arguments(ask.arguments)
            if self._server.permit is not None:
                self._server.permit(self._line, call.name, arguments)
        except HoldfastError as error:
            self.say(Failed(id=ask.id, failure=failure_of(error)))
            return
        if call.takes_validity:
            arguments["valid_until_s"] = min(ask.valid_until_s, now_s + _VALIDITY_MAX_S)
        if not self._line.send(encode(Accepted(id=ask.id))):
            # It stands in our own queue: should this process end now, the caller would never learn that we began.
            self.dismiss(Bye(reason="slow_reader", detail="what is sent to it is not read"))
            return
        task = asyncio.get_running_loop().create_task(
            self._serve(ask.id, call, arguments), name=f"holdfast {call.name}"
        )
        self._calls[ask.id] = task
        self._server.keep(task)

    async def _serve(self, id_: int, call: Call, arguments: dict[str, object]) -> None:
        answer: FromOwner
        try:
            with asked_by(self._caller):
                value = await getattr(self._server.backend, call.name)(**arguments)
            answer = Result(id=id_, value=encode_value(value))
            if len(answer.value) > FRAME_MAX - 1000:
                raise DeniedError(
                    f"{call.name}: the answer has {len(answer.value)} bytes, too many: ask for fewer rows"
                )
        except Exception as error:
            if not isinstance(error, HoldfastError | ValueError):
                report(f"{call.name}, asked for by an attached process, failed", error)
            answer = Failed(id=id_, failure=failure_of(error))
        finally:
            self._calls.pop(id_, None)
        self._server.answer(self, answer)

    # Sending

    def say(self, message: FromOwner) -> None:
        """Send one message, whatever is queued before it, within the hard bound."""
        if not self.is_gone:
            self._line.send(encode(message))
            if self._line.queued > _QUEUE_HARD_MAX:
                self.dismiss(Bye(reason="slow_reader", detail="what is sent to it is not read"))

    def push(self, lines: bytes) -> None:
        """Send what everybody is told."""
        if self.is_gone:
            return
        if self._line.queued > _QUEUE_MAX:
            self.dismiss(Bye(reason="slow_reader", detail="what is pushed to it is not read"))
            return
        self._line.send(lines)

    def dismiss(self, bye: Bye) -> None:
        """Say why, and drop it."""
        if not self.is_gone:
            self._line.send(encode(bye))
            self._line.abort()
            self._end()
            self._server.dropped(self._line.peer.pid, bye.reason)

    def _hello_overdue(self) -> None:
        self.dismiss(Bye(reason="no_hello", detail=f"no hello within {_HELLO_WITHIN_S:g} s"))

    def _end(self) -> None:
        self.is_gone = True
        self._hello.cancel()
        for task in self._calls.values():
            # Nobody waits for it: what is durable goes on by itself, the rest need not happen.
            task.cancel()
        self._calls.clear()
        self._server.leave(self)


def report(what: str, error: Exception) -> None:
    """A bug, where asyncio reports bugs."""
    asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})
