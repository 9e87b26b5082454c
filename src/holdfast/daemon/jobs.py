"""
Work that takes a while: one of a broker at a time, watched by everybody, and not ended by whoever stops watching.

A job's steps are what the broker itself says while it works (``repair.progressed``), so that the page, a terminal and
the journal tell the same. Jobs are remembered for as long as the process lives, the newest of them.
"""

from __future__ import annotations

import asyncio
import collections
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from holdfast.core.events import Event
from holdfast.core.seams import Clock
from holdfast.daemon.access import Principal
from holdfast.daemon.problems import RefusedError, problem_of
from holdfast.daemon.shapes import JobView
from holdfast.runtime.documents import document_of

__all__ = ["Job", "Jobs"]

_KEPT: Final = 100
_STEPS_MAX: Final = 500
_NAMED: Final = ("broker", "check")


class Job:
    """One piece of work; ``view`` is how it stands."""

    def __init__(self, *, kind: str, broker: str, asked_by: str, started_us: int) -> None:
        self.id = secrets.token_hex(8)
        self.kind = kind
        self.broker = broker
        self.asked_by = asked_by
        self.started_us = started_us
        self.ended_us: int | None = None
        self.state = "running"
        self.plan: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.sentence: str | None = None
        self.result: Any = None
        self.error: dict[str, Any] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def view(self) -> JobView:
        """How it stands, as a value."""
        return JobView(
            id=self.id,
            kind=self.kind,
            broker=self.broker,
            state=self.state,
            asked_by=self.asked_by,
            started_us=self.started_us,
            ended_us=self.ended_us,
            plan=list(self.plan),
            steps=list(self.steps),
            sentence=self.sentence,
            result=self.result,
            error=self.error,
        )

    def step(self, name: str, state: str, text: str) -> None:
        """One step has come so far; a later word on the same step replaces the earlier."""
        self.put({"name": name, "state": state, "text": text})

    def put(self, told: dict[str, Any]) -> None:
        """As ``step``, with whatever else there is to say of it."""
        if self.steps and self.steps[-1]["name"] == told["name"]:
            self.steps[-1] = told
        elif len(self.steps) < _STEPS_MAX:
            self.steps.append(told)


class Jobs:
    """
    Every job of this process.

    Args:
        clock: For their times.
        changed: Called with a job whenever it moved.
    """

    def __init__(self, clock: Clock, changed: Callable[[Job], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._jobs: collections.OrderedDict[str, Job] = collections.OrderedDict()

    def running(self, broker: str) -> Job | None:
        """The job of a broker that is under way, or None."""
        return next((job for job in self._jobs.values() if job.broker == broker and job.state == "running"), None)

    def all(self) -> list[Job]:
        """Those that are remembered, the newest first."""
        return list(reversed(self._jobs.values()))

    def named(self, id_: str) -> Job:
        """The job of that id; raises ``RefusedError`` (404) where none is remembered."""
        job = self._jobs.get(id_)
        if job is None:
            raise RefusedError(404, "unknown_job", "no such job is remembered")
        return job

    def last(self, kind: str, broker: str) -> Job | None:
        """The newest of a kind that a broker has done, or None."""
        found = (job for job in self.all() if job.kind == kind and job.broker == broker and job.state == "done")
        return next(found, None)

    def start(
        self,
        kind: str,
        broker: str,
        work: Callable[[Job], Awaitable[Any]],
        *,
        asked_by: Principal,
        sentence: Callable[[Any], str] | None = None,
    ) -> Job:
        """
        Begin a job; *work* is given it, to say its steps, and returns what it came to. Never suspends.

        Raises:
            RefusedError: Another one of this broker is under way; the message names it.
        """
        under_way = self.running(broker)
        if under_way is not None:
            raise RefusedError(
                409,
                "job_running",
                f"{under_way.kind} of {broker} is under way, asked for by {under_way.asked_by}: job {under_way.id}",
                hint=f"watch it: GET /v1/jobs/{under_way.id}",
            )
        job = Job(kind=kind, broker=broker, asked_by=asked_by.name, started_us=self._clock.wall_us())
        self._jobs[job.id] = job
        while len(self._jobs) > _KEPT:
            oldest = next((id_ for id_, each in self._jobs.items() if each.state != "running"), None)
            if oldest is None:
                break
            del self._jobs[oldest]
        job.task = asyncio.get_running_loop().create_task(
            self._run(job, work, sentence), name=f"holdfast job {kind} {broker}"
        )
        self._changed(job)
        return job

    async def _run(
        self, job: Job, work: Callable[[Job], Awaitable[Any]], sentence: Callable[[Any], str] | None
    ) -> None:
        try:
            found = await work(job)
            job.result = document_of(found)
            job.sentence = None if sentence is None else sentence(found)
            job.state = "done"
        except asyncio.CancelledError:
            # Asked for by a person or by the end of the process: what was begun is said, and nothing waits for it.
            job.state = "stopped"
        except Exception as error:
            job.state = "failed"
            problem = problem_of(error)
            job.error = document_of(problem)
            job.sentence = problem.message
            if problem.code == "bug":
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"job {job.kind} of {job.broker} failed", "exception": error}
                )
        finally:
            job.ended_us = self._clock.wall_us()
            job.task = None
            self._changed(job)

    def hear(self, event: Event) -> None:
        """Take in what a broker says of its work."""
        if event.name not in ("repair.progressed", "readiness.progressed"):
            return
        fields: Mapping[str, Any] = event.fields
        job = self.running(str(fields.get("broker")))
        if job is None:
            return
        if event.name == "readiness.progressed":
            told = {"name": fields.get("check"), **{name: fields[name] for name in fields if name not in _NAMED}}
            job.put(told)
        else:
            job.step(str(fields.get("step")), str(fields.get("state")), str(fields.get("text") or ""))
        self._changed(job)

    async def stop(self, job: Job) -> None:
        """End a job where it stands; what it did is done. Suspends until it has ended."""
        task = job.task
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """End every job. Suspends."""
        await asyncio.gather(*(self.stop(job) for job in self.all()))
