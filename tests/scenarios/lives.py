"""
One life of a client: the wires and the disk it uses, what it sent over them, and how it ends without a word.

What it sent is written down beside its wires, where neither its own record nor the venue's can hide anything: orders
with the end of their validity, and the reads that may prove an order absent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import urllib.parse
import weakref
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

import holdfast
from holdfast.core.seams import HttpReply, HttpRequest, HttpWire, StreamConnection, StreamWire, WireError
from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.kraken.tickets import moment_us
from holdfast.testing import FakeClock
from tests.scenarios.venues import PLAYS, Play
from tests.scenarios.wires import WIRES, OkxWire, Wire

__all__ = ["Life", "Lookup", "Record", "Sending"]

_LOOKUPS: Final = frozenset({"OpenOrders", "ClosedOrders", "TradesHistory", "QueryOrders"})
_SOURCES: Final = str(Path(holdfast.__file__).parent)
_GONE_AFTER_S: Final = 0.3


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One order that left the client. ``deadline_us`` is the venue's clock, None where it has no end."""

    client_order_id: str | None
    at_s: float
    deadline_us: int | None
    via: str


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """
    One read that may prove something about an order, and was answered without an error.

    ``sent_us`` is the venue's clock when it left; ``client_order_id`` is what it asked for, None where for everything;
    ``named`` are the client order ids that the answer names.
    """

    name: str
    sent_s: float
    sent_us: int
    answered_s: float
    client_order_id: str | None
    named: frozenset[str]


class Record:
    """
    What every life of a client sent.

    Attributes:
        asked: When balances were asked for.
        orphans: Nonces of calls that were given up on their way: they may still reach the venue behind the next one.
        sent: Every order, in the order in which they left.
        lookups: Every answered read of orders or fills.
        answers: What came back for orders, by client order id: ``ok``, the venue's error, or ``unsent`` where provably
            nothing had left.
    """

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.orphans: set[int] = set()
        self.sent: list[Sending] = []
        self.lookups: list[Lookup] = []
        self.answers: dict[str, list[str]] = {}
        self._serials: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary()
        self._count = itertools.count()

    def answer(self, client_order_id: str | None, text: str | None) -> None:
        """An order was answered; None: by nothing that says anything."""
        if client_order_id is not None and text is not None:
            self.answers.setdefault(client_order_id, []).append(text)

    def number_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Number every task that *loop* begins from now on: asyncio's own list of them has another order every time."""

        def begin(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
            task = asyncio.Task(coro, loop=loop, **more)
            self._serials[task] = next(self._count)
            return task

        loop.set_task_factory(begin)  # type: ignore[arg-type]  # A generator is no coroutine of ours.

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Every numbered task that has not ended, in order of its beginning."""
        alive = [task for task in self._serials if not task.done()]
        return sorted(alive, key=self._serials.__getitem__)


class Life:
    """
    The makers of one client's wires and disk, which all of them lose at once when it ends.

    Args:
        record: Where what is sent is written down.
        clock: The client's.
        venue_us: The venue's clock.
        describe: What the venue calls a request.
        play: Which venue it is.
    """

    def __init__(
        self,
        record: Record,
        *,
        clock: FakeClock,
        venue_us: Callable[[], int],
        describe: Callable[[SimRequest], Mapping[str, str]] | None = None,
        play: Play = PLAYS["kraken"],
    ) -> None:
        self._describe = describe
        self._play = play
        self.wire = WIRES.get(play.id)  # None: Kraken's, whose words are read here.
        self.record = record
        self.clock = clock
        self.venue_us = venue_us
        self.is_over = False
        self._disks: list[sqlite3.Connection] = []
        self._sockets: list[StreamConnection] = []

    def facts_of(self, request: HttpRequest) -> Mapping[str, str]:
        """What the venue calls a request, and what else it knows of it."""
        if self._describe is None or self.wire is None:
            return {"name": request.url.rpartition("/")[2].partition("?")[0]}
        parts = urllib.parse.urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = SimRequest(
            method=request.method, path=parts.path or "/", query=parts.query, headers=headers, body=request.body
        )
        return self._describe(seen)

    def reads_balances(self, name: str) -> bool:
        """Whether a call of this name asks for balances."""
        return name in self._play.balance_calls

    def http(self, inner: HttpWire) -> HttpWire:
        """*inner*, with an eye on it."""
        return _Http(self, inner)

    def streams(self, inner: StreamWire) -> StreamWire:
        """*inner*, with an eye on it."""
        return _Streams(self, inner)

    def disk(self) -> type[sqlite3.Connection]:
        """Connections that this life opens, so that it can lose them."""
        life = self

        class Disk(sqlite3.Connection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                life._disks.append(self)

        return Disk

    async def end(self) -> None:
        """
        End it as ``kill -9`` does: nothing more is sent, heard or written, and what had left still arrives.

        Every task of the client is gone when this returns.
        """
        self.is_over = True
        loop = asyncio.get_running_loop()
        for disk in self._disks:
            disk.close()  # A transaction that is under way is rolled back.
        for socket in self._sockets:
            # The kernel sends what it was given, and only then is the connection gone.
            loop.call_later(_GONE_AFTER_S, socket.abort)
        failures: list[Any] = getattr(loop, "failures", [])
        before = len(failures)
        while mine := [task for task in self.record.tasks() if _is_clients(task)]:  # A dying task may begin others.
            for task in mine:
                task.cancel()
            await asyncio.wait(mine)
            for task in mine:
                if not task.cancelled():
                    task.exception()
        # A client that lost its disk complains of it; a dead one does not.
        del failures[before:]


def _is_clients(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and str(code.co_filename).startswith(_SOURCES)


async def _never() -> Any:
    await asyncio.get_running_loop().create_future()


class _Http:
    def __init__(self, life: Life, inner: HttpWire) -> None:
        self._life = life
        self._inner = inner

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        life, record = self._life, self._life.record
        if life.is_over:
            await _never()
        facts = life.facts_of(request)
        name = facts["name"]
        if life.reads_balances(name):
            record.asked.append(life.clock.now_s())
        if life.wire is not None:
            return await self._elsewhere(life.wire, request, facts, deadline_s=deadline_s)
        fields = _fields(request) if name in _LOOKUPS or name == "AddOrder" else {}
        if name == "AddOrder" and not fields.get("validate"):
            record.sent.append(_sending(fields, life, via="rest"))
        sent_s, sent_us = life.clock.now_s(), life.venue_us()
        try:
            reply = await self._inner.request(request, deadline_s=deadline_s)
        except WireError as error:
            _orphan(record, request)
            if life.is_over:
                await _never()
            if name == "AddOrder" and not error.was_sent:
                record.answer(fields.get("cl_ord_id"), "unsent")
            raise
        except asyncio.CancelledError:
            _orphan(record, request)
            raise
        if life.is_over:
            await _never()
        if name == "AddOrder":
            record.answer(fields.get("cl_ord_id"), _error_of(reply))
        if name in _LOOKUPS:
            self._note_lookup(name, fields, reply, sent_s=sent_s, sent_us=sent_us)
        return reply

    async def _elsewhere(
        self, wire: Wire, request: HttpRequest, facts: Mapping[str, str], *, deadline_s: float
    ) -> HttpReply:
        """The same at a venue whose wire is another one."""
        life, record = self._life, self._life.record
        name, client_order_id = facts["name"], facts.get("client_order_id")
        is_placing = name == wire.place
        sent_s, sent_us = life.clock.now_s(), life.venue_us()
        if is_placing:
            deadline_us = wire.deadline_us(request)
            record.sent.append(
                Sending(client_order_id=client_order_id, at_s=sent_s, deadline_us=deadline_us, via="rest")
            )
        try:
            reply = await self._inner.request(request, deadline_s=deadline_s)
        except WireError as error:
            if life.is_over:
                await _never()
            if is_placing and not error.was_sent:
                record.answer(client_order_id, "unsent")
            raise
        if life.is_over:
            await _never()
        if is_placing:
            record.answer(client_order_id, wire.answer(reply.status, reply.body))
        asked = wire.lookup(name, request, reply.status, reply.body)
        if asked is not None:
            record.lookups.append(
                Lookup(
                    name=asked.name,
                    sent_s=sent_s,
                    sent_us=sent_us,
                    answered_s=life.clock.now_s(),
                    client_order_id=asked.client_order_id,
                    named=asked.named,
                )
            )
        return reply

    def _note_lookup(
        self, name: str, fields: Mapping[str, str], reply: HttpReply, *, sent_s: float, sent_us: int
    ) -> None:
        try:
            envelope = json.loads(reply.body)
            is_good = reply.status == 200 and envelope["error"] == [] and isinstance(envelope["result"], dict)
        except (ValueError, KeyError, TypeError):
            return
        if not is_good:
            return
        named: set[str] = set()
        for rows in (envelope["result"], *envelope["result"].values()):
            if isinstance(rows, dict):
                named |= {row["cl_ord_id"] for row in rows.values() if isinstance(row, dict) and row.get("cl_ord_id")}
        self._life.record.lookups.append(
            Lookup(
                name=name,
                sent_s=sent_s,
                sent_us=sent_us,
                answered_s=self._life.clock.now_s(),
                client_order_id=fields.get("cl_ord_id"),
                named=frozenset(named),
            )
        )

    async def close(self) -> None:
        if not self._life.is_over:
            await self._inner.close()


class _Streams:
    def __init__(self, life: Life, inner: StreamWire) -> None:
        self._life = life
        self._inner = inner

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> StreamConnection:
        life = self._life
        if life.is_over:
            await _never()

        asked: dict[Any, str] = {}  # Numbers of order requests, with their client order ids.

        def frame(data: bytes) -> None:
            if life.is_over:
                return
            if life.wire is None and b'"add_order"' in data:
                _note_answer(data, asked, life.record)
            elif isinstance(life.wire, OkxWire) and (b'"order"' in data or b'"error"' in data):
                _note_okx_answer(data, life.wire, asked, life.record)
            on_frame(data)

        def closed(code: int | None, reason: str) -> None:
            if not life.is_over:
                on_close(code, reason)

        inner = await self._inner.connect(url, on_frame=frame, on_close=closed, deadline_s=deadline_s, headers=headers)
        life._sockets.append(inner)
        if life.is_over:
            await _never()
        return _Socket(life, inner, asked)


class _Socket:
    def __init__(self, life: Life, inner: StreamConnection, asked: dict[Any, str]) -> None:
        self._life = life
        self._inner = inner
        self._asked = asked

    def send(self, frame: bytes) -> None:
        if self._life.is_over:
            return
        self._inner.send(frame)
        wire = self._life.wire
        if isinstance(wire, OkxWire) and b'"order"' in frame:
            message = json.loads(frame)
            if message.get("op") == wire.op:
                (row,) = message["args"]
                self._asked[message.get("id")] = row.get("clOrdId")
                self._life.record.sent.append(
                    Sending(
                        client_order_id=row.get("clOrdId"),
                        at_s=self._life.clock.now_s(),
                        deadline_us=wire.frame_deadline_us(message),
                        via="stream",
                    )
                )
        elif wire is None and b'"add_order"' in frame:
            message = json.loads(frame)
            params = message.get("params", {})
            if message.get("method") == "add_order" and not params.get("validate"):
                self._life.record.sent.append(_sending(params, self._life, via="stream"))
                self._asked[message.get("req_id")] = params.get("cl_ord_id")

    def abort(self) -> None:
        if not self._life.is_over:
            self._inner.abort()

    async def close(self) -> None:
        if not self._life.is_over:
            await self._inner.close()


def _fields(request: HttpRequest) -> dict[str, str]:
    if request.body.startswith(b"{"):
        return {name: str(value) for name, value in json.loads(request.body).items()}
    return dict(urllib.parse.parse_qsl(request.body.decode()))


def _error_of(reply: HttpReply) -> str | None:
    """What an answer to an order says: ``ok``, its first error, or None where it is no answer of the venue's."""
    try:
        envelope = json.loads(reply.body)
        errors = envelope["error"]
    except (ValueError, KeyError, TypeError):
        return None
    if reply.status != 200 or not isinstance(errors, list):
        return None
    if errors:
        return str(errors[0])
    return "ok" if envelope.get("result") else None


def _note_answer(data: bytes, asked: Mapping[int, str], record: Record) -> None:
    try:
        message = json.loads(data)
    except ValueError:
        return
    if isinstance(message, dict) and message.get("method") == "add_order" and "success" in message:
        text = "ok" if message["success"] is True else str(message.get("error"))
        record.answer(asked.get(message.get("req_id", -1)), text)


def _note_okx_answer(data: bytes, wire: OkxWire, asked: Mapping[Any, str], record: Record) -> None:
    try:
        message = json.loads(data)
    except ValueError:
        return
    # A refusal before the operation is looked at (not logged in, a bad format) is an event that names the request.
    if isinstance(message, dict) and (message.get("op") == wire.op or message.get("event") == "error"):
        record.answer(asked.get(message.get("id")), wire.told(message))


def _sending(fields: Mapping[str, Any], life: Life, *, via: str) -> Sending:
    deadline = fields.get("deadline")
    return Sending(
        client_order_id=fields.get("cl_ord_id"),
        at_s=life.clock.now_s(),
        deadline_us=None if not deadline else moment_us(deadline, "deadline", now_us=life.venue_us()),
        via=via,
    )


def _orphan(record: Record, request: HttpRequest) -> None:
    if request.body.startswith(b"nonce="):
        record.orphans.add(int(request.body[6:].partition(b"&")[0]))
