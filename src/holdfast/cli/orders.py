"""``holdfast orders``: what is open on the account, ours and everybody else's, and taking an order back."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from holdfast.cli.common import Common, document_of, print_json, seconds
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, opened, settle, tell_trouble, wait

__all__ = ["cancel", "list_", "show"]

Name = Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")]
Wait = Annotated[float, Parameter(name="--wait", help="Seconds to wait for an answer.", validator=seconds)]


def list_(
    *,
    ended: Annotated[bool, Parameter(negative="", help="Remembered orders of ours too that have ended.")] = False,
    limit: Annotated[int, Parameter(help="With --ended: at most so many, newest first.")] = 50,
    broker: Name = None,
    wait_s: Wait = 8.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    List the open orders of the account: ours, and those that somebody else placed.

    Exits with 0, or with 6 when the venue did not tell.
    """
    return wait(_list(ended, limit, broker, wait_s, common))


async def _list(ended: bool, limit: int, broker: str | None, wait_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        await settle(desk, timeout_s=wait_s)
        found = await desk[name].orders(limit=limit) if ended else desk[name].open_orders()
        status = desk[name].status()
        if common.is_json:
            print_json({"schema_version": 1, "broker": name, "orders": [document_of(order) for order in found]})
        else:
            from holdfast.cli.order_tables import print_orders

            print_orders(name, found)
        if status.last_success_age_s is None:
            tell_trouble(desk[name])
            return Exit.VENUE_UNAVAILABLE
        return Exit.OK


def show(
    intent: Annotated[str, Parameter(help="The intent id.")],
    /,
    *,
    broker: Name = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show one of our orders, ended ones included while they are remembered (30 days)."""
    return wait(_show(intent, broker, common))


async def _show(intent: str, broker: str | None, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        order = await desk[name].order(intent)
    if common.is_json:
        print_json({"schema_version": 1, "order": document_of(order)})
    else:
        from holdfast.cli.order_tables import print_order

        print_order(order)
    return Exit.OK


def cancel(
    order: Annotated[str, Parameter(help="Intent id, client order id, or the venue's order id.")],
    /,
    *,
    broker: Name = None,
    wait_s: Wait = 8.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Cancel an open order, ours or not. Works in every trading state.

    Exits with 6 where the venue knows no such open order: it was filled, cancelled, or never there.
    """
    return wait(_cancel(order, broker, wait_s, common))


async def _cancel(order: str, broker: str | None, wait_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        await settle(desk, timeout_s=wait_s)
        done = await desk[name].cancel_order(order)
    if common.is_json:
        print_json({"schema_version": 1, "order": document_of(done)})
    else:
        from holdfast.cli.order_tables import print_order

        print_order(done)
    return Exit.OK
