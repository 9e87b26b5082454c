"""``holdfast status``: the condition of each broker, once or watched."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, seconds
from holdfast.cli.exits import Exit, worst
from holdfast.cli.session import chosen_names, is_hopeless, load, opened, settle, tell_trouble, wait

if TYPE_CHECKING:
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.views import BrokerStatus

__all__ = ["status"]


def status(
    *,
    broker: Annotated[str | None, Parameter(help="Only this broker; all of them when left out.")] = None,
    watch: Annotated[bool, Parameter(negative="", help="Keep watching until Ctrl-C.")] = False,
    wait_s: Annotated[float, Parameter(name="--wait", help="Seconds to wait for figures.", validator=seconds)] = 8.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Show health, stream, store and nonces of each broker.

    Exits with 0 when every broker is healthy, 6 when one is degraded or down, 3 when its credential is parked.
    """
    return wait(_status(broker, watch, wait_s, common))


async def _status(broker: str | None, watch: bool, wait_s: float, common: Common) -> int:
    config = load(common.config)
    names = chosen_names(config, broker)
    async with opened(config, names, contact="stream") as desk:
        if watch:
            await _watch(desk, as_json=common.is_json)
        else:
            await settle(desk, timeout_s=wait_s, live=True)
            statuses = list(desk.status().values())
            if common.is_json:
                print_json(status_document(statuses))
            else:
                from holdfast.cli.tables import print_status

                print_status(statuses)
            for each in desk:
                tell_trouble(each)
        return worst(code_of(each) for each in desk.status().values())


def status_document(statuses: list[BrokerStatus]) -> dict[str, Any]:
    """The JSON form of ``holdfast status``."""
    return {
        "schema_version": 1,
        "brokers": {each.broker: msgspec.to_builtins(each) for each in statuses},
    }


def code_of(status: BrokerStatus) -> int:
    """The exit code one broker's condition calls for."""
    if is_hopeless(status):
        return Exit.RATE_LIMITED if status.nonce.parked_cause == "lockout" else Exit.CONFIG
    return Exit.OK if status.health.value == "healthy" else Exit.VENUE_UNAVAILABLE


async def _watch(desk: Desk, *, as_json: bool) -> None:
    if as_json:  # One document a second, a line each.
        import sys

        while True:
            line = msgspec.json.encode(status_document(list(desk.status().values())))
            sys.stdout.write(line.decode() + "\n")
            sys.stdout.flush()
            await asyncio.sleep(1.0)
    from rich.console import Console, Group
    from rich.live import Live

    from holdfast.cli.tables import balances_table, status_table

    def picture() -> Group:
        return Group(status_table(list(desk.status().values())), *(balances_table(each, limit=20) for each in desk))

    with Live(picture(), console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            await asyncio.sleep(0.5)
            live.update(picture(), refresh=True)
