"""The demonstration's bot: it buys, asks for too much, gets out while the stream is away, and takes an order back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from holdfast.cli.common import amount_text
from holdfast.core.amounts import format_amount
from holdfast.errors import DeniedError, HoldfastError

if TYPE_CHECKING:
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.views import Order

__all__ = ["DemoBot"]

_ENDED_WITHIN_S: Final = 10.0


class DemoBot:
    """
    Does what the script says with orders.

    Args:
        broker: Where.
        say: Takes a line for people.
        symbol: What it trades.
        prefix: Of its intents: they are one desk's, whatever broker they went to.

    Attributes:
        done: What became of each, in order, as the summary has it.
    """

    def __init__(
        self, broker: Broker, say: Callable[[str], None], *, symbol: str = "BTC-USD", prefix: str = "demo"
    ) -> None:
        self._broker = broker
        self._symbol = symbol
        self._prefix = prefix
        self._say = say
        self._count = 0
        self.done: list[dict[str, Any]] = []

    async def act(self, step: Mapping[str, Any]) -> None:
        """One step; whatever comes of it is noted and said, never raised. Suspends."""
        self._count += 1
        intent_id = f"{self._prefix}-{self._count}"
        try:
            order = await self._order(step, intent_id)
        except DeniedError as error:
            code = None if error.verdict is None else error.verdict.code.value
            self._note(intent_id, step, outcome="denied", code=code, text=f"denied, nothing was sent: {error}")
        except HoldfastError as error:
            self._note(intent_id, step, outcome="failed", code=None, text=f"{type(error).__name__}: {error}")
        else:
            code = None if order is None else order.state.value
            self._note(intent_id, step, outcome="placed", code=code, text=_told(order))

    async def _order(self, step: Mapping[str, Any], intent_id: str) -> Order | None:
        broker = self._broker
        match step["do"]:
            case "limit":
                return await broker.place_limit_order(
                    self._symbol, step["side"], step["quantity"], step["price"], intent_id=intent_id
                )
            case "market":
                return await broker.place_market_order(
                    self._symbol,
                    step["side"],
                    step.get("quantity"),
                    quote_quantity=step.get("quote_quantity"),
                    intent_id=intent_id,
                )
            case _:
                last = None
                for resting in self._resting():
                    await broker.cancel_order(resting)
                    last = await broker.ended(resting, timeout_s=_ENDED_WITHIN_S)
                return last

    def _resting(self) -> list[str]:
        return [order.intent_id for order in self._broker.open_orders() if order.intent_id is not None]

    def _note(self, intent_id: str, step: Mapping[str, Any], *, outcome: str, code: str | None, text: str) -> None:
        self.done.append({"intent_id": intent_id, "asked": dict(step), "outcome": outcome, "code": code})
        self._say(text)

    async def finish(self) -> None:
        """Take back what is still open, and write down what became of everything. Suspends."""
        for resting in self._resting():
            await self._broker.cancel_order(resting)
        for each in self.done:
            if each["outcome"] == "placed" and each["asked"]["do"] != "cancel":
                order = await self._broker.ended(each["intent_id"], timeout_s=_ENDED_WITHIN_S)
                each["state"] = order.state.value
                each["filled"] = amount_text(order.filled)
                each["cost"] = amount_text(order.cost)


def _told(order: Order | None) -> str:
    if order is None:
        return "nothing of ours is open"
    filled = f", {format_amount(order.filled)} filled" if order.filled else ""
    return f"{order.intent_id} is {order.state.value}{filled}"
