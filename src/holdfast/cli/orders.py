"""``holdfast orders``: what is open on the account, ours and everybody else's, and taking an order back."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

from cyclopts import Parameter

from holdfast.cli.common import Common, document_of, print_json, say, seconds
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, opened, settle, tell_trouble, wait
from holdfast.errors import NotReadyError, UnknownNameError

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


def _left_s(until_s: float) -> float:
    """What is left of a wait; enough for one answer that is on its way."""
    return max(until_s - time.monotonic(), 0.5)


async def _list(ended: bool, limit: int, broker: str | None, wait_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        account = desk[name]
        until_s = time.monotonic() + wait_s
        await settle(desk, timeout_s=wait_s)
        error = None
        if not ended and account.status().stream.state != "live":
            # Nobody pushes what others place.
            error = (await account.refresh(timeout_s=_left_s(until_s))).error
        found = await account.orders(limit=limit) if ended else account.open_orders()
        if common.is_json:
            print_json({"schema_version": 1, "broker": name, "orders": [document_of(order) for order in found]})
        else:
            from holdfast.cli.order_tables import print_orders

            print_orders(name, found)
        if error is not None:
            tell_trouble(account)
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

    Exits with 2 where no such order is known, and with 6 where the venue did not take the cancel or could not be asked.
    """
    return wait(_cancel(order, broker, wait_s, common))


async def _cancel(order: str, broker: str | None, wait_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        account = desk[name]
        until_s = time.monotonic() + wait_s
        await settle(desk, timeout_s=wait_s)
        try:
            done = await account.cancel_order(order)
        except UnknownNameError:
            # Somebody else's, perhaps, and nobody pushed it.
            report = await account.refresh(timeout_s=_left_s(until_s))
            if report.error is not None:
                say(f"holdfast: {name}: {order!a} is no order of ours, and the venue did not tell whose it may be")
                tell_trouble(account)
                return Exit.VENUE_UNAVAILABLE
            done = await account.cancel_order(order)
        if done.intent_id is not None:
            with contextlib.suppress(NotReadyError):
                done = await account.ended(done.intent_id, timeout_s=wait_s)
    if common.is_json:
        print_json({"schema_version": 1, "order": document_of(done)})
    else:
        from holdfast.cli.order_tables import print_order

        print_order(done)
    if not done.is_ended:
        say("the venue took the cancel; that the order is over has not been told yet")
    return Exit.OK
