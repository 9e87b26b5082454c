"""
The table of everything that can be asked over HTTP.

One row says it all: method and path, who may, what goes in and what comes out. Requests are dispatched by it, the
OpenAPI document and the reference page are made from it, and the tests of who may ask what walk along it. Whatever is
not in it does not exist.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

import msgspec

from holdfast.daemon import acts, probes, reads, shapes
from holdfast.daemon.access import Role
from holdfast.daemon.api import Handler
from holdfast.runtime.closing import Closing
from holdfast.runtime.views import RefreshReport, ReservationView, ResetReport, StreamStatus

__all__ = ["ROUTES", "Match", "Route", "match", "route_named"]

_B: Final = "/v1/brokers/{broker}"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing that can be asked.

    ``role`` is None where nobody has to sign in. ``handler`` is None for what the server answers itself: streams, and
    what changes the protocol. ``reply`` is the type of a 200; ``kind`` is its content type where that is not JSON.
    ``acts`` is True where something is begun: none of that while the daemon ends.
    """

    method: str
    path: str
    name: str
    summary: str
    role: Role | None
    handler: Handler | None = None
    reply: Any = None
    query: type[shapes.Query] | None = None
    body: type[shapes.Body] | None = None
    kind: str = "application/json"
    acts: bool = False
    statuses: tuple[int, ...] = ()  # Besides 200 and those that any route may answer.


def _get(path: str, name: str, summary: str, handler: Handler | None, reply: Any, **more: Any) -> Route:
    more.setdefault("role", Role.READ)
    return Route(method="GET", path=path, name=name, summary=summary, handler=handler, reply=reply, **more)


def _post(path: str, name: str, summary: str, handler: Handler, reply: Any, role: Role | None, **more: Any) -> Route:
    more.setdefault("acts", True)
    return Route(method="POST", path=path, name=name, summary=summary, handler=handler, reply=reply, role=role, **more)


_JOB: Final = {"statuses": (409,)}

ROUTES: Final[tuple[Route, ...]] = (
    # Probes
    _get("/livez", "livez", "Whether the process runs.", probes.livez, shapes.Probe, role=None),
    _get(
        "/readyz",
        "readyz",
        "Whether every broker's figures may be acted on.",
        probes.readyz,
        shapes.Probe,
        role=None,
        statuses=(503,),
    ),
    _get(
        "/healthz",
        "healthz",
        "How well each broker is; reasons only with a token.",
        probes.healthz,
        shapes.Probe,
        role=None,
        statuses=(503,),
    ),
    _get(
        "/metrics",
        "metrics",
        "Prometheus's text; balances only with a token.",
        probes.metrics,
        str,
        role=None,
        kind="text/plain",
    ),
    # Signing in
    _post(
        "/v1/session",
        "open_session",
        "Trade a one-time code for a bearer.",
        acts.session,
        shapes.SessionReply,
        None,
        body=shapes.SessionBody,
        statuses=(401,),
    ),
    _post(
        "/v1/links",
        "make_link",
        "Make a one-time code.",
        acts.link,
        shapes.LinkReply,
        Role.OPERATE,
        body=shapes.LinkBody,
    ),
    _post(
        "/v1/reload",
        "reload",
        "Read configuration and keys again.",
        acts.reload,
        shapes.ReloadReply,
        Role.OPERATE,
        body=shapes.Body,
        statuses=(409,),
    ),
    # Everything at once
    _get("/v1/openapi.json", "openapi", "This document.", None, dict[str, Any]),
    _get("/v1/brokers", "list_brokers", "Every broker of this daemon.", reads.brokers, shapes.BrokersReply),
    _get("/v1/balances", "list_balances", "Every balance of every broker.", reads.all_balances, shapes.BalancesReply),
    _get(
        "/v1/events", "list_events", "What happened lately.", reads.events, shapes.EventsReply, query=shapes.EventsQuery
    ),
    _get(
        "/v1/snapshot", "snapshot", "Everything that the page shows.", reads.snapshot, dict[str, Any], statuses=(501,)
    ),
    _get(
        "/v1/stream",
        "stream",
        "What happens from now on, as server-sent events; resumes at Last-Event-ID.",
        None,
        str,
        query=shapes.StreamQuery,
        kind="text/event-stream",
    ),
    _get("/v1/jobs", "list_jobs", "Repairs, readiness runs and check-ups.", reads.jobs, shapes.JobsReply),
    _get("/v1/jobs/{job_id}", "get_job", "One job.", reads.job, shapes.JobView),
    _post(
        "/v1/jobs/{job_id}/stop",
        "stop_job",
        "End a job where it stands.",
        acts.stop_job,
        shapes.JobView,
        Role.OPERATE,
        body=shapes.Body,
    ),
    # Orders that name no broker
    _post(
        "/v1/route",
        "route_order",
        "Where an order would go now, and why not to each of the other brokers; places nothing.",
        acts.route,
        shapes.RoutingReply,
        Role.READ,
        body=shapes.RouteBody,
        acts=False,
        statuses=(409, 422, 501),
    ),
    _post(
        "/v1/orders",
        "place_routed_order",
        "Place an order where it would go, once; on to the next broker only where provably nothing came of it.",
        acts.place_routed,
        shapes.OrderReply,
        Role.TRADE,
        body=shapes.RoutedOrderBody,
        statuses=(409, 422, 501, 502, 504),
    ),
    _get(
        "/v1/orders/{intent_id}",
        "get_routed_order",
        "An order by its intent, at whichever broker it went to.",
        reads.routed_order,
        shapes.OrderReply,
        statuses=(409, 422, 501),
    ),
    # One broker
    _get(_B, "get_broker", "One broker.", reads.broker, shapes.BrokerRow),
    _get(f"{_B}/status", "get_status", "Everything a broker knows of its condition.", reads.status, shapes.StatusReply),
    _get(f"{_B}/health", "get_health", "Whether to bring orders here, and why not.", reads.health, shapes.HealthReply),
    _get(f"{_B}/balances", "get_balances", "A broker's balances.", reads.balances, shapes.BalancesReply),
    _get(
        f"{_B}/verify-balance",
        "verify_balance",
        "Whether an amount may be spent now.",
        reads.verify_balance,
        shapes.VerdictReply,
        query=shapes.VerifyAmountQuery,
    ),
    _get(
        f"{_B}/history",
        "get_history",
        "Rows of the journal.",
        reads.history,
        shapes.HistoryReply,
        query=shapes.HistoryQuery,
    ),
    _get(
        f"{_B}/balances/{{asset}}/explain",
        "explain",
        "Why a balance is what it is.",
        reads.explain,
        shapes.ExplainReply,
        query=shapes.ExplainQuery,
    ),
    _get(
        f"{_B}/timeline",
        "get_timeline",
        "An asset's past, for a chart.",
        reads.timeline,
        dict[str, Any],
        query=shapes.TimelineQuery,
        statuses=(501,),
    ),
    _get(f"{_B}/readiness", "get_readiness", "The last readiness run.", reads.last_readiness, dict[str, Any]),
    # Claims and orders
    _get(f"{_B}/reservations", "list_reservations", "Live claims.", reads.reservations, shapes.ReservationsReply),
    _get(f"{_B}/reservations/{{intent_id}}", "get_reservation", "One claim.", reads.reservation, ReservationView),
    _post(
        f"{_B}/reservations/{{intent_id}}/release",
        "release_reservation",
        "End a claim on which nothing was sent; one in doubt only with force.",
        acts.release,
        ReservationView,
        Role.TRADE,
        body=shapes.ReleaseBody,
        statuses=(409,),
    ),
    _get(
        f"{_B}/orders",
        "list_orders",
        "Our orders, the latest change first.",
        reads.orders,
        shapes.OrdersReply,
        query=shapes.ListQuery,
    ),
    _get(
        f"{_B}/open-orders",
        "list_open_orders",
        "Every open order of the account.",
        reads.open_orders,
        shapes.OrdersReply,
    ),
    _get(
        f"{_B}/orders/{{intent_id}}",
        "get_order",
        "The order of an intent.",
        reads.order,
        shapes.OrderReply,
        statuses=(409,),
    ),
    _post(
        f"{_B}/verify",
        "verify_order",
        "Judge an order; with reserve claim the money in the same step (role trade).",
        acts.verify,
        shapes.VerdictReply,
        Role.READ,
        body=shapes.VerifyBody,
        statuses=(409,),
    ),
    _post(
        f"{_B}/orders",
        "place_order",
        "Judge, claim, make durable, and send an order once; or only have the venue check it.",
        acts.place,
        shapes.OrderReply,
        Role.TRADE,
        body=shapes.OrderBody,
        statuses=(409, 422, 501, 502, 504),
    ),
    _post(
        f"{_B}/close-position",
        "close_position",
        "Sell at the market what is spendable of an instrument's base.",
        acts.close_position,
        Closing,
        Role.TRADE,
        body=shapes.CloseBody,
        statuses=(409, 422, 501, 502, 504),
    ),
    _post(
        f"{_B}/orders/{{order}}/cancel",
        "cancel_order",
        "Cancel an order, by any of its ids.",
        acts.cancel,
        shapes.OrderReply,
        Role.TRADE,
        body=shapes.Body,
        statuses=(409, 422, 501, 502, 504),
    ),
    _post(
        f"{_B}/cancel-all",
        "cancel_all_orders",
        "Cancel every open order of the account, or of one instrument; those of others too.",
        acts.cancel_all,
        shapes.OrdersReply,
        Role.TRADE,
        body=shapes.CancelAllBody,
        statuses=(409, 422, 501, 502, 504),
    ),
    # What a person asks for
    _post(
        f"{_B}/refresh",
        "refresh",
        "Read balances and open orders from the venue now.",
        acts.refresh,
        RefreshReport,
        Role.TRADE,
        body=shapes.TimeoutBody,
    ),
    _post(
        f"{_B}/reset",
        "reset_circuit_breaker",
        "Close every breaker, and read the account again.",
        acts.reset,
        ResetReport,
        Role.OPERATE,
        body=shapes.TimeoutBody,
    ),
    _post(
        f"{_B}/restart-stream",
        "restart_stream",
        "Drop the stream, connect anew and take fresh snapshots.",
        acts.restart_stream,
        StreamStatus,
        Role.OPERATE,
        body=shapes.TimeoutBody,
    ),
    _post(
        f"{_B}/isolate",
        "isolate",
        "Hold breakers open until they are reset.",
        acts.isolate,
        shapes.StatusReply,
        Role.OPERATE,
        body=shapes.IsolateBody,
    ),
    _post(
        f"{_B}/trading",
        "set_trading_state",
        "Halt, reduce or resume.",
        acts.trading,
        shapes.TradingReply,
        Role.OPERATE,
        body=shapes.TradingBody,
        statuses=(409,),
    ),
    _post(
        f"{_B}/repair",
        "repair",
        "Find out what is wrong and mend it, or say what would be done: a job.",
        acts.repair,
        shapes.JobView,
        Role.OPERATE,
        body=shapes.RepairBody,
        **_JOB,
    ),
    _post(
        f"{_B}/readiness",
        "measure_readiness",
        "Measure readiness: a job.",
        acts.readiness,
        shapes.JobView,
        Role.OPERATE,
        body=shapes.TimeoutBody,
        **_JOB,
    ),
    _post(
        f"{_B}/doctor",
        "examine",
        "Examine configuration, secrets, store, clock, venue and disk: a job.",
        acts.doctor,
        shapes.JobView,
        Role.OPERATE,
        body=shapes.Body,
        **_JOB,
    ),
    # The library's own interface, for holdfast.connect
    _get(
        f"{_B}/attach",
        "attach",
        "The protocol of attached processes, over a WebSocket: what holdfast.connect uses.",
        None,
        str,
        kind="application/octet-stream",
        statuses=(101, 426),
    ),
)
"""Everything there is."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What an address leads to: the routes by method, and the names in the path."""

    routes: dict[str, Route]
    path: dict[str, str]


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], dict[str, Route]], ...]:
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    return tuple(
        (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)) + r"\Z"), routes)
        for path, routes in by_path.items()
    )


def match(path: str) -> Match | None:
    """What *path*, decoded once, leads to; None where that is nothing."""
    for pattern, routes in _patterns():
        found = pattern.match(path)
        if found is not None:
            return Match(routes=routes, path=found.groupdict())
    return None


def route_named(name: str) -> Route:
    """The route of that name; raises ``KeyError``."""
    return next(route for route in ROUTES if route.name == name)
