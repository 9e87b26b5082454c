"""
The admin API of a served simulator, without its sockets: what is true, what was asked, what shall go wrong or happen.

It commands a venue that holds no real money, yet it listens on a port of a developer's machine: a web page there must
not be able to use it. Hence the exact Host, and JSON as the only content type for commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec

from holdfast.simulators.core.front import Front
from holdfast.simulators.core.plans import PlanningVenue
from holdfast.simulators.core.seam import SimReply, SimRequest, SimulatedVenue

__all__ = ["PREFIX", "Admin"]

PREFIX = "/admin"

_METHODS = {
    "truth": ("GET",),
    "orders": ("GET",),
    "journal": ("GET",),
    "faults": ("GET", "POST"),
    "events": ("POST",),
    "plan": ("GET", "POST"),
}


class Admin:
    """
    Answers everything below ``/admin``.

    Args:
        front: The front whose venue, journal and plan are commanded.
        hosts: The only ``Host`` values accepted, in lower case.
    """

    def __init__(self, front: Front, *, hosts: frozenset[str]) -> None:
        self._front = front
        self._hosts = hosts

    def answer(self, request: SimRequest) -> SimReply:
        """Answer one request: always JSON; ``{"error": text}`` where it is refused. Never raises."""
        try:
            return self._reply(200, self._do(request))
        except _RefusedError as refused:
            return self._reply(refused.status, {"error": str(refused)}, refused.headers)

    def _reply(self, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> SimReply:
        content = {"content-type": "application/json", "cache-control": "no-store", **(headers or {})}
        return SimReply(status=status, headers=content, body=msgspec.json.encode(document))

    def _do(self, request: SimRequest) -> Mapping[str, Any]:
        if request.headers.get("host", "").lower() not in self._hosts:
            raise _RefusedError(403, "this Host is not the simulator's own address")
        name = request.path[len(PREFIX) :].strip("/")
        methods = _METHODS.get(name)
        if methods is None:
            raise _RefusedError(404, f"no such page; there are {', '.join(f'{PREFIX}/{page}' for page in _METHODS)}")
        if request.method not in methods:
            text = f"{PREFIX}/{name} takes {' or '.join(methods)}"
            raise _RefusedError(405, text, {"allow": ", ".join(methods)})
        if request.method == "POST":
            return self._command(name, _document(request))
        if name == "truth":
            return self._front.venue.truth()
        if name == "orders":
            return self._front.venue.orders()
        if name == "faults":
            return {"rules": self._front.plan.in_force()}
        if name == "plan":
            return {"rows": list(_planner(self._front.venue).plan_rows)}
        return self._journal(request.query)

    def _journal(self, query: str) -> Mapping[str, Any]:
        given = parse_qs(query, keep_blank_values=True)
        unknown = given.keys() - {"since", "text"}
        if unknown:
            raise _RefusedError(400, f"unknown parameter {sorted(unknown)[0]!r}; the journal takes since and text")
        since = given.get("since", ["0"])[-1]
        if not (since.isascii() and since.isdecimal() and len(since) < 16):
            raise _RefusedError(400, f"since is the next of an earlier answer, a whole number; not {since!r}")
        text = given.get("text", ["0"])[-1]
        if text not in ("0", "1"):
            raise _RefusedError(400, f"text is 0 or 1; not {text!r}")
        return self._front.journal.since(int(since), with_text=text == "1")

    def _command(self, name: str, document: object) -> Mapping[str, Any]:
        try:
            if name == "faults":
                return self._front.plan.apply(document)
            if name == "plan":
                return self._act_out(document)
            if not isinstance(document, dict):
                raise ValueError("an event is an object")
            return self._front.venue.happen(document)
        except ValueError as wrong:
            raise _RefusedError(400, str(wrong)) from None

    def _act_out(self, document: object) -> Mapping[str, Any]:
        """Give every command of one row's plan, in order."""
        try:
            asked = msgspec.convert(document, _Row)
        except msgspec.ValidationError as wrong:
            raise ValueError(f'expected {{"row": "W5", "seed": 7}}: {wrong}') from None
        plan = _planner(self._front.venue).plan_of(asked.row, seed=asked.seed)
        for command in plan.commands:
            if command.to == "faults":
                self._front.plan.add(command.body)
            else:
                self._front.venue.happen(command.body)
        given: dict[str, Any] = msgspec.to_builtins(plan)
        return {**given, "rules": len(self._front.plan.in_force())}


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    row: str
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def _planner(venue: SimulatedVenue) -> PlanningVenue:
    if not isinstance(venue, PlanningVenue):
        raise _RefusedError(404, f"the simulated {venue.id} has no plans by row; give its rules to {PREFIX}/faults")
    return venue


class _RefusedError(Exception):
    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


def _document(request: SimRequest) -> object:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise _RefusedError(415, "commands are JSON: set content-type to application/json")
    try:
        return msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise _RefusedError(400, f"the body is not JSON: {wrong}") from None
