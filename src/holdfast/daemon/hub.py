"""
What a stream's clients are told, made once for all of them and queued for each within bounds.

There are two kinds of message. A *level* is how something stands: a balance, a broker's condition, its orders. A later
one replaces an earlier one that was not sent yet, so a slow reader gets fewer of them and never an old one. An *edge*
is something that happened: a row of the journal, an event, a job's step. Edges are kept in order, and none is left out
without saying so.

Rows of the journal are durable and numbered per broker, so a client that comes back, to this process or to the one
after it, goes on exactly where it was: its ``Last-Event-ID`` holds the number of each broker's last row. Events live as
long as the process does; a client of an earlier one is told that those in between are lost.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.core.events import Event
from holdfast.core.seams import Clock
from holdfast.daemon.jobs import Job
from holdfast.errors import HoldfastError
from holdfast.runtime.documents import balance_row, document_of, journal_document

if TYPE_CHECKING:
    from holdfast.daemon.scene import Scene
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.views import BalancesChanged

__all__ = ["HEARTBEAT_S", "Client", "Hub", "Mark", "encode_picture", "mark_of"]

HEARTBEAT_S: Final = 2.0
"""A real event is sent this often: silence for more than twice as long means that nobody is there."""

_SPACING_S: Final = 0.25
_LOOK_EVERY_S: Final = 2.0
_RING: Final = 4096
_EDGES_MAX: Final = 2000
_BYTES_MAX: Final = 4 * 1024 * 1024
_PAGE: Final = 500
_CATCH_UP_MAX: Final = 20_000
_BROKERS_IN_IDS: Final = 64
_LEFT_OUT: Final = frozenset({"balance.changed", "repair.progressed"})
"""Events that a level or a job tells better."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far a client has come: in the edges of one process, and in each broker's journal."""

    epoch: str
    number: int
    rows: dict[str, int]

    def __str__(self) -> str:
        return f"{self.epoch}.{self.number}.{','.join(f'{name}:{seq}' for name, seq in self.rows.items())}"


def mark_of(text: str) -> Mark | None:
    """What a ``Last-Event-ID`` says, or None where it is none of ours."""
    epoch, _, rest = text.partition(".")
    number, _, vector = rest.partition(".")
    rows: dict[str, int] = {}
    try:
        for part in vector.split(",") if vector else ():
            name, colon, seq = part.rpartition(":")
            if not colon or not name or int(seq) < 0:
                return None
            rows[name] = int(seq)
        return Mark(epoch=epoch, number=int(number), rows=rows) if epoch else None
    except ValueError:
        return None


class _Edge(msgspec.Struct, frozen=True, gc=False):
    number: int
    kind: str
    broker: str | None
    line: bytes


class Client:
    """
    One open stream: what waits for it.

    Attributes:
        cut: Why it has to end, or None.
    """

    def __init__(self, *, view: str, broker: str | None) -> None:
        self.view = view
        self.broker = broker
        self.cut: str | None = None
        self._edges: collections.deque[bytes] = collections.deque()
        self._bytes = 0
        self._levels: dict[str, bytes] = {}
        self._wake = asyncio.Event()

    def wants(self, broker: str | None) -> bool:
        """Whether it is to hear of *broker*."""
        return self.broker is None or broker is None or broker == self.broker

    def put(self, line: bytes) -> None:
        """An edge: in order, and none left out."""
        if self.cut is not None:
            return
        self._edges.append(line)
        self._bytes += len(line)
        if len(self._edges) > _EDGES_MAX or self._bytes > _BYTES_MAX:
            self.end("slow_reader")
        self._wake.set()

    def put_level(self, key: str, line: bytes) -> None:
        """How something stands: instead of what waits under the same key."""
        if self.cut is None:
            # Taken out first, so that what moved last is sent last.
            self._levels.pop(key, None)
            self._levels[key] = line
            self._wake.set()

    def end(self, reason: str) -> None:
        """Cut it: *reason* is the last thing that it hears, where it hears anything."""
        if self.cut is None:
            self.cut = reason
            self._wake.set()

    def take(self) -> bytes:
        """Everything that waits, edges first."""
        lines = [*self._edges, *self._levels.values()]
        self._edges.clear()
        self._levels.clear()
        self._bytes = 0
        self._wake.clear()
        return b"".join(lines)

    async def wait(self) -> None:
        """Suspend until something waits, or it is cut."""
        await self._wake.wait()

    @property
    def is_waiting(self) -> bool:
        """Whether something is there to be taken."""
        return bool(self._edges or self._levels)


def frame(kind: str, data: bytes, *, id_: str | None = None) -> bytes:
    """One message as the wire has it. JSON text holds no newline of its own."""
    head = b"" if id_ is None else b"id: " + id_.encode() + b"\n"
    return head + b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


_pictures: Final = msgspec.json.Encoder(decimal_format="string")


def encode_picture(picture: msgspec.Struct) -> bytes:
    """What the page draws, as its types say: what has its default is left out, for then nothing of it changed."""
    return _pictures.encode(picture)


class Hub:
    """
    Tells every client what happens. ``run`` it in a task for as long as the desk is open.

    Args:
        desk: Whose brokers.
        clock: For heartbeats and pacing.
        scene: What the page draws, where there is one.
    """

    def __init__(self, desk: Desk, clock: Clock, *, scene: Scene | None = None) -> None:
        self.epoch = secrets.token_hex(4)
        self.number = 0
        self.rows: dict[str, int] = {}
        self.dropped: collections.Counter[str] = collections.Counter()
        self.recent: collections.deque[tuple[int, Event]] = collections.deque(maxlen=1000)
        self._desk = desk
        self._clock = clock
        self._scene = scene
        self._clients: list[Client] = []
        self._ring: collections.deque[_Edge] = collections.deque(maxlen=_RING)
        self._moved: dict[tuple[str, str], None] = {}
        self._stirred: set[str] = set()  # Brokers of which a level or a row may be new.
        self._levels: dict[str, bytes] = {}
        self._looked_s: dict[str, float] = {}
        self._encoder = msgspec.json.Encoder()
        self._beat_s = float("-inf")
        self._drawn_s = float("-inf")

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._clients)

    # What is heard

    def hear_change(self, change: BalancesChanged) -> None:
        """Figures moved, or how far they may be trusted. Never suspends."""
        if self._clients:
            for asset in change.assets:
                self._moved[change.broker, asset] = None
            self._stirred.add(change.broker)

    def hear_event(self, event: Event) -> None:
        """Something happened. Never suspends."""
        broker = event.fields.get("broker")
        if broker is not None:
            self._stirred.add(broker)
        if event.name in _LEFT_OUT:
            return
        at_us = self._clock.wall_us()
        self.recent.append((at_us, event))
        document = {"name": event.name, "level": event.level, "at_us": at_us, "fields": event.fields}
        self._edge("event", broker, document)

    def hear_job(self, job: Job) -> None:
        """A job moved. Never suspends."""
        line = self._edge("job", job.broker, job.view)
        for client in self._clients:
            if client.view == "page":
                client.put(line)

    def _edge(self, kind: str, broker: str | None, document: Any) -> bytes:
        self.number += 1
        data = self._encode(document)
        line = frame(kind, data, id_=self._id())
        self._ring.append(_Edge(self.number, kind, broker, line))
        for client in self._clients:
            if client.view == "all" and client.wants(broker):
                client.put(line)
        return line

    def _id(self, rows: Mapping[str, int] | None = None) -> str | None:
        """How far whoever reads this has come; None where there are too many brokers to say it each time."""
        rows = self.rows if rows is None else rows
        if len(rows) > _BROKERS_IN_IDS:
            return None
        return str(Mark(epoch=self.epoch, number=self.number, rows=dict(rows)))

    def _encode(self, document: Any) -> bytes:
        return self._encoder.encode(document_of(document))

    # Clients

    async def join(self, *, view: str, broker: str | None, last: Mark | None, hello: dict[str, Any]) -> Client:
        """
        A new stream, from where *last* ended. Suspends while rows of the journal are read that it missed.

        It is told ``hello``, then what it missed or why that cannot be told, then how everything stands.
        """
        client = Client(view=view, broker=broker)
        if view == "page":
            self._draw(client, hello)
            self._clients.append(client)
            return client
        await self._find_rows()
        if not self._clients:
            for name in tuple(self._desk.brokers):
                await self._overtake(name)
        document = {**hello, "sequence": self._id(), "now_s": self._clock.now_s()}
        # Of whoever comes back the mark stays where it was, until it was told what it missed.
        client.put(frame("hello", self._encode(document), id_=self._id() if last is None else None))
        if last is None:
            self._clients.append(client)
        elif self._is_in_ring(last):
            for edge in self._ring:
                if edge.number > last.number and client.wants(edge.broker):
                    client.put(edge.line)
            self._clients.append(client)
        else:
            await self._catch_up(client, last)
        for key, line in self._standing(client):
            client.put_level(key, line)
        client.put(self._heartbeat())
        return client

    def leave(self, client: Client, reason: str) -> None:
        """Forget a stream."""
        with contextlib.suppress(ValueError):
            self._clients.remove(client)
            self.dropped[reason] += 1

    def _is_in_ring(self, last: Mark) -> bool:
        first = self._ring[0].number if self._ring else self.number + 1
        return last.epoch == self.epoch and first - 1 <= last.number <= self.number

    async def _catch_up(self, client: Client, last: Mark) -> None:
        """Rows that it missed, read again, and behind them whatever happens meanwhile."""
        reason = "restarted" if last.epoch != self.epoch else "too_far_behind"
        until = dict(self.rows)
        upto = dict(last.rows)
        missed: list[bytes] = [frame("lost", self._encode({"reason": reason, "what": "events"}))]
        behind = Client(view=client.view, broker=client.broker)  # Takes in what happens meanwhile.
        self._clients.append(behind)
        try:
            for name in self._desk.brokers:
                if not client.wants(name) or name not in upto:
                    upto[name] = until.get(name, 0)
                    continue
                found, gap = await self._rows_between(name, upto[name], until.get(name, 0))
                if gap is not None:
                    missed.append(frame("gap", self._encode({"reason": gap, "broker": name, "needs": "snapshot"})))
                for seq, document in found:
                    upto[name] = seq
                    # Its own old mark but for the rows: cut off in the middle of this, it has to come here again.
                    mark = str(Mark(epoch=last.epoch, number=last.number, rows=upto))
                    id_ = mark if len(upto) <= _BROKERS_IN_IDS else None
                    missed.append(frame("journal", self._encode(document), id_=id_))
                upto[name] = until.get(name, 0)
        finally:
            # One step: nothing happens between leaving the one and joining with the other.
            self._clients.remove(behind)
            held = behind.take()
            for line in missed:
                client.put(line)
            if held:
                client.put(held)
            if behind.cut is not None:
                client.end(behind.cut)
            self._clients.append(client)

    async def _rows_between(
        self, name: str, after: int, until: int
    ) -> tuple[list[tuple[int, dict[str, Any]]], str | None]:
        """Rows after one number up to another, and why some of them cannot be told."""
        if after > until:
            return [], "journal_went_back"
        if until - after > _CATCH_UP_MAX:
            return [], "too_far_behind"
        found: list[tuple[int, dict[str, Any]]] = []
        gap = None
        at = after
        while at < until:
            try:
                rows = await self._desk[name].history(after_seq=at, limit=min(_PAGE, until - at))
            except HoldfastError:
                return found, "journal_unreadable"
            if not rows:
                break
            for row in rows:
                assert row.seq is not None
                if row.seq != at + 1:
                    gap = "journal_pruned"
                at = row.seq
                if at <= until:
                    found.append((at, {"broker": name, **journal_document(row)}))
        return found, gap

    def _standing(self, client: Client) -> Iterable[tuple[str, bytes]]:
        """How everything stands that a client is to hear of."""
        for name in self._desk.brokers:
            if client.wants(name):
                yield from self._levels_of(name)
                yield from self._balances_of(name, self._desk[name].balances())

    # Telling

    async def run(self) -> None:
        """Tell what moved, several times a second, until cancelled. Suspends for ever."""
        while True:
            began_s = self._clock.now_s()
            with contextlib.suppress(HoldfastError):  # A broker that is being reopened is asked again in a moment.
                await self._tell()
            took_s = self._clock.now_s() - began_s
            # However many accounts there are, half of the time at most is spent on telling of them.
            await asyncio.sleep(max(_SPACING_S - took_s, took_s))

    async def _tell(self) -> None:
        now_s = self._clock.now_s()
        if now_s - self._drawn_s >= (_SPACING_S if any(each.view == "page" for each in self._clients) else 1.0):
            self._drawn_s = now_s
            self._redraw()
        if not self._clients:
            self._moved.clear()
            self._stirred.clear()
            return
        is_read = any(each.view == "all" for each in self._clients)
        if is_read:
            moved, self._moved = self._moved, {}
            self._tell_moved(moved)
            stirred, self._stirred = self._stirred, set()
            for name in self._desk.brokers:
                if name in stirred or now_s - self._looked_s.get(name, float("-inf")) >= self._look_every_s():
                    self._looked_s[name] = now_s
                    self._tell_levels(name)
                    await self._tell_rows(name)
        if now_s - self._beat_s >= HEARTBEAT_S:
            self._beat_s = now_s
            line = self._heartbeat()
            for client in self._clients:
                # In order with the edges: its mark is theirs.
                client.put(line)

    def _look_every_s(self) -> float:
        return max(_LOOK_EVERY_S, len(self._desk.brokers) / 50)

    def _heartbeat(self) -> bytes:
        rows = Mark(epoch=self.epoch, number=self.number, rows=dict(self.rows))
        document = {"now_s": self._clock.now_s(), "wall_us": self._clock.wall_us(), "sequence": str(rows)}
        # Always with the mark, however long: where there are many brokers it is the only message that has it.
        return frame("heartbeat", self._encoder.encode(document), id_=str(rows))

    def _tell_moved(self, moved: Iterable[tuple[str, str]]) -> None:
        by_broker: dict[str, list[str]] = {}
        for name, asset in moved:
            by_broker.setdefault(name, []).append(asset)
        for name, assets in by_broker.items():
            if name not in self._desk.brokers:
                continue
            figures = self._desk[name].balances()
            chosen = {asset: figures[asset] for asset in assets if asset in figures}
            for key, line in self._balances_of(name, chosen):
                self._put_level(name, key, line)

    def _balances_of(self, name: str, figures: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
        now_s = self._clock.now_s()
        for asset, balance in figures.items():
            document = {"broker": name, "asset": asset, **balance_row(balance), "now_s": now_s}
            yield f"balance {name} {asset}", frame("balance", self._encoder.encode(document))

    def _levels_of(self, name: str) -> Iterable[tuple[str, bytes]]:
        broker = self._desk[name]
        yield f"status {name}", frame("status", self._encode(broker.status()))
        document = {"broker": name, "open": broker.open_orders(), "reservations": broker.reservations()}
        yield f"orders {name}", frame("orders", self._encode(document))

    def _tell_levels(self, name: str) -> None:
        for key, line in self._levels_of(name):
            if self._levels.get(key) != line:
                self._levels[key] = line
                self._put_level(name, key, line)

    def _put_level(self, broker: str, key: str, line: bytes) -> None:
        for client in self._clients:
            if client.view == "all" and client.wants(broker):
                client.put_level(key, line)

    # The journal

    async def _find_rows(self) -> None:
        """Where each broker's journal ends, for those of whom that is not known. Suspends."""
        for name in self._desk.brokers:
            if name not in self.rows:
                rows = await self._desk[name].history(limit=1, newest_first=True)
                self.rows.setdefault(name, rows[0].seq or 0 if rows else 0)

    async def _overtake(self, name: str) -> None:
        """Rows that came while nobody read: told as any, or where they are too many for that, left to the journal."""
        newest = await self._desk[name].history(limit=1, newest_first=True)
        seq = newest[0].seq or 0 if newest else 0
        if seq - self.rows[name] > _RING // 4:
            self._ring.clear()
            self.number += 1  # Whoever comes back is not in the ring any more, and reads the journal.
            self.rows[name] = seq
        else:
            await self._tell_rows(name)

    async def _tell_rows(self, name: str) -> None:
        if name not in self.rows:
            await self._find_rows()
        while self._desk[name].status().store.last_seq > self.rows[name]:
            rows = await self._desk[name].history(after_seq=self.rows[name], limit=_PAGE)
            for row in rows:
                assert row.seq is not None
                if row.seq <= self.rows[name]:
                    continue  # Told meanwhile: whoever joins reads the journal, too.
                self.rows[name] = row.seq
                self._edge("journal", name, {"broker": name, **journal_document(row)})
            if len(rows) < _PAGE:
                return

    # The page

    def _draw(self, client: Client, hello: dict[str, Any]) -> None:
        """The whole picture for a page that has none."""
        if self._scene is None:
            client.end("no_scene")
            return
        self._redraw()  # Everybody else has what this one is about to be shown.
        picture = self._scene.snapshot(role=hello["role"], jobs=hello["jobs"])
        client.put(frame("snapshot", encode_picture(picture)))
        client.put(self._heartbeat())

    def _redraw(self) -> None:
        if self._scene is None:
            return
        pages = [client for client in self._clients if client.view == "page"]
        if not pages:
            self._scene.record()
            return
        delta = self._scene.delta()
        if delta is not None:
            line = frame("delta", encode_picture(delta))
            for client in pages:
                client.put(line)

    def close(self, reason: str) -> None:
        """End every stream with *reason*."""
        for client in self._clients:
            client.end(reason)
