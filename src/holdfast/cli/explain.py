"""``holdfast explain BROKER ASSET``: why a figure is what it is."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from holdfast.cli.common import Common, balance_row, journal_document, print_json, seconds
from holdfast.cli.exits import Exit
from holdfast.cli.session import chosen_names, load, opened, settle, tell_trouble, wait

__all__ = ["explain"]


def explain(
    broker: Annotated[str, Parameter(help="The broker's name in the configuration.")],
    asset: Annotated[str, Parameter(help="Asset code, such as USD or BTC.")],
    /,
    *,
    rows: Annotated[int, Parameter(help="Newest journal rows to show.")] = 20,
    wait_s: Annotated[float, Parameter(name="--wait", help="Seconds to wait for an answer.", validator=seconds)] = 8.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Say why a balance is what it is: the figure now, where it came from, and what the journal kept of it.

    Exits with 0 when the figure is live or fresh, 5 when it is stale or unknown.
    """
    return wait(_explain(broker, asset, rows, wait_s, common))


async def _explain(broker: str, asset: str, rows: int, wait_s: float, common: Common) -> int:
    config = load(common.config)
    names = chosen_names(config, broker)
    async with opened(config, names, contact="rest") as desk:
        await settle(desk, timeout_s=wait_s)
        explanation = await desk[broker].explain(asset, limit=rows)
        if common.is_json:
            print_json(
                {
                    "schema_version": 1,
                    "broker": explanation.broker,
                    "balance": {"asset": explanation.balance.asset, **balance_row(explanation.balance)},
                    "lines": list(explanation.lines),
                    "rows": [journal_document(row) for row in explanation.rows],
                }
            )
        else:
            from holdfast.cli.journal_lines import print_explanation

            print_explanation(explanation)
        if explanation.balance.is_fit_to_approve:
            return Exit.OK
        tell_trouble(desk[broker])
        return Exit.STALE_OR_UNKNOWN
