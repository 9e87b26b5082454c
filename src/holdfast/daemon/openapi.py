"""The OpenAPI 3.1 document, made from the table of routes and the types they name."""

from __future__ import annotations

import functools
import re
from typing import Any, Final

import msgspec

import holdfast
from holdfast.daemon.access import Role
from holdfast.daemon.problems import ProblemReply
from holdfast.daemon.routes import ROUTES, Route

__all__ = ["document"]

_REFS: Final = "#/components/schemas/{name}"

_ANY: Final = {
    400: "The request is malformed, or a field is none.",
    401: "No bearer, or none that is known.",
    403: "The role does not allow it, or the request comes from another page.",
    404: "No such broker, order, claim, job or asset.",
    408: "The body did not come in time.",
    413: "The body is larger than 1 MiB.",
    415: "The body is no JSON.",
    421: "The request asks for another host.",
    429: "Too many requests: come again after `retry_after_s`.",
    500: "A bug of ours; the daemon's log has more.",
    503: "It cannot be done now: the daemon starts or ends, or a figure, breaker, store or venue is in the way.",
}

_OTHER: Final = {
    101: "The protocol changes to WebSocket.",
    409: "The state does not allow it: used before, halted, at the venue, or under way.",
    422: "Denied by a rule, for want of funds, or rejected by the venue.",
    426: "Ask for a WebSocket.",
    501: "The venue, or this build, offers nothing of the kind.",
    502: "The venue failed.",
    504: "The answer was lost: money stays reserved until there is evidence. Do not send it again.",
}


@functools.cache
def document() -> dict[str, Any]:
    """The whole document. Never suspends."""
    types = _types()
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFS)
    schema_of = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "holdfast",
            "version": holdfast.__version__,
            "description": "What can really be spent, how sure that is, and whether a venue is fit to trade on. Money "
            "is exact text in both directions; what is not known is null, never zero.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
        },
    }


def _types() -> tuple[Any, ...]:
    found: dict[int, Any] = {id(ProblemReply): ProblemReply, id(Role): Role}
    for route in ROUTES:
        for kind in (route.reply, route.query, route.body):
            if kind is not None:
                found[id(kind)] = kind
    return tuple(found.values())


def _operation(route: Route, schema_of: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", route.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 128}}
        for name in names
    ]
    if route.query is not None:
        schema = components[route.query.__name__]
        needed = schema.get("required", ())
        parameters += [
            {"name": name, "in": "query", "required": name in needed, "schema": _without_null(each)}
            for name, each in schema["properties"].items()
        ]
    if route.name == "stream":
        text = {"type": "string", "maxLength": 4096}
        parameters.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": text})
    answers: dict[str, Any] = {}
    if 101 not in route.statuses:
        schema = schema_of[id(route.reply)]
        answers["200"] = {"description": route.summary, "content": {route.kind: {"schema": schema}}}
    problem = {"application/json": {"schema": schema_of[id(ProblemReply)]}}
    known = {**_ANY, **_OTHER}
    if route.role is None and route.name != "open_session":
        left_out: tuple[int, ...] = (401, 404)
    else:
        left_out = ()
    for status in sorted({*_ANY, *route.statuses} - set(left_out)):
        answer: dict[str, Any] = {"description": known[status]}
        if status != 101:
            # A probe says how it is, also where that is not well.
            is_probe = status == 503 and route.reply is not None and route.role is None and route.kind != "text/plain"
            answer["content"] = (
                {"application/json": {"schema": schema_of[id(route.reply)]}}
                if is_probe and route.method == "GET"
                else problem
            )
        answers[str(status)] = answer
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": "Needs no token." if route.role is None else f"Needs the role {route.role.value}.",
        "parameters": parameters,
        "responses": answers,
    }
    if route.role is None:
        operation["security"] = [{}, {"bearer": []}]
    if route.body is not None:
        content = {"application/json": {"schema": schema_of[id(route.body)]}}
        needs_one = bool(components.get(route.body.__name__, {}).get("required"))
        operation["requestBody"] = {"required": needs_one, "content": content}
    return operation


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query's value is text: what may be left out is left out, and is not null."""
    choices = schema.get("anyOf")
    if choices is None:
        return schema
    left = [each for each in choices if each.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}
