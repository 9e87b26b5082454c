"""The reference pages of the daemon: its HTTP API, from the table of routes, and its metrics, as they are declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from holdfast.daemon.attaching import ROLES
from holdfast.daemon.metrics import METRICS
from holdfast.daemon.openapi import document
from holdfast.daemon.routes import ROUTES, Route
from holdfast.runtime.attach.values import CALLS

__all__ = ["api_page", "metrics_page"]

Table = Callable[[tuple[str, ...], Iterator[tuple[str, ...]]], str]

API_INTRODUCTION = """\
What `holdfast up --port N` answers, under `/v1`. [Use the HTTP API](../how-to/http-api.md) shows it at work,
[Security](../how-to/security.md) says what guards it. The same as a document for machines, OpenAPI 3.1, is at
`/v1/openapi.json`.

Money is exact text in both directions, what is not known is `null` and never zero, and a name that is not here is
refused, in a query and in a body. Say who you are with `Authorization: Bearer TOKEN`; each role may do what the one
before it may: `read`, `trade`, `operate`. Over the unix socket in the state folder a process of the same user needs
no token.

Every reply that is no answer has one shape: `{"error": {"code", "message", "hint", "retry_after_s", "outcome",
"field", "intent_id", "checks", "verdict", "routing"}}`. `code` is the class of the [error](errors.md) in small words;
what applies is set, the rest is `null`. A 504 with `outcome` `unknown` means that an order's answer was lost: it is
never sent again, and `GET …/orders/{intent_id}` tells its end.
"""

STREAM = """\
## The stream

`GET /v1/stream` answers with server-sent events; `data` is one JSON object each. `?broker=NAME` tells of one broker
alone, `?view=page` what the dashboard draws.

| event | says |
| --- | --- |
| `hello` | version, role, brokers and jobs; the first one |
| `balance` | one asset's figures as they stand: a later one replaces an earlier one, at most four a second each |
| `status`, `orders` | a broker's condition; its open orders and claims, likewise |
| `journal` | one row of a broker's journal, with its `seq`: each comes once, in order |
| `event` | something of the [catalogue](events.md) happened |
| `job` | a repair, a readiness run or a check-up moved |
| `heartbeat` | every 2 s, with the daemon's monotonic time; 5 s without any event mean that nobody is there |
| `lost` | events between another process of the daemon and this one are lost; the journal goes on without a gap |
| `gap` | something cannot be bridged: take a snapshot |
| `bye` | why the stream ends: `ending`, `slow_reader`, `revoked` |

Send the last `id` that was read as `Last-Event-ID`, and the stream goes on behind it: in this process with everything
that it remembers, after a restart with the rows of the journal that came in between, exactly once each. With more
than 64 brokers only `hello` and `heartbeat` carry an `id`; rows that come again are then known by `broker` and `seq`.
"""

METRICS_INTRODUCTION = """\
What `/metrics` tells Prometheus. Probes and metrics need no token; balances, floats for graphs and for nothing else,
are told only to whoever shows one of the role `read`. A value that is not known has no sample: unknown is not zero.
Labels are configured names and fixed words, so their number is bounded. `ops/prometheus/alerts.yml` has rules and
`ops/grafana/holdfast.json` a dashboard; a test holds both against this list.
"""


def _fields(kind: type[msgspec.Struct] | None) -> str:
    if kind is None:
        return ""
    found = []
    for field in msgspec.structs.fields(kind):
        found.append(f"`{field.name}`" if field.required else f"`[{field.name}]`")
    return ", ".join(found)


def api_page(*, table: Table, code: Callable[[str], str]) -> str:
    """Markdown of the API's reference."""

    def rows() -> Iterator[tuple[str, ...]]:
        for route in ROUTES:
            role = "anybody" if route.role is None else route.role.value
            yield code(f"{route.method} {route.path}"), role, route.summary, _fields(route.query), _fields(route.body)

    def answers(route: Route) -> str:
        responses: dict[str, Any] = document()["paths"][route.path][route.method.lower()]["responses"]
        return ", ".join(code(status) for status in responses)

    def calls() -> Iterator[tuple[str, ...]]:
        for name in sorted(CALLS):
            note = {"verify": "`trade` with a claim", "release": "`operate` with force"}.get(name, "")
            yield code(name), ROLES[name].value if name in ROLES else "operate", note

    parts = [
        "# HTTP API\n",
        API_INTRODUCTION,
        "## What can be asked\n",
        "Names in brackets may be left out.\n",
        table(("address", "role", "does", "query", "body"), rows()),
        STREAM,
        "## What may be answered\n",
        table(("address", "statuses"), ((code(f"{r.method} {r.path}"), answers(r)) for r in ROUTES)),
        "## Calls of `holdfast.connect`\n",
        "Over `GET /v1/brokers/{broker}/attach` the library speaks its own protocol; each call needs a role.\n",
        table(("call", "role", "but"), calls()),
    ]
    return "\n".join(parts)


def metrics_page(*, table: Table, code: Callable[[str], str]) -> str:
    """Markdown of the metrics' reference."""

    def rows() -> Iterator[tuple[str, ...]]:
        for name, metric in METRICS.items():
            labels = ", ".join(map(code, metric.labels))
            yield code(name), metric.kind, metric.meaning, labels, "`read`" if metric.needs_token else ""

    heads = ("metric", "kind", "says", "labels", "token")
    return "\n".join(["# Metrics\n", METRICS_INTRODUCTION, table(heads, rows())])
