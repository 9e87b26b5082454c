"""
What every handler is given: the desk where it is open, who asks, and what was checked of the request.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

import holdfast
from holdfast.core.seams import Clock
from holdfast.daemon.access import Access, Principal, Role
from holdfast.daemon.hub import Hub
from holdfast.daemon.jobs import Jobs
from holdfast.daemon.metrics import Meters
from holdfast.daemon.problems import RefusedError
from holdfast.daemon.scene import Scene
from holdfast.daemon.snapshot import Readiness
from holdfast.errors import UnknownNameError

if TYPE_CHECKING:
    from holdfast.daemon.shapes import ReloadReply
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk

__all__ = ["Api", "Call", "Handler", "Raw"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """
    One request, checked: ``path`` has the names in the address, ``query`` and ``body`` what the route says.

    ``who`` is None where nobody signed in, which only public routes allow. ``address`` is the other end's.
    """

    path: Mapping[str, str]
    query: Any
    body: Any
    who: Principal | None
    address: str
    is_local: bool  # Over the unix socket, from a process of the same user.

    @property
    def caller(self) -> Principal:
        """Who signed in; a route with a role never comes here without."""
        assert self.who is not None
        return self.who

    def needs(self, role: Role, what: str) -> None:
        """Refuse unless whoever asks has *role*; for what a body, not a route, decides."""
        if not self.caller.role.allows(role):
            raise RefusedError(
                403, "role_missing", f"{what} needs the {role.value} role; yours is {self.caller.role.value}"
            )


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that is no JSON of ours: text of a kind."""

    text: bytes
    content_type: str
    status: int = 200


class Api:
    """
    One daemon, as its handlers see it.

    Attributes:
        desk: None until the brokers are open, and again once they are closed.
        trouble: Why the brokers could not be opened, or None.
        is_draining: True once it was told to end: no new act is begun.
        url: Where a browser finds the page; None where no port is served.
        reload: Reads configuration and keys again; set by whoever runs the daemon.
        readiness: What the last readiness run of a broker came to, by its name.
    """

    def __init__(self, *, access: Access, clock: Clock, configured: tuple[str, ...]) -> None:
        self.access = access
        self.clock = clock
        self.configured = configured
        self.desk: Desk | None = None
        self.hub: Hub | None = None
        self.scene: Scene | None = None
        self.trouble: str | None = None
        self.is_draining = False
        self.url: str | None = None
        self.version = holdfast.__version__
        self.pid = os.getpid()
        self.host = socket.gethostname()
        self.started_s = clock.now_s()
        self.jobs = Jobs(clock, self._job_changed)
        self.meters = Meters(clock)
        self.reload: Callable[[], Awaitable[ReloadReply]] | None = None
        self.readiness: dict[str, Any] = {}
        self.closing: list[Callable[[], Awaitable[object]]] = []
        self._closers: list[Any] = []

    def _job_changed(self, job: Any) -> None:
        if self.hub is not None:
            self.hub.hear_job(job)

    def _last_readiness(self, broker: str) -> Readiness | None:
        report = self.readiness.get(broker)
        if report is None:
            return None
        return Readiness(
            points=report["score"],
            max_points=report["max_score"],
            is_ready=report["is_ready"],
            at_us=report["started_us"],
        )

    def begin(self, desk: Desk) -> None:
        """The brokers are open: from now on they are served. Never suspends."""
        ages = [each.reading.max_age_s for each in desk.config.brokers.values()]
        self.scene = Scene(
            desk,
            now_s=self.clock.now_s,
            wall_us=self.clock.wall_us,
            version=self.version,
            instance=secrets.token_hex(8),
            max_age_s=max(ages, default=30.0),
            readiness=self._last_readiness,
        )
        self.hub = Hub(desk, self.clock, scene=self.scene)
        self._closers = [
            desk.subscribe(self.hub.hear_change),
            desk.on_event(self.hub.hear_event),
            desk.on_event(self.jobs.hear),
            desk.on_event(self.meters.hear),
        ]
        self.desk = desk

    async def end(self, reason: str) -> None:
        """Serve the brokers no more: jobs end, streams are told. Suspends."""
        self.is_draining = True
        await self.jobs.close()
        if self.hub is not None:
            self.hub.close(reason)
        self.desk = None
        for close in self.closing:
            await close()
        self.closing.clear()
        for each in self._closers:
            each.close()
        if self.scene is not None:
            self.scene.close()

    def open_desk(self) -> Desk:
        """The desk; raises ``RefusedError`` (503) while there is none."""
        if self.desk is None:
            if self.trouble is not None:
                raise RefusedError(503, "not_open", f"the brokers could not be opened: {self.trouble}")
            word = "ending" if self.is_draining else "starting"
            raise RefusedError(503, word, f"the daemon is {word}: its brokers are not open", retry_after_s=1.0)
        return self.desk

    def broker(self, call: Call) -> Broker:
        """The broker that the address names; raises ``RefusedError`` or ``UnknownNameError`` (404)."""
        desk = self.open_desk()
        name = call.path["broker"]
        if name not in desk:
            raise UnknownNameError(f"no broker {name[:80]!a}: there are {', '.join(desk.brokers)}")
        return desk[name]

    def open_hub(self) -> Hub:
        """The hub; raises as ``open_desk``."""
        self.open_desk()
        assert self.hub is not None
        return self.hub


Handler = Callable[[Api, Call], Awaitable[Any]]
