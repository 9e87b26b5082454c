"""What an init system, a load balancer and Prometheus ask: without a token no amount, no account's id, no reason."""

from __future__ import annotations

from typing import Any

from holdfast.core.health import Health
from holdfast.daemon.api import Api, Call, Raw

__all__ = ["healthz", "livez", "metrics", "readyz"]


async def livez(api: Api, call: Call) -> Any:
    """The process runs and its loop turns: nothing else."""
    return _probe(api, call, "live", is_ready=True, status=200, with_brokers=False)


async def readyz(api: Api, call: Call) -> Any:
    """Every broker's figures may be acted on."""
    is_ready = api.desk is not None and all(_is_ready(each) for each in api.desk)
    word = "ready" if is_ready else "starting" if api.desk is None and api.trouble is None else "not_ready"
    return _probe(api, call, word, is_ready=is_ready, status=200 if is_ready else 503)


async def healthz(api: Api, call: Call) -> Any:
    """How well it is, broker by broker; 200 as long as one of them is not down."""
    brokers = [] if api.desk is None else list(api.desk)
    states = {each.status().health for each in brokers}
    is_well = states == {Health.HEALTHY}
    word = "healthy" if is_well else "down" if not brokers or states == {Health.DOWN} else "degraded"
    if api.desk is None and api.trouble is None:
        word = "starting"
    return _probe(api, call, word, is_ready=is_well, status=503 if word in ("down", "starting") else 200)


def _is_ready(broker: Any) -> bool:
    status = broker.status()
    figures = broker.balances().values()
    is_known = status.assets > 0 or status.health is Health.HEALTHY
    is_fit = all(each.is_fit_to_approve for each in figures) and not status.suspects
    return bool(is_known and is_fit and status.health is not Health.DOWN and status.is_available)


def _probe(api: Api, call: Call, word: str, *, is_ready: bool, status: int, with_brokers: bool = True) -> Raw:
    import msgspec

    is_known = call.who is not None
    brokers: dict[str, Any] = {}
    if with_brokers and api.desk is not None:
        for each in api.desk:
            condition = each.status()
            row: dict[str, Any] = {"is_ready": _is_ready(each), "health": condition.health.value}
            if is_known:
                row["reasons"] = condition.reasons
            brokers[each.name] = row
    document = {
        "status": word,
        "is_ready": is_ready,
        "version": api.version,
        "uptime_s": round(api.clock.now_s() - api.started_s, 3),
        "brokers": brokers,
    }
    return Raw(text=msgspec.json.encode(document), content_type="application/json", status=status)


async def metrics(api: Api, call: Call) -> Any:
    """Prometheus's text; amounts only for whoever may read them."""
    text = api.meters.text(
        api.desk, api.hub, may_read=call.who is not None, is_starting=api.desk is None, jobs=api.jobs
    )
    return Raw(text=text, content_type="text/plain; version=0.0.4; charset=utf-8")
