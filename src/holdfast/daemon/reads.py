"""Handlers that change nothing: figures, conditions, orders, claims, the record."""

from __future__ import annotations

from typing import Any

from holdfast.core.events import Event
from holdfast.daemon.api import Api, Call, Raw
from holdfast.daemon.hub import encode_picture
from holdfast.daemon.problems import RefusedError
from holdfast.runtime.broker import Broker
from holdfast.runtime.documents import balance_row, journal_document
from holdfast.runtime.views import Order

__all__ = [
    "balances",
    "broker",
    "brokers",
    "events",
    "explain",
    "health",
    "history",
    "job",
    "jobs",
    "open_orders",
    "order",
    "orders",
    "reservation",
    "reservations",
    "routed_order",
    "snapshot",
    "status",
    "timeline",
    "verify_balance",
]


async def brokers(api: Api, call: Call) -> Any:
    desk = api.desk
    return {
        "version": api.version,
        "pid": api.pid,
        "host": api.host,
        "role": call.caller.role,
        "now_s": api.clock.now_s(),
        "wall_us": api.clock.wall_us(),
        "is_starting": desk is None,
        "brokers": [] if desk is None else [_row_of(each) for each in desk],
    }


def _row_of(broker: Broker) -> dict[str, Any]:
    status = broker.status()
    return {
        "name": broker.name,
        "venue": broker.venue,
        "environment": broker.environment,
        "health": status.health,
        "reasons": status.reasons,
        "is_available": status.is_available,
        "error_count": broker.get_error_count(),
        "trading_state": status.trading_state,
        "stream": status.stream.state,
        "states": status.states,
        "reservations": status.reservations,
        "in_doubt": status.in_doubt,
        "discrepancies": status.discrepancies,
    }


async def broker(api: Api, call: Call) -> Any:
    return _row_of(api.broker(call))


async def status(api: Api, call: Call) -> Any:
    return {"status": api.broker(call).status()}


async def health(api: Api, call: Call) -> Any:
    found = api.broker(call)
    status = found.status()
    return {
        "broker": found.name,
        "health": status.health,
        "reasons": status.reasons,
        "is_available": found.is_available(),
        "error_count": found.get_error_count(),
        "last_error": status.last_error,
        "trading_state": status.trading_state,
        "store": status.store,
    }


async def all_balances(api: Api, call: Call) -> Any:
    return _balances(list(api.open_desk()))


async def balances(api: Api, call: Call) -> Any:
    return _balances([api.broker(call)])


def _balances(brokers: list[Broker]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "brokers": {
            each.name: {
                "health": each.status().health,
                "balances": {asset: balance_row(balance) for asset, balance in each.balances().items()},
            }
            for each in brokers
        },
    }


async def verify_balance(api: Api, call: Call) -> Any:
    return verdict_reply(api.broker(call).verify_balance(call.query.asset, call.query.amount))


def verdict_reply(verdict: Any) -> dict[str, Any]:
    """A verdict as it is told over HTTP."""
    return {
        "is_approved": verdict.is_approved,
        "code": verdict.code.value,
        "line": verdict.arithmetic,
        "verdict": verdict.document(),
    }


async def reservations(api: Api, call: Call) -> Any:
    return {"reservations": api.broker(call).reservations()}


async def reservation(api: Api, call: Call) -> Any:
    return await api.broker(call).reservation(call.path["intent_id"])


async def orders(api: Api, call: Call) -> Any:
    return {"orders": await api.broker(call).orders(limit=call.query.limit)}


async def open_orders(api: Api, call: Call) -> Any:
    return {"orders": api.broker(call).open_orders()}


async def order(api: Api, call: Call) -> Any:
    found: Order = await api.broker(call).order(call.path["intent_id"])
    return {"order": found}


async def routed_order(api: Api, call: Call) -> Any:
    return {"order": await api.open_desk().order(call.path["intent_id"])}


async def history(api: Api, call: Call) -> Any:
    found, query = api.broker(call), call.query
    rows = await found.history(
        asset=query.asset,
        after_seq=query.after_seq,
        since_wall_us=query.since_us,
        limit=query.limit,
        newest_first=query.newest_first,
        kind=query.kind,
    )
    return {"broker": found.name, "rows": [journal_document(row) for row in rows]}


async def explain(api: Api, call: Call) -> Any:
    found = await api.broker(call).explain(call.path["asset"], limit=call.query.limit)
    return {
        "broker": found.broker,
        "balance": found.balance,
        "lines": found.lines,
        "rows": [journal_document(row) for row in found.rows],
    }


async def events(api: Api, call: Call) -> Any:
    hub, query = api.open_hub(), call.query
    found: list[tuple[int, Event]] = [
        each for each in hub.recent if query.broker is None or each[1].fields.get("broker") == query.broker
    ]
    return {
        "events": [
            {"name": event.name, "level": event.level, "at_us": at_us, "fields": event.fields}
            for at_us, event in reversed(found[-query.limit :])
        ]
    }


async def jobs(api: Api, call: Call) -> Any:
    return {"jobs": [each.view for each in api.jobs.all()]}


async def job(api: Api, call: Call) -> Any:
    return api.jobs.named(call.path["job_id"]).view


async def snapshot(api: Api, call: Call) -> Any:
    api.open_desk()
    if api.scene is None:
        raise RefusedError(501, "no_page", "this build has no page")
    picture = api.scene.snapshot(role=call.caller.role.value, jobs=[each.view for each in api.jobs.all()])
    return Raw(text=encode_picture(picture), content_type="application/json")


async def timeline(api: Api, call: Call) -> Any:
    found = api.broker(call)
    if api.scene is None:
        raise RefusedError(501, "no_page", "this build has no page")
    query = call.query
    timeline = await api.scene.timeline(found.name, query.asset, range_s=query.range_s, points=query.points)
    return Raw(text=encode_picture(timeline), content_type="application/json")


async def last_readiness(api: Api, call: Call) -> Any:
    found = api.broker(call)
    report = api.readiness.get(found.name)
    if report is None:
        raise RefusedError(
            404, "not_run", f"no readiness run of {found.name} is known", hint="POST /v1/brokers/{broker}/readiness"
        )
    return report
