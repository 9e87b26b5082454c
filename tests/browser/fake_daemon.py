"""
A daemon for browser tests: the real page, the real scene, and brokers that say whatever a test sets.

It runs in a thread with its own loop. ``python -m tests.browser.fake_daemon`` serves it for a person to look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from holdfast.daemon.scene import Scene
from holdfast.daemon.snapshot import Readiness
from tests.daemon.desks import Clock, FakeDesk, pictured, scene_of

PAGE = Path(__file__).resolve().parents[2] / "src" / "holdfast" / "daemon" / "page"
CODE = "let-me-in"
TOKEN = "bearer-of-the-test"
CSP = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
    "connect-src 'self'"
)
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PLAN = (
    ("clock", None, "well", "offset +84 ms", "within 1 s: nothing to do"),
    ("credential", None, "well", "in use: read, trade; no withdraw", "nothing to do"),
    ("nonces", None, "well", "this venue checks a timestamp", "nothing to do"),
    ("breaker", "close_breakers", "planned", "read and trade half-open", "close them"),
    ("stream", "reconnect_stream", "planned", "down: venue not reachable", "drop it and connect anew, fresh snapshots"),
    ("refresh", "refresh", "planned", "6 figures stale", "read balances and open orders, up to 3 attempts"),
    ("reconcile", "reconcile", "planned", "1 order in doubt", "ask what became of it"),
    ("report", None, "well", "", "audit record: who, what, before, after"),
)


def condition(*, is_well: bool) -> dict[str, Any]:
    """A broker's condition, before or after."""
    return {
        "health": "healthy" if is_well else "down",
        "reasons": [] if is_well else ["balances_stale", "reads_failing"],
        "is_available": is_well,
        "error_count": 0 if is_well else 3,
        "last_error": None if is_well else "HTTP 503",
        "breakers": dict.fromkeys(("read", "trade", "stream"), "closed" if is_well else "half_open"),
        "stream": "live" if is_well else "down",
        "parked_cause": None,
        "parked_for_s": None,
        "halted_reason": None,
        "store_reason": None,
        "states": {"live": 6 if is_well else 0, "fresh": 0, "stale": 0 if is_well else 6},
        "suspects": [],
        "discrepancies": 0,
        "in_doubt": 0 if is_well else 1,
        "clock_offset_s": 0.084,
    }


def steps(*, is_applied: bool) -> list[dict[str, Any]]:
    """The steps of a repair, planned or done."""
    return [
        {
            "name": name,
            "act": act,
            "outcome": "done" if is_applied and act else outcome,
            "found": found,
            "says": says if not is_applied or not act else "done",
            "for_person": [],
        }
        for name, act, outcome, found, says in PLAN
    ]


CATEGORIES = (
    ("credentials", 10, 1),
    ("connection", 20, 0),
    ("balance", 15, 0),
    ("health_monitoring", 10, 0),
    ("market_data", 15, 0),
    ("symbols", 10, 0),
    ("positions", 10, 0),
    ("trade_capability", 10, 0),
    ("live_account_stream", 10, 0),
)
LOST = {"balance": 2, "live_account_stream": 9}


def report_of(broker: str) -> dict[str, Any]:
    """A readiness report with points earned, lost and exempt."""
    categories = []
    for name, worth, exempt in CATEGORIES:
        lost = LOST.get(name, 0)

        def check(kind: str, result: str, points: int, most: int, of: str = name) -> dict[str, Any]:
            fix = "Restart the stream; if it stays silent: holdfast emergency-repair." if result == "lost" else ""
            return {
                "name": f"{of}.{kind}",
                "title": f"{of.replace('_', ' ').capitalize()}: {kind}",
                "result": result,
                "points": points,
                "max_points": most,
                "worth": most or 1,
                "evidence": f"{kind} was observed at 03:08:21, 212 ms.",
                "how_to_fix": fix,
                "follows": None,
                "duration_s": 0.212,
            }

        checks = [check("first", "earned", worth - exempt - lost - 0, worth - exempt - lost)]
        if lost:
            checks.append(check("second", "lost", 0, lost))
        if exempt:
            checks.append(check("expiry", "exempt", 0, 0))
        categories.append(
            {
                "name": name,
                "points": worth - exempt - lost,
                "max_points": worth - exempt,
                "worth": worth,
                "checks": checks,
            }
        )
    return {
        "schema_version": 1,
        "broker": broker,
        "venue": "kraken",
        "environment": "simulated",
        "started_us": 1_795_144_318_000_000,
        "took_s": 41.0,
        "score": 98,
        "max_score": 109,
        "heading": "NOT A GO-LIVE PROOF: measured at a simulator",
        "warnings": [],
        "account": "AA31…9F",
        "version": "0.1.0",
        "record": None,
        "is_ready": False,
        "comparison": {"started_us": 1_795_122_240_000_000, "points": 109, "max_points": 109, "moved": []},
        "categories": categories,
    }


class FakeDaemon:
    """
    One served page.

    Attributes:
        address: Of the page, with the one-time code.
        desk, clock: What the page shows; change them through ``do``.
        asked: Every act that was asked for, as ``METHOD path`` with its body.
    """

    def __init__(self, *, role: str = "operate", desk: Callable[[Clock], FakeDesk] = pictured) -> None:
        self.role = role
        self.clock = Clock()
        self.desk = desk(self.clock)
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.is_mute = False
        self.renews = True
        self.dresses = True
        self.refuses = False
        self.step_s = 0.15
        self.version = "0.1.0"
        self._jobs: dict[str, dict[str, Any]] = {}
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._readiness = {
            "kraken-alice": Readiness(points=98, max_points=109, is_ready=False, at_us=self.clock.wall_us())
        }
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        if not self._ready.wait(20):
            raise RuntimeError("the fake daemon did not start")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/#code={CODE}"

    def at(self, path: str) -> str:
        """The address of another page."""
        return f"http://127.0.0.1:{self.port}{path}#code={CODE}"

    def do(self, act: Callable[[], Any]) -> Any:
        """Run *act* in the daemon's loop; what it changed is told within a quarter of a second."""

        async def run() -> Any:
            return act()

        return self._in_loop(run()).result(20)

    def _in_loop(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def end_streams(self) -> None:
        """Close every open stream, as a daemon that dies does."""

        def end() -> None:
            for queue in tuple(self._queues):
                queue.put_nowait(None)

        self.do(end)

    def say(self, kind: str, document: Any) -> None:
        """Send one event to every page."""
        line = f"event: {kind}\ndata: {msgspec.json.encode(document).decode()}\n\n".encode()
        for queue in tuple(self._queues):
            queue.put_nowait(line)

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    # The server

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self.scene: Scene = scene_of(self.desk, self.clock, version=self.version, readiness=self._readiness.get)
        self._remember()
        app = web.Application()
        app.router.add_post("/v1/session", self._session)
        app.router.add_get("/v1/stream", self._stream)
        app.router.add_route("*", "/v1/{path:.*}", self._api)
        app.router.add_get("/{path:.*}", self._static)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        ticking = asyncio.create_task(self._tick())
        self._ready.set()
        await self._over.wait()
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        await runner.cleanup()

    async def _tick(self) -> None:
        began = time.monotonic()
        started = self.clock.seconds
        beats = 0
        while True:
            await asyncio.sleep(0.25)
            if beats % 4 == 0 and self.renews:
                self._renew()
            self.clock.seconds = max(self.clock.seconds, started + time.monotonic() - began)
            if not self.is_mute:
                delta = self.scene.delta() if self._queues else None
                if delta is not None:
                    self.say("delta", delta)
                beats += 1
                if beats % 8 == 0:
                    self.say("heartbeat", {"now_s": self.clock.seconds, "sequence": self.scene.sequence, "wall_us": 0})

    def _renew(self) -> None:
        """What lives is heard of again: its ages begin anew."""
        for broker in self.desk.brokers.values():
            status = broker.status()
            kept = [each for each in broker.balances().values() if each.is_fit_to_approve]
            renewed = [msgspec.structs.replace(each, age_s=0.4 if each.state.value == "live" else 3.2) for each in kept]
            if status.stream.state == "live":
                stream = msgspec.structs.replace(status.stream, last_frame_age_s=0.4)
                status = msgspec.structs.replace(status, stream=stream)
            broker.set(status=status, balances=renewed)

    def _remember(self) -> None:
        """A day that this daemon has seen: breakers that opened and closed again."""
        now_s = self.clock.now_s()
        spans = {
            "kraken-alice": (("closed", 24.0), ("open", 14.2), ("half_open", 13.6), ("closed", 13.4)),
            "okx-main": (("closed", 24.0), ("open", 20.6), ("half_open", 20.4), ("closed", 20.3), ("open", 0.6),
                         ("half_open", 0.3)),
        }  # fmt: skip
        for broker in self.desk.brokers:
            for state, hours in spans.get(broker, (("closed", 24.0),)):
                self.scene.chronicle.enter(broker, "breaker", state, now_s=now_s - hours * 3600)

    async def _session(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("code") != CODE:
            return self._json({"error": {"code": "unauthorized", "message": "the code is over"}}, 401)
        return self._json({"token": TOKEN, "role": self.role, "expires_in_s": 3600})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            raise web.HTTPServiceUnavailable
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._json({"error": {"code": "unauthorized", "message": "no"}}, 401)
        reply = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-store"})
        await reply.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        snapshot = self.scene.snapshot(role=self.role)
        document = {**msgspec.to_builtins(snapshot), "jobs": list(self._jobs.values())}
        queue.put_nowait(f"event: snapshot\ndata: {msgspec.json.encode(document).decode()}\n\n".encode())
        self._queues.add(queue)
        try:
            while (line := await queue.get()) is not None:
                await reply.write(line)
        finally:
            self._queues.discard(queue)
        return reply

    async def _api(self, request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._json({"error": {"code": "unauthorized", "message": "no"}}, 401)
        path = "/" + request.match_info["path"]
        body = await request.json() if request.method == "POST" else None
        if request.method == "POST":
            self.asked.append((path, body))
        for pattern, (status, document) in self.answers.items():
            if pattern in f"{request.method} {path}":
                return self._json(document, status)
        return await self._answer(request, path, body)

    async def _answer(self, request: web.Request, path: str, body: Any) -> web.Response:
        parts = path.strip("/").split("/")
        broker = parts[1] if parts[0] == "brokers" and len(parts) > 1 else ""
        what = parts[2] if len(parts) > 2 else ""
        if parts[0] == "jobs":
            job = self._jobs[parts[1]]
            if len(parts) > 2:
                job |= {"state": "stopped", "ended_us": self.clock.wall_us()}
                self.say("job", job)
            return self._json(job)
        if what == "timeline":
            told = await self.scene.timeline(
                broker, request.query["asset"], range_s=float(request.query["range_s"]), points=600
            )
            plain = msgspec.to_builtins(told)
            return self._json(self._dressed(plain) if self.dresses else plain)
        if what == "balances":
            return self._json(
                {
                    "broker": broker,
                    "lines": [f"{parts[3]} at {broker} is fresh, 3.2 s old.", "The last change was a fill."],
                    "rows": [
                        {"seq": 7, "wall_us": self.clock.wall_us(), "kind": "delta", "asset": parts[3],
                         "total": "7231.21", "cause": {"kind": "trade", "ref": "TX1"}}
                    ],
                }
            )  # fmt: skip
        if what == "orders":
            return self._json(
                {"order": {"side": "sell", "order_type": "limit", "quantity": "0.05", "quote_quantity": None,
                           "limit_price": "61000", "state": "in_doubt", "filled": "0", "detail": "read timeout",
                           "created_us": self.clock.wall_us()}}
            )  # fmt: skip
        if what == "history":
            return self._json(
                {
                    "rows": [
                        {"seq": 9, "wall_us": self.clock.wall_us(), "cause": {"ours": "5120.84", "theirs": "5120.42"}}
                    ]
                }
            )
        if what == "readiness" and request.method == "GET":
            if broker == "okx-sub":
                return self._json({"error": {"code": "not_run", "message": "no readiness run is known"}}, 404)
            return self._json(report_of(broker))
        if what in ("repair", "readiness"):
            kind = "readiness" if what == "readiness" else "repair_plan" if body["dry_run"] else "repair"
            return self._json(self._start(kind, broker), 202)
        if what == "refresh":
            await asyncio.sleep(0.1)
            return self._json({"broker": broker, "took_s": 0.4, "changed": ["USD"], "suspects": [], "error": None})
        if what == "restart-stream":
            return self._json({"broker": broker, "took_s": 1.2, "state": "live", "error": None})
        if what == "reset":
            refresh = {"took_s": 0.4, "changed": [], "suspects": [], "error": None}
            return self._json({"broker": broker, "before": [], "after": [], "refresh": refresh})
        if what == "reservations":
            return self._json({"state": "released"})
        return self._json({"error": {"code": "unknown", "message": f"no such path: {path}"}}, 404)

    def _dressed(self, told: dict[str, Any]) -> dict[str, Any]:
        """A past with everything in it that a chart has to tell apart: steps, a stale stretch, no record."""
        now_s, since_s = told["now_s"], told["since_s"]
        span_s = now_s - since_s
        marks = (0.0, 0.13, 0.26, 0.385, 0.5, 0.6, 0.665, 0.7, 0.8, 0.91, 0.985)
        totals = ("7480", "7210", "7410", "7410", "7420", None, None, "7650", "7430", "7430", "7231.21")
        spendable = ("6900", "6520", "6980", "6980", "6970", None, None, "7120", "6830", "6830", "6410.37")
        states = ("live", "live", "live", "stale", "live", None, None, "live", "live", "fresh", "fresh")
        told["steps"] = [
            {"at_s": since_s + part * span_s, "total": total, "held": "400" if total else None,
             "reserved": "420.84" if total else None, "spendable": free, "state": state}
            for part, total, free, state in zip(marks, totals, spendable, states, strict=True)
        ]  # fmt: skip

        def at(part: float) -> float:
            return float(since_s + part * span_s)

        told["stream"] = [
            {"state": "live", "start_s": at(0), "end_s": at(0.37)},
            {"state": "down", "start_s": at(0.37), "end_s": at(0.49)},
            {"state": "live", "start_s": at(0.49), "end_s": at(0.6)},
            {"state": "live", "start_s": at(0.67), "end_s": at(0.92)},
            {"state": "degraded", "start_s": at(0.92), "end_s": None},
        ]
        told["breaker"] = [
            {"state": "closed", "start_s": at(0), "end_s": at(0.39)},
            {"state": "open", "start_s": at(0.39), "end_s": at(0.47)},
            {"state": "half_open", "start_s": at(0.47), "end_s": at(0.5)},
            {"state": "closed", "start_s": at(0.5), "end_s": at(0.6)},
            {"state": "closed", "start_s": at(0.67), "end_s": None},
        ]
        return told

    def _start(self, kind: str, broker: str) -> dict[str, Any]:
        id_ = f"job{len(self._jobs) + 1}"
        job: dict[str, Any] = {
            "id": id_,
            "kind": kind,
            "broker": broker,
            "state": "running",
            "asked_by": "desk-1",
            "started_us": self.clock.wall_us(),
            "ended_us": None,
            "plan": [],
            "steps": [],
            "sentence": None,
            "result": None,
            "error": None,
        }
        self._jobs[id_] = job
        self._loop.create_task(self._work(job))
        return dict(job)

    async def _work(self, job: dict[str, Any]) -> None:
        if job["kind"] == "repair_plan":
            await asyncio.sleep(0.1)
            job["result"] = {"steps": steps(is_applied=False), "before": condition(is_well=False),
                             "after": condition(is_well=False), "left": [], "took_s": 0.1, "record": None}  # fmt: skip
        elif job["kind"] == "repair":
            for name, *_ in PLAN:
                job["steps"] = [*job["steps"], {"name": name, "state": "begun", "text": "attempt 1 of 3…"}]
                self.say("job", job)
                await asyncio.sleep(self.step_s)
                if job["state"] != "running":
                    return
                job["steps"] = [*job["steps"][:-1], {"name": name, "state": "done", "text": "done"}]
            job["result"] = {"steps": steps(is_applied=True), "before": condition(is_well=False),
                             "after": condition(is_well=True), "left": [], "took_s": 4.2, "record": None}  # fmt: skip
            job["sentence"] = "Repaired."
        else:
            for name, worth, _ in CATEGORIES:
                job["steps"] = [
                    *job["steps"],
                    {
                        "name": f"{name}.first",
                        "state": "earned",
                        "text": "observed",
                        "points": worth,
                        "max_points": worth,
                    },
                ]
                self.say("job", job)
                await asyncio.sleep(self.step_s)
            job["sentence"] = f"{job['broker']} is not ready: 98 of 109."
        job |= {"state": "done", "ended_us": self.clock.wall_us()}
        self.say("job", job)

    async def _static(self, request: web.Request) -> web.Response:
        path = request.path
        file = PAGE / path.removeprefix("/") if path.startswith("/assets/") else PAGE / "index.html"
        if not file.is_file():
            raise web.HTTPNotFound
        return web.Response(
            body=file.read_bytes(),
            content_type=TYPES[file.suffix],
            charset="utf-8" if file.suffix != ".svg" else None,
            headers={"content-security-policy": CSP, "x-content-type-options": "nosniff"},
        )

    def _json(self, document: Any, status: int = 200) -> web.Response:
        return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


if __name__ == "__main__":
    served = FakeDaemon()
    print(served.address, flush=True)
    threading.Event().wait()
