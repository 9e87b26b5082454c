"""``holdfast balances``: every balance, with state, age and source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from holdfast.cli.common import Common, balance_row, print_json, seconds
from holdfast.cli.exits import Exit, worst
from holdfast.cli.session import chosen_names, is_hopeless, load, opened, settle, tell_trouble, wait
from holdfast.core.balances import BalanceState

if TYPE_CHECKING:
    from holdfast.runtime.broker import Broker

__all__ = ["balances", "balances_document"]


def balances(
    *,
    broker: Annotated[str | None, Parameter(help="Only this broker; all of them when left out.")] = None,
    wait_s: Annotated[float, Parameter(name="--wait", help="Seconds to wait for an answer.", validator=seconds)] = 8.0,
    common: Common = Common(),  # noqa: B008  # Frozen: safe as a default, and cyclopts flattens it.
) -> int:
    """
    Read every balance once and print it, with state, age and source.

    Exits with 0 when all are live or fresh, 5 when one is stale or unknown, 6 when a venue is unavailable.
    """
    return wait(_balances(broker, wait_s, common))


async def _balances(broker: str | None, wait_s: float, common: Common) -> int:
    config = load(common.config)
    names = chosen_names(config, broker)
    async with opened(config, names, contact="rest") as desk:
        await settle(desk, timeout_s=wait_s)
        if common.is_json:
            print_json(balances_document(list(desk)))
        else:
            from holdfast.cli.tables import print_balances

            print_balances(list(desk))
        codes = {each: code_of(each) for each in desk}
        for each, code in codes.items():
            if code:
                tell_trouble(each)
        return worst(codes.values())


def balances_document(brokers: list[Broker]) -> dict[str, Any]:
    """The JSON contract of ``holdfast balances``."""
    return {
        "schema_version": 1,
        "brokers": {
            broker.name: {
                "health": broker.status().health.value,
                "balances": {asset: balance_row(balance) for asset, balance in broker.balances().items()},
            }
            for broker in brokers
        },
    }


def code_of(broker: Broker) -> int:
    """The exit code one broker's figures call for."""
    status = broker.status()
    figures = broker.balances()
    untrue = not figures and status.assets == 0 and status.last_success_age_s is None
    stale = any(figure.state in (BalanceState.STALE, BalanceState.UNKNOWN) for figure in figures.values())
    if is_hopeless(status):
        return Exit.RATE_LIMITED if status.nonce.parked_cause == "lockout" else Exit.CONFIG
    if untrue or stale:
        return Exit.VENUE_UNAVAILABLE if status.error_count else Exit.STALE_OR_UNKNOWN
    return Exit.OK
