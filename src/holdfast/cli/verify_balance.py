"""``holdfast verify-balance ASSET AMOUNT``: may so much be promised now?"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from holdfast.cli.acting import tell_unrecorded
from holdfast.cli.common import Common, amount_text, print_json, seconds
from holdfast.cli.exits import Exit
from holdfast.cli.session import is_hopeless, load, only_name, opened, settle, tell_trouble, wait

if TYPE_CHECKING:
    from holdfast.core.verdicts import Verdict
    from holdfast.runtime.broker import Broker

__all__ = ["verify_balance"]


def verify_balance(
    asset: Annotated[str, Parameter(help="Asset code, such as USD or BTC.")],
    amount: Annotated[
        str,
        Parameter(help="Whole units: 250, 0.015, or with an exponent: 1e9.", allow_leading_hyphen=True, negative=""),
    ],
    /,
    *,
    broker: Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")] = None,
    wait_s: Annotated[float, Parameter(name="--wait", help="Seconds to wait for an answer.", validator=seconds)] = 8.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Check whether an amount may be promised now: figure, age, shortfall, and the arithmetic.

    It is about the amount alone: a yes is no promise that an order is taken now. A broker that is halted, isolated or
    parked takes none, whatever it holds: `holdfast status` tells. Exits with 0 when it is funded, 4 when it is not, 5
    when the figure is stale or unknown, 6 when that is because the venue is unavailable, 2 for anything that is no
    amount. Nothing is claimed; who asked is kept: `holdfast audit`.
    """
    from holdfast.core.asking import parse_money

    # Before anything is opened: what is no amount is a slip of the fingers, whatever else is wrong.
    return wait(_verify(asset, parse_money(amount, field="AMOUNT", may_be_zero=True), broker, wait_s, common))


async def _verify(asset: str, amount: Decimal, broker: str | None, wait_s: float, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="rest") as desk:
        await settle(desk, timeout_s=wait_s)
        verdict = desk[name].verify_balance(asset, amount)
        if common.is_json:
            print_json({"schema_version": 1, "broker": name, **verdict.document()})
        else:
            from holdfast.cli.order_tables import print_verdict

            print_verdict(verdict)
        code = _code_of(verdict, desk[name])
        facts = {field: amount_text(getattr(verdict, field)) for field in ("required", "spendable", "shortfall")}
        record = await desk[name].note_visit(
            "verify_balance", outcome=verdict.code.value, facts={"asset": asset, **facts, "exit_code": str(int(code))}
        )
        tell_unrecorded(name, record)
        if code not in (Exit.OK, Exit.FUNDS_SHORT):
            tell_trouble(desk[name])
        return code


def _code_of(verdict: Verdict, broker: Broker) -> int:
    if verdict.is_approved:
        return Exit.OK
    status = broker.status()
    if is_hopeless(status):
        return Exit.RATE_LIMITED if status.nonce.parked_cause == "lockout" else Exit.CONFIG
    if verdict.code.value == "funds_short":
        return Exit.FUNDS_SHORT
    return Exit.VENUE_UNAVAILABLE if status.error_count else Exit.STALE_OR_UNKNOWN
