"""``holdfast route SYMBOL SIDE AMOUNT``: which broker an order would go to now, and why not to each of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say, seconds
from holdfast.cli.exits import Exit, worst
from holdfast.cli.session import chosen_names, load, opened, settle, wait
from holdfast.core.routing import MEANINGS, RefusalKind, RouteCode

if TYPE_CHECKING:
    from rich.text import Text

    from holdfast.core.orders import OrderAsk
    from holdfast.core.routing import BrokerFacts, Refusal, Routing

__all__ = ["code_of", "route"]


def route(
    symbol: Annotated[str, Parameter(help="The instrument, such as BTC-USD.")],
    side: Annotated[Literal["buy", "sell"], Parameter(help="Buy or sell.")],
    amount: Annotated[
        str, Parameter(help="How much: of base, or with --in-quote of quote.", allow_leading_hyphen=True, negative="")
    ],
    /,
    *,
    in_quote: Annotated[bool, Parameter(negative="", help="AMOUNT is of quote: what is to be spent.")] = False,
    price: Annotated[str | None, Parameter(help="Of a limit order at this price; a market order without.")] = None,
    policy: Annotated[
        Literal["priority", "lowest_fee", "most_spendable", "round_robin"] | None,
        Parameter(help="How brokers that would do are ranked; as configured when left out."),
    ] = None,
    broker: Annotated[
        tuple[str, ...],
        Parameter(help="Only these, the preferred one first; may be repeated.", negative="", consume_multiple=False),
    ] = (),
    wait_s: Annotated[float, Parameter(name="--wait", help="Seconds to wait for figures.", validator=seconds)] = 8.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Say which broker an order would go to now, and why not to each of the others. Nothing is placed or claimed.

    A broker would do that is fit, has the money for this very order, and lists the instrument; a sell goes only where
    what it sells is held. Exits with 0 when one would do, 4 when none has the money, 2 when none lists the instrument
    or all refuse such an order by a rule, and when none is fit with 6, or with 3, 5, 7 or 9 where that is what is wrong
    with all of them.
    """
    from holdfast.core.asking import parse_ask

    ask = parse_ask(
        symbol,
        side,
        quantity=None if in_quote else amount,
        quote_quantity=amount if in_quote else None,
        order_type="market" if price is None else "limit",
        price=price,
    )
    return wait(_route(ask, policy, broker, wait_s, common))


async def _route(ask: OrderAsk, policy: str | None, brokers: tuple[str, ...], wait_s: float, common: Common) -> int:
    config = load(common.config)
    for name in brokers:
        chosen_names(config, name)
    names = list(brokers or config.routing.brokers) or chosen_names(config, None)
    async with opened(config, names, contact="rest") as desk:
        await settle(desk, timeout_s=wait_s)
        routing = await desk.route(
            ask.symbol,
            ask.side,
            ask.quantity,
            quote_quantity=ask.quote_quantity,
            order_type=ask.order_type,
            price=ask.limit_price,
            policy=policy,
            brokers=names,
        )
        if common.is_json:
            print_json({"schema_version": 1, **routing.document()})
        else:
            _print(routing)
        if routing.broker is None:
            say(f"holdfast: {routing.code.value}: {MEANINGS[routing.code]}")
        return code_of(routing)


def code_of(routing: Routing) -> int:
    """The exit code of a decision."""
    if routing.code is RouteCode.ALL_UNHEALTHY:
        return worst(_code_of(each) for each in routing.refusals if each.kind is not RefusalKind.UNLISTED)
    return _CODES[routing.code]


def _code_of(refusal: Refusal) -> int:
    if "credential_lockout" in refusal.sentence:
        return Exit.RATE_LIMITED
    if "credential_" in refusal.sentence or refusal.code == "credential_parked":
        return Exit.CONFIG
    if refusal.code in ("balance_stale", "balance_unknown"):
        return Exit.STALE_OR_UNKNOWN
    return Exit.OWNED_ELSEWHERE if refusal.code == "owner_silent" else Exit.VENUE_UNAVAILABLE


_CODES: Final = {
    RouteCode.CHOSEN: Exit.OK,
    RouteCode.NONE_FUNDED: Exit.FUNDS_SHORT,
    RouteCode.NOT_LISTED: Exit.USAGE,
    RouteCode.NONE_SUITED: Exit.USAGE,
}


def _print(routing: Routing) -> None:
    from rich.console import Console
    from rich.text import Text

    from holdfast.cli.tables import plain

    out = Console(soft_wrap=True)
    if routing.broker is None:
        out.print(Text.assemble(("nowhere", "bold red"), f"  {routing.code.value}: {routing.why}"))
    else:
        out.print(Text.assemble((routing.broker, "bold green"), f"  {routing.why}"))
    for name in routing.ranking[1:]:
        out.print(_line(name, "would do", _fit(routing, name)))
    for refusal in routing.refusals:
        out.print(_line(refusal.broker, refusal.code, plain(refusal.sentence)))
    if routing.verdict is not None:
        out.print(plain(f"  {routing.verdict.arithmetic}"))


def _line(broker: str, word: str, sentence: Text) -> Text:
    from rich.text import Text

    return Text.assemble("  ", broker, "  ", (word, "dim"), ": ", sentence)


def _fit(routing: Routing, broker: str) -> Text:
    from holdfast.cli.tables import plain, short_amount

    facts: BrokerFacts = next(each for each in routing.facts if each.broker == broker)
    verdict = facts.verdict
    parts = [f"place {routing.ranking.index(broker) + 1}"]
    if verdict is not None and verdict.spendable is not None:
        parts.append(f"{short_amount(verdict.spendable)} {verdict.asset} spendable")
    if verdict is not None and verdict.fee_rate is not None:
        parts.append(f"fee {short_amount(verdict.fee_rate)} of the cost")
    return plain(", ".join(parts))
