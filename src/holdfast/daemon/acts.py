"""Handlers that do something: orders and claims for bots, breakers and trading states and repairs for people."""

from __future__ import annotations

from typing import Any

from holdfast.core.readiness import document_of as readiness_document
from holdfast.core.verdicts import Verdict, VerdictCode
from holdfast.daemon.access import CODE_S, Role
from holdfast.daemon.api import Api, Call
from holdfast.daemon.jobs import Job
from holdfast.daemon.problems import RefusedError
from holdfast.daemon.reads import verdict_reply

__all__ = [
    "cancel",
    "cancel_all",
    "close_position",
    "doctor",
    "isolate",
    "link",
    "place",
    "place_routed",
    "readiness",
    "refresh",
    "release",
    "reload",
    "repair",
    "reset",
    "restart_stream",
    "route",
    "session",
    "stop_job",
    "trading",
    "verify",
]


# Orders and claims


async def verify(api: Api, call: Call) -> Any:
    body = call.body
    if body.reserve:
        call.needs(Role.TRADE, "claiming money")
        if body.intent_id is None:
            raise RefusedError(
                400, "bad_request", "a claim has an intent_id: with it its end can be asked", field="intent_id"
            )
    verdict = await api.broker(call).verify_balance_before_order(
        body.symbol,
        body.side,
        body.quantity,
        quote_quantity=body.quote_quantity,
        order_type=body.order_type,
        price=body.price,
        time_in_force=body.time_in_force,
        post_only=body.post_only,
        bot=body.bot,
        intent_id=body.intent_id,
        reserve=body.reserve,
    )
    return verdict_reply(verdict)


async def place(api: Api, call: Call) -> Any:
    body, broker = call.body, api.broker(call)
    claimed = None
    if body.is_reserved:
        # The claim is known by its id; what it was made for is judged again where it is kept.
        claimed = Verdict(code=VerdictCode.APPROVED, asset="", intent_id=body.intent_id, is_reserved=True)
    common: dict[str, Any] = {
        "quote_quantity": body.quote_quantity,
        "intent_id": body.intent_id,
        "bot": body.bot,
        "reservation": claimed,
        "validate": body.validate,
    }
    if body.order_type == "market":
        if body.price is not None:
            raise RefusedError(400, "order_input", "a market order has no price", field="price")
        return {"order": await broker.place_market_order(body.symbol, body.side, body.quantity, **common)}
    order = await broker.place_limit_order(
        body.symbol,
        body.side,
        body.quantity,
        body.price,
        time_in_force=body.time_in_force,
        post_only=body.post_only,
        **common,
    )
    return {"order": order}


def _routed(body: Any) -> dict[str, Any]:
    return {
        "quote_quantity": body.quote_quantity,
        "bot": body.bot,
        "policy": body.policy,
        "brokers": body.brokers,
    }


def _limit(body: Any) -> dict[str, Any]:
    return {"time_in_force": body.time_in_force, "post_only": body.post_only}


async def route(api: Api, call: Call) -> Any:
    body = call.body
    routing = await api.open_desk().route(
        body.symbol,
        body.side,
        body.quantity,
        order_type=body.order_type,
        price=body.price,
        **_limit(body),
        **_routed(body),
    )
    return {"broker": routing.broker, "code": routing.code.value, "routing": routing.document()}


async def place_routed(api: Api, call: Call) -> Any:
    body, desk = call.body, api.open_desk()
    routed = {"intent_id": body.intent_id, **_routed(body)}
    if body.order_type == "market":
        if body.price is not None:
            raise RefusedError(400, "order_input", "a market order has no price", field="price")
        return {"order": await desk.place_market_order(body.symbol, body.side, body.quantity, **routed)}
    order = await desk.place_limit_order(body.symbol, body.side, body.quantity, body.price, **_limit(body), **routed)
    return {"order": order}


async def close_position(api: Api, call: Call) -> Any:
    body = call.body
    return await api.broker(call).close_position(
        body.symbol, quantity=body.quantity, intent_id=body.intent_id, bot=body.bot
    )


async def cancel(api: Api, call: Call) -> Any:
    return {"order": await api.broker(call).cancel_order(call.path["order"])}


async def cancel_all(api: Api, call: Call) -> Any:
    return {"orders": await api.broker(call).cancel_all_orders(call.body.symbol)}


async def release(api: Api, call: Call) -> Any:
    intent_id, body = call.path["intent_id"], call.body
    if body.force:
        call.needs(Role.OPERATE, "a forced release")
        if body.confirm is None or body.confirm != intent_id[-4:]:
            raise RefusedError(
                400,
                "not_confirmed",
                "a forced release gives money back of which an order may still take some: confirm it with the last four"
                " characters of the intent id",
                field="confirm",
            )
    return await api.broker(call).release_reservation(intent_id, force=body.force)


# What a person asks for


async def refresh(api: Api, call: Call) -> Any:
    return await api.broker(call).force_balance_refresh(timeout_s=call.body.timeout_s)


async def reset(api: Api, call: Call) -> Any:
    return await api.broker(call).reset_circuit_breaker(timeout_s=call.body.timeout_s)


async def restart_stream(api: Api, call: Call) -> Any:
    return await api.broker(call).restart_stream(timeout_s=call.body.timeout_s)


async def isolate(api: Api, call: Call) -> Any:
    broker = api.broker(call)
    await broker.isolate(call.body.what, reason=call.body.reason)
    return {"status": broker.status()}


async def trading(api: Api, call: Call) -> Any:
    broker, body = api.broker(call), call.body
    before = broker.status().trading_state
    await broker.set_trading_state(body.state, reason=body.reason, accepts_restored=body.accepts_restored)
    return {"broker": broker.name, "before": before, "after": broker.status().trading_state}


# Jobs


async def repair(api: Api, call: Call) -> Any:
    broker, body = api.broker(call), call.body
    kind = "repair_plan" if body.dry_run else "repair"

    async def work(job: Job) -> Any:
        planned = api.jobs.last("repair_plan", broker.name)
        if not body.dry_run and planned is not None and planned.result is not None:
            job.plan = list(planned.result.get("steps", ()))
        report = await broker.emergency_repair(dry_run=body.dry_run, timeout_s=body.timeout_s)
        # As the report has them: what was said on the way may have been cut short.
        job.steps = [{"name": s.name.value, "state": s.outcome.value, "text": s.says} for s in report.steps]
        return report

    def sentence(report: Any) -> str:
        if report.is_dry_run:
            acting = sum(step.act is not None for step in report.steps)
            return f"{acting} of {len(report.steps)} steps would do something." if acting else "Nothing would be done."
        if report.is_well:
            return "Repaired."
        return f"Not repaired: {', '.join(report.after.reasons) or report.after.health.value}."

    return api.jobs.start(kind, broker.name, work, asked_by=call.caller, sentence=sentence).view


async def readiness(api: Api, call: Call) -> Any:
    broker, body = api.broker(call), call.body

    async def work(job: Job) -> Any:
        document = readiness_document(await broker.verify_end_to_end(timeout_s=body.timeout_s))
        api.readiness[broker.name] = document
        return document

    def sentence(document: dict[str, Any]) -> str:
        word = "ready" if document["is_ready"] else "not ready"
        return f"{broker.name} is {word}: {document['score']} of {document['max_score']}."

    return api.jobs.start("readiness", broker.name, work, asked_by=call.caller, sentence=sentence).view


async def doctor(api: Api, call: Call) -> Any:
    broker, desk = api.broker(call), api.open_desk()

    async def work(job: Job) -> Any:
        return await desk.examine(broker.name)

    def sentence(report: Any) -> str:
        return f"{broker.name} is well." if report.is_well else f"{broker.name}: something has to be done."

    return api.jobs.start("doctor", broker.name, work, asked_by=call.caller, sentence=sentence).view


async def stop_job(api: Api, call: Call) -> Any:
    job = api.jobs.named(call.path["job_id"])
    await api.jobs.stop(job)
    return job.view


# The daemon itself


async def session(api: Api, call: Call) -> Any:
    traded = api.access.trade(call.body.code)
    if traded is None:
        raise RefusedError(
            401,
            "bad_code",
            "this code is none, was used, or is older than a minute",
            hint="`holdfast dashboard` makes a new one",
        )
    who, bearer, lasts_s = traded
    return {"token": bearer, "role": who.role, "expires_in_s": lasts_s}


async def link(api: Api, call: Call) -> Any:
    role: Role = call.body.role
    code = api.access.mint(role)
    url = None if api.url is None else f"{api.url}/#code={code}"
    return {"code": code, "url": url, "expires_in_s": CODE_S}


async def reload(api: Api, call: Call) -> Any:
    if api.reload is None:
        raise RefusedError(501, "unsupported", "this daemon has no configuration of its own to read again")
    return await api.reload()
