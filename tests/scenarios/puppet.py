"""
A client whose every word a test decides: what the judge of trading is shown to see, and to let pass.

It really sends its orders to the simulated Kraken, and says of them what the test wants it to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import add, format_amount, parse_amount, subtract, total_of
from holdfast.core.balances import Balance, BalanceState, Side, Source
from holdfast.core.events import event
from holdfast.core.reservations import ReservationState
from holdfast.runtime.views import ReservationView
from holdfast.simulators.kraken.render import rfc3339
from tests.scenarios.lives import Lookup, Record, Sending
from tests.scenarios.trading_judge import TradingJudge
from tests.scenarios.wires import Wire
from tests.simulators.kraken.bench import Bench

__all__ = ["ASSETS", "Puppet"]

ASSETS: Final = ("USD", "BTC", "ETH")
_VALIDITY_S: Final = 5.0


class Puppet:
    """
    The client, the venue and the judge of one test.

    Attributes:
        violations: What the judge saw, as "NAME: text".
        unnoticed_s: How long others may go unnoticed.
        figures: Balances as the client shows them; ``read`` makes them true.
        shows: Reservations as the client shows them.
    """

    def __init__(
        self, *, budgets: Mapping[str, Mapping[str, Decimal]] | None = None, wire: Wire | None = None, **settings: Any
    ) -> None:
        self.bench = Bench(**settings)
        self.record = Record()
        self.violations: list[str] = []
        self.unnoticed_s = 2.5
        self.figures: dict[str, Balance] = {}
        self.shows: dict[str, ReservationView] = {}
        self.budgets = budgets or {}
        self.judge = TradingJudge(
            venue=self.bench.sim,
            record=self.record,
            clock=self.bench.clock,
            assets=ASSETS,
            unnoticed_s=lambda: self.unnoticed_s,
            floors={},
            budgets=self.budgets,
            rest_lag_s=60.0,
            violated=lambda name, text: self.violations.append(f"{name}: {text}"),
            wire=wire,
        )
        self.read()
        self.judge.watch(self)

    @property
    def names(self) -> set[str]:
        """The invariants that were violated."""
        return {violation.partition(":")[0] for violation in self.violations}

    # What it shows (a View)

    def balances(self) -> dict[str, Balance]:
        return self.figures

    def balance(self, asset: str) -> Balance:
        return self.figures[asset]

    def reservations(self) -> list[ReservationView]:
        return [each for each in self.shows.values() if not each.state.is_ended]

    def read(self, *, state: BalanceState = BalanceState.LIVE) -> None:
        """Learn the truth of now, and take off what is claimed and not yet at the venue."""
        for asset in ASSETS:
            row = self.bench.truth()[asset]
            mine = [each for each in self.reservations() if each.asset == asset]
            unplaced = total_of(each.reserved for each in mine if each.client_order_id not in self.judge.accepted)
            self.figures[asset] = Balance(
                asset=asset,
                total=Decimal(row["total"]),
                held=Decimal(row["held"]),
                available=Decimal(row["available"]),
                reserved=total_of(each.reserved for each in mine),
                spendable=max(Decimal(0), subtract(self.bench.sim.free(asset), unplaced)),
                state=state,
                age_s=0.1,
                source=Source.STREAM,
                reason=None,
            )

    def show(self, asset: str, **changes: Any) -> None:
        """Say something else of a balance."""
        self.figures[asset] = msgspec.structs.replace(self.figures[asset], **changes)

    # What it does

    def approve(
        self, intent: str, asset: str, required: str, *, code: str = "approved", side: str = "buy", state: str = "live"
    ) -> None:
        """Judge an order."""
        self._tell(
            "verdict.given",
            broker="puppet",
            code=code,
            symbol="BTC-USD",
            side=side,
            asset=asset,
            required=required,
            spendable=format_amount(self.figures[asset].spendable or Decimal(0)),
            state=state,
            intent_id=intent,
        )

    def claim(self, intent: str, asset: str = "USD", required: str = "400", *, bot: str | None = None) -> str:
        """Approve an order and reserve for it; its client order id."""
        self.approve(intent, asset, required)
        client_id = intent.encode().hex().ljust(32, "0")[:32]
        amount = parse_amount(required)
        self.shows[intent] = ReservationView(
            broker="puppet",
            intent_id=intent,
            client_order_id=client_id,
            asset=asset,
            amount=amount,
            reserved=amount,
            state=ReservationState.ACTIVE,
            order=None,
            order_id=None,
            symbol="BTC-USD",
            side=Side.BUY,
            bot=bot,
            cause="claimed",
            detail=None,
            created_us=0,
            updated_us=0,
        )
        self._tell_step(intent, None, "active")
        return client_id

    def send(
        self,
        intent: str,
        *,
        arrives: bool = True,
        has_deadline: bool = True,
        is_told: bool = True,
        copies: int = 0,
        **order: Any,
    ) -> dict[str, Any]:
        """
        Send an order on a claim; the venue's envelope, empty where it was lost on its way.

        *copies* of its request the network delivers besides.
        """
        client_id = self.shows[intent].client_order_id
        if is_told:
            self._tell("order.sent", broker="puppet", intent_id=intent, client_order_id=client_id)
        deadline_us = self.bench.sim.now_us() + round(_VALIDITY_S * 1e6)
        self.record.sent.append(
            Sending(
                client_order_id=client_id,
                at_s=self.bench.clock.now_s(),
                deadline_us=deadline_us if has_deadline else None,
                via="rest",
            )
        )
        if not arrives:
            return {}
        asked = {"ordertype": "limit", "type": "buy", "volume": "0.01", "pair": "XBTUSD", "price": "39000", **order}
        asked = {name: value for name, value in asked.items() if value is not None}
        if has_deadline:
            asked["deadline"] = rfc3339(deadline_us)
        envelope = self.bench.envelope("AddOrder", **asked, cl_ord_id=client_id)
        for _ in range(copies):
            self.bench.envelope("AddOrder", **asked, cl_ord_id=client_id)
        self.record.answer(client_id, envelope["error"][0] if envelope["error"] else "ok")
        return envelope

    def step(self, intent: str, after: str, *, reserved: str | None = None, before: str | None = None) -> None:
        """Let a reservation go to another state; *before* where it lies about where it was."""
        shown = self.shows[intent]
        was = before or shown.state.value
        amount = shown.reserved if reserved is None else parse_amount(reserved)
        state = ReservationState(after)
        if state.is_ended and reserved is None:
            amount = Decimal(0)
        self.shows[intent] = msgspec.structs.replace(shown, state=state, reserved=amount)
        self._tell_step(intent, was, after)

    def look_up(self, name: str, intent: str) -> None:
        """Ask for an order of an intent, and note what came of it."""
        client_id = self.shows[intent].client_order_id
        sent_us = self.bench.sim.now_us()
        fields = {} if name == "TradesHistory" else {"cl_ord_id": client_id}
        answer = self.bench.call(name, **fields)
        named = client_id if client_id in json.dumps(answer, default=str) else None
        self.record.lookups.append(
            Lookup(
                name=name,
                sent_s=self.bench.clock.now_s(),
                sent_us=sent_us,
                answered_s=self.bench.clock.now_s(),
                client_order_id=fields.get("cl_ord_id"),
                named=frozenset([named] if named else []),
            )
        )

    def look_everywhere(self, intent: str) -> None:
        """Ask all that evidence of absence needs."""
        for name in ("OpenOrders", "ClosedOrders", "TradesHistory"):
            self.look_up(name, intent)

    def say(self, name: str, **fields: Any) -> None:
        """Tell an event."""
        self._tell(name, broker="puppet", **fields)

    def happen(self, kind: str, **fields: Any) -> None:
        """Let something happen at the venue."""
        self.bench.happen(kind, **fields)
        self.judge.happened()

    def restart(self, *, in_order: bool = True, keeps: bool = True) -> None:
        """End and come back, with the reservations or without."""
        self.judge.unwatch(in_order=in_order)
        if not keeps:
            self.shows.clear()
        self.read()
        self.judge.watch(self)

    def look(self) -> None:
        """Show the judge everything."""
        self.judge.look()

    def sum_up(self, asset: str) -> Decimal:
        """What it shows as reserved of an asset."""
        return total_of(add(each.reserved, Decimal(0)) for each in self.reservations() if each.asset == asset)

    def _tell_step(self, intent: str, before: str | None, after: str) -> None:
        shown = self.shows[intent]
        self._tell(
            "reservation.changed",
            broker="puppet",
            intent_id=intent,
            asset=shown.asset,
            before=before,
            after=after,
            reserved=format_amount(shown.reserved),
            cause="test",
        )

    def _tell(self, name: str, **fields: Any) -> None:
        self.judge.on_event(event(name, **fields))
