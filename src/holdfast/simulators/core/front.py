"""
What both fronts do alike: carry requests and frames past the fault plan to the venue and back.

A front hands each HTTP request to ``Front.accept`` and gets its answer through a callback, at once or later, or never
where a fault says silence. Everything that waits is a timer of the loop, not a task of the client: a request that was
delayed on its way is processed even when its client has long given up, as on a real network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from holdfast.core.seams import Clock
from holdfast.simulators.core import actions as do
from holdfast.simulators.core.faults import FaultPlan, Firing
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.line import Carrier, Line
from holdfast.simulators.core.message_names import NamingVenue
from holdfast.simulators.core.replies import edited, first_error, html_page
from holdfast.simulators.core.seam import SimReply, SimRequest, SimulatedVenue

__all__ = ["Delivery", "Front"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """
    How one request ends for its client.

    Exactly one of *reply* and *ending* is set. *ending* is ``reset``, ``close``, or why no connection came about:
    ``refused``, ``dns``, ``tls``, ``connect_timeout``; silence is never delivered at all. *shape* is the action that
    changes how the reply's bytes are written; *idle* what happens to the connection afterwards.
    """

    reply: SimReply | None = None
    ending: str | None = None
    shape: do.Action | None = None
    shape_at: int = 0  # The byte a seeded CutBody cuts at.
    idle: do.CloseIdle | None = None


_SHAPES = (do.CutBody, do.WrongLength, do.GzipBomb, do.EndlessBody, do.HugeHeaders, do.Drip)
_EDITS = (do.Truncate, do.Mutate, do.Mislabel, do.Empty)


class Front:
    """
    One venue with its journal and fault plan, before any bytes.

    Args:
        venue: Answers at once, in plain functions.
        loop: Timers for everything that waits.
        clock: Times the journal and the rules.
        plan: The faults; a plan without rules where None.
        journal: Where everything is written; a new one where None.
    """

    def __init__(
        self,
        venue: SimulatedVenue,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        plan: FaultPlan | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.venue = venue
        self.loop = loop
        self.clock = clock
        names = venue.message_names if isinstance(venue, NamingVenue) else None
        self.plan = plan or FaultPlan(clock, impair=venue.impair, names=names)
        self.journal = journal or Journal(clock, describe_frame=venue.describe_frame)
        self.lines: dict[int, Line] = {}
        self._last_line = 0
        self._held: dict[str, list[Callable[[], None]]] = {}
        self.plan.on_streams(self._act_on_streams)

    # HTTP

    def accept(self, request: SimRequest, done: Callable[[Delivery], None]) -> None:
        """
        Take one request; *done* gets its delivery, now or later, at most once, and never where silence is injected.
        """
        facts = self.venue.describe(request)
        number = self.journal.note("request", facts)
        firings = self.plan.firing(self.plan.rest, facts) if self.plan.rest else ()
        if not firings:
            done(Delivery(reply=self._process(request, facts, number)))
            return
        for firing in firings:
            firing.note(self.journal, of=number)
        _Exchange(self, request, facts, number, list(firings), done).run()

    def _process(self, request: SimRequest, facts: Mapping[str, str], number: int) -> SimReply:
        reply = self.venue.handle(request)
        self.journal.note("verdict", facts, of=number, outcome=first_error(reply))
        key = facts.get("key", "")
        if key in self._held:
            for release in self._held.pop(key):
                self.loop.call_soon(release)
        return reply

    def _hold(self, key: str, release: Callable[[], None]) -> None:
        self._held.setdefault(key, []).append(release)

    # Streams

    def open_line(
        self,
        path: str,
        headers: Mapping[str, str],
        carrier: Carrier,
        done: Callable[[Line | SimReply | str], None],
    ) -> None:
        """
        Take one stream handshake.

        *done* gets the open line, the reply that refuses it, or the word for why no connection came about; now,
        later, or never. The venue may already have spoken when *done* is called: the carrier keeps that until its
        transport is open.
        """
        facts = {"name": path}
        firings = self.plan.firing(self.plan.handshake, facts) if self.plan.handshake else []
        delay_s = 0.0
        first: list[Firing] = []
        for firing in firings:
            firing.note(self.journal)
            action = firing.action
            if isinstance(action, do.Refuse):
                self.journal.note("ws_refused", facts, outcome=str(action.status))
                if action.status:
                    reply = SimReply(status=action.status, headers=dict(action.headers), body=html_page(action.status))
                    done(reply)
                return
            if isinstance(action, do.Unreachable):
                self.journal.note("ws_refused", facts, outcome=action.how)
                done(action.how)
                return
            if isinstance(action, do.Delay):
                delay_s += firing.delay_s()
            else:
                first.append(firing)
        if delay_s:
            self.loop.call_later(delay_s, self._connect, path, headers, carrier, done, first)
        else:
            self._connect(path, headers, carrier, done, first)

    def _connect(
        self,
        path: str,
        headers: Mapping[str, str],
        carrier: Carrier,
        done: Callable[[Line | SimReply | str], None],
        first: list[Firing],
    ) -> None:
        self._last_line += 1
        number = self._last_line
        line = Line(self.venue, self.plan, self.journal, self.loop, carrier, number=number, forget=self._forget)
        self.lines[number] = line  # First: a connection may end before it was even answered.
        refusal = line.connect(path, headers, impaired_by=first)
        if refusal is not None:
            self._forget(line)
            self.journal.note("ws_refused", {"name": path}, line=line.number, outcome=str(refusal.status))
            done(refusal)
            return
        done(line)

    def _forget(self, line: Line) -> None:
        self.lines.pop(line.number, None)

    def _act_on_streams(self, firing: Firing, keys: frozenset[str] | None) -> None:
        for line in list(self.lines.values()):
            if keys is None or line.key in keys:
                firing.note(self.journal, line=line.number)
                line.impair(firing.action)

    def close_streams(self, code: int, reason: str) -> None:
        """Close every open stream connection in order, as a venue does before maintenance."""
        for line in list(self.lines.values()):
            line.close(code, reason)


class _Exchange:
    """One request under faults, from arrival to delivery: a chain of plain steps, some of them after a timer."""

    def __init__(
        self,
        front: Front,
        request: SimRequest,
        facts: Mapping[str, str],
        number: int,
        firings: list[Firing],
        done: Callable[[Delivery], None],
    ) -> None:
        self._front = front
        self._request = request
        self._facts = facts
        self._number = number
        self._firings = firings
        self._done = done
        self._is_released = False

    def _last(self, kind: type[do.Action]) -> Firing | None:
        return next((firing for firing in reversed(self._firings) if isinstance(firing.action, kind)), None)

    def run(self) -> None:
        if (unreachable := self._last(do.Unreachable)) is not None:
            assert isinstance(unreachable.action, do.Unreachable)
            self._end(unreachable.action.how)
            return
        if (lost := self._last(do.LoseRequest)) is not None:
            assert isinstance(lost.action, do.LoseRequest)
            self._end(lost.action.how)
            return
        self._after(self._delay_s("request"), self._hold)

    def _delay_s(self, where: str) -> float:
        return sum(f.delay_s() for f in self._firings if isinstance(f.action, do.Delay) and f.action.where == where)

    def _after(self, delay_s: float, step: Callable[[], None]) -> None:
        if delay_s > 0:
            self._front.loop.call_later(delay_s, step)
        else:
            step()

    def _hold(self) -> None:
        held = self._last(do.HoldRequest)
        if held is None:
            self._process()
            return
        assert isinstance(held.action, do.HoldRequest)
        self._front._hold(self._facts.get("key", ""), self._release)
        self._front.loop.call_later(held.action.for_s, self._release)

    def _release(self) -> None:
        if not self._is_released:
            self._is_released = True
            self._process()

    def _process(self) -> None:
        substitute = None
        commits = True
        for firing in self._firings:
            action = firing.action
            if isinstance(action, do.Answer):
                content = {"content-type": "application/json"}
                substitute = SimReply(
                    status=action.status, headers={**content, **action.headers}, body=action.body.encode()
                )
                commits = action.commits
            elif isinstance(action, do.HtmlError):
                content = {"content-type": "text/html; charset=UTF-8"}
                substitute = SimReply(status=action.status, headers=content, body=html_page(action.status))
                commits = action.commits
            elif isinstance(action, do.TooMany):
                content = {"content-type": "text/html; charset=UTF-8"}
                if action.retry_after is not None:
                    content["retry-after"] = action.retry_after
                substitute = SimReply(status=action.status, headers=content, body=html_page(action.status))
                commits = action.commits
            elif isinstance(action, do.Redirect):
                substitute = SimReply(status=action.status, headers={"location": action.location}, body=b"")
                commits = False
        reply = self._front._process(self._request, self._facts, self._number) if commits else None
        if commits and (again := self._last(do.DuplicateRequest)) is not None:
            second = self._front._process(self._request, self._facts, self._number)
            assert isinstance(again.action, do.DuplicateRequest)
            reply = second if again.action.reply == "second" else reply
        reply = substitute or reply
        assert reply is not None
        for firing in self._firings:
            if isinstance(firing.action, _EDITS):
                reply = edited(reply, firing)
        self._after(self._delay_s("reply"), lambda: self._deliver(reply))

    def _deliver(self, reply: SimReply) -> None:
        if (lost := self._last(do.LoseReply)) is not None:
            assert isinstance(lost.action, do.LoseReply)
            self._end(lost.action.how)
            return
        shape = next((firing for firing in reversed(self._firings) if isinstance(firing.action, _SHAPES)), None)
        at = shape.place_in(len(reply.body)) if shape is not None and isinstance(shape.action, do.CutBody) else 0
        idle = self._last(do.CloseIdle)
        if shape is not None or idle is not None or reply.status >= 300:
            self._front.journal.note("reply", {}, of=self._number, outcome=_outcome(reply, shape))
        self._done(
            Delivery(
                reply=reply,
                shape=shape.action if shape else None,
                shape_at=at,
                idle=idle.action if idle is not None and isinstance(idle.action, do.CloseIdle) else None,
            )
        )

    def _end(self, how: str) -> None:
        self._front.journal.note("reply", {}, of=self._number, outcome=how)
        if how != "silence":
            self._done(Delivery(ending=how))


def _outcome(reply: SimReply, shape: Firing | None) -> str:
    status = str(reply.status)
    return status if shape is None else f"{status} {type(shape.action).__struct_config__.tag}"
