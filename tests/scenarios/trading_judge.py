"""
The judge of a client that trades: what the venue knows against what the client decides.

I1: no order is approved beyond what the venue would really let us spend, every live reservation that the venue has not
taken over counted. I9: a reservation comes to exactly one end, is never negative, and their sum is what the figures
say. I10: an order in doubt keeps its money until there is evidence. I11: one intent, at most one order. P4: the venue
refuses nothing for funds that was approved. P8: an exit is not stopped by a stale figure. V5: claims that others have
left without money are told of. I15: nothing is left over.

I11 where ids are not taken once (OKX): if the network delivers a request of ours twice, the venue makes two orders of
it, and no client can prevent that. It may not send twice itself; it has to tell of the second order, to stop approving
until a person looks, and to count what that order takes, as it counts what others take. An id that was sent once and
came to two orders is judged so; one that was sent twice is a violation, there as everywhere.

The venue's word is its ground truth; of the client's, only events and views count. What the client sent is read beside
its wires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec

from holdfast.core.amounts import add, multiply, parse_amount, subtract, total_of
from holdfast.core.assets import AssetCode, split_symbol
from holdfast.core.balances import Balance
from holdfast.core.events import Event
from holdfast.core.seams import Clock
from holdfast.runtime.views import ReservationView
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest
from tests.scenarios.lives import Record
from tests.scenarios.outside import Outside
from tests.scenarios.wires import Wire

__all__ = ["Figures", "TradingJudge", "View"]

_ZERO: Final = Decimal(0)
_NEARLY: Final = Decimal("0.98")
_TOLD_WITHIN_S: Final = 2.0
_COARSER: Final = 2  # Places by which a venue may round more coarsely than its ledger.
_LOOKUPS_NEEDED: Final = ("OpenOrders", "ClosedOrders", "TradesHistory")
_FIT: Final = ("live", "fresh")

# Denials that are right whatever the funds are: nothing that was asked for so could have been approved.
_NOT_ABOUT_FUNDS: Final = frozenset(
    {
        "intent_repeated",
        "settling",
        "credential_parked",
        "breaker_open",
        "halted",
        "reducing",
        "too_many_orders",
        "order_too_large",
        "price_collar",
        "quantity_step",
        "price_step",
        "quantity_minimum",
        "cost_minimum",
    }
)

# Where a reservation may go from where it is. The last three are ends.
_STEPS: Final[dict[str | None, frozenset[str]]] = {
    None: frozenset({"active"}),
    "active": frozenset({"covered", "in_doubt", "consumed", "released", "expired"}),
    "covered": frozenset({"active", "in_doubt", "consumed", "released"}),
    "in_doubt": frozenset({"active", "covered", "consumed", "released"}),
    "consumed": frozenset(),
    "released": frozenset(),
    "expired": frozenset(),
}
_ENDS: Final = frozenset({"consumed", "released", "expired"})


# Answers that say no, and those among them after which an order may exist all the same (venue pages, "ambiguous").
_REFUSALS: Final = (
    "EOrder:",
    "EAPI:",
    "EGeneral:",
    "EService:",
    "ESession:",
    "EQuery:",
    "EAccount:",
    "Token is expired",
)
_PROVES_NOTHING: Final = (
    "EService:Unavailable",
    "EService:Busy",
    "EService:Deadline elapsed",
    "EGeneral:Internal error",
)


class View(Protocol):
    """What the judge asks of a client: a broker fits."""

    def balances(self) -> dict[AssetCode, Balance]: ...

    def balance(self, asset: AssetCode) -> Balance: ...

    def reservations(self) -> list[ReservationView]: ...


class Figures(msgspec.Struct, kw_only=True):
    """
    What one run came to.

    ``fitting`` intents fit by the venue's own truth and were asked on a figure that was live or fresh; ``missed`` says
    by code why some of them were denied. ``apart`` approvals would have been right but for what others did less than
    the detection bound before.
    """

    asked: int = 0
    approved: int = 0
    approved_otherwise: int = 0  # Unverified and degraded.
    fitting: int = 0
    fitting_approved: int = 0
    fitting_by_ledger: int = 0
    fitting_by_ledger_approved: int = 0
    missed: Counter[str] = msgspec.field(default_factory=Counter)
    denied: Counter[str] = msgspec.field(default_factory=Counter)
    apart: int = 0
    orders_sent: int = 0
    orders_accepted: int = 0
    doubts: int = 0
    doubts_found: int = 0
    doubts_absent: int = 0
    orders_doubled: int = 0  # Requests that the network delivered twice, of which the venue made two orders.
    refused_for_funds: int = 0  # By the venue, and each of them explained.
    seconds: int = 0
    seconds_possible: int = 0
    restarts: int = 0


class _Apart(msgspec.Struct, frozen=True, kw_only=True):
    asset: AssetCode
    debit_s: float
    due_s: float


class TradingJudge:
    """
    Judges one client against one venue.

    Args:
        venue: The truth.
        record: What the client sent.
        clock: The client's clock.
        assets: Those it may trade.
        unnoticed_s: How long a change that others made may go unnoticed now, by the design's bounds.
        floors: What the client was told never to spend.
        budgets: What it was told that each bot may claim at the most, by asset.
        rest_lag_s: How far the venue's reads may lag; evidence of absence is younger than the validity's end by it.
        violated: Takes an invariant's name and what broke it.
        wire: What the venue says of orders; Kraken's words where None.
    """

    def __init__(
        self,
        *,
        venue: Any,
        record: Record,
        clock: Clock,
        assets: Iterable[AssetCode],
        unnoticed_s: Callable[[], float],
        floors: Mapping[AssetCode, Decimal],
        budgets: Mapping[str, Mapping[AssetCode, Decimal]],
        rest_lag_s: float,
        violated: Callable[[str, str], None],
        wire: Wire | None = None,
    ) -> None:
        self._wire = wire
        self.figures = Figures()
        self.accepted: dict[str, list[str]] = {}
        """Our client order ids that the venue accepted, with its own ids of the orders."""
        self._venue = venue
        self._record = record
        self._clock = clock
        self._assets = tuple(assets)
        self._unnoticed_s = unnoticed_s
        self._floors = floors
        self._budgets = budgets
        self._bots: dict[str, str] = {}  # Client order id to the bot whose order it is.
        self._spent: dict[tuple[str, AssetCode], Decimal] = {}  # What fills took of each bot, less what they gave.
        self._rest_lag_s = rest_lag_s
        self._violated = violated
        self._outside = Outside(venue, clock, assets=self._assets, is_ours=self._is_first)
        self._view: View | None = None
        self._orders: dict[str, dict[str, bool]] = {}  # Client order id to the venue's orders, and whether each filled.
        self._open: dict[str, set[str]] = {}  # Client order ids with an order open at the venue, and which.
        self._doubled: dict[str, str] = {}  # Client order ids to the second order that a copy of the request made.
        self._told: set[str] = set()  # Those of which the client has told.
        self._unbudgeted: set[str] = set()  # Bots of which an order was doubled: what its budget is now, a person says.
        self._states: dict[str, str] = {}  # Intent to its reservation's state.
        self._clients: dict[str, str] = {}  # Intent to its client order id.
        self._needed: dict[str, tuple[AssetCode, Decimal, float]] = {}  # By client order id: what was approved, when.
        self._required: dict[str, tuple[AssetCode, Decimal, float]] = {}  # The same by intent.
        self._doubted: dict[str, Decimal] = {}  # Intent in doubt to the amount it began with.
        self._absent: dict[str, float] = {}  # Client order ids that were said never to have been accepted.
        self._uncovered: set[AssetCode] = set()
        self._short_s: dict[AssetCode, float] = {}  # Since when claims are more than what is free.
        self._excused: set[str] = set()  # Intents whose approval is counted apart.
        self._aparts: list[_Apart] = []
        self._before: list[ReservationView] = []
        self._is_sure = True
        venue.watch(orders=self._order_changed, refusals=self._refused)

    # The client's lives

    def watch(self, view: View) -> None:
        """A client is there; what an earlier one claimed has to be claimed still."""
        self._view = view
        self._uncovered.clear()
        self._short_s.clear()
        self._aparts.clear()
        alive = {each.intent_id: each for each in view.reservations()}
        for before in self._before:
            after = alive.get(before.intent_id)
            if after is not None:
                if after.amount != before.amount:
                    self._violated(
                        "I9", f"{before.intent_id} came back with {after.amount} {before.asset}, had {before.amount}"
                    )
            elif self._has_to_come_back(before):
                self._violated("I9", f"{before.intent_id} ({before.state}, {before.amount}) is gone after a restart")
        for intent_id, each in alive.items():
            if self._states.get(intent_id) in _ENDS and self._is_sure:
                self._violated("I9", f"{intent_id} had ended as {self._states[intent_id]} and is {each.state} again")
            # What a dead client had not written down, it has to do again.
            self._states[intent_id] = each.state.value
            self._clients[intent_id] = each.client_order_id
        self._before = []

    def _has_to_come_back(self, before: ReservationView) -> bool:
        if self._is_sure:
            return self._states.get(before.intent_id) not in _ENDS
        # One that nothing was sent on may have died with its client; one that left may not.
        return before.client_order_id in {each.client_order_id for each in self._record.sent}

    def unwatch(self, *, in_order: bool) -> None:
        """The client is about to end, in order or without a word."""
        if self._view is not None:
            self._before = [each for each in self._view.reservations() if not each.state.is_ended]
            self._view = None
            self._is_sure = in_order
            self.figures.restarts += 1

    # What happens at the venue

    def _order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        client_id = order.request.client_order_id
        if client_id is None:
            return
        if fill is not None:
            self._orders.setdefault(client_id, {})[order.id] = True
            self._spend(self._bots.get(client_id), fill)
        if change is Change.ACCEPTED:
            self.accepted.setdefault(client_id, []).append(order.id)
            self._orders.setdefault(client_id, {})[order.id] = False
            self._open.setdefault(client_id, set()).add(order.id)
            if len(self.accepted[client_id]) > 1:
                self._judge_second(client_id, order.id)
            if client_id in self._absent:
                self._violated("I10", f"{client_id} was accepted after it had been called absent")
        elif not order.is_open:
            still_open = self._open.get(client_id, set()) - {order.id}
            if still_open:
                self._open[client_id] = still_open
            else:
                self._open.pop(client_id, None)
            if order.reason == "Insufficient funds" or (
                self._wire is not None and self._wire.is_short(order.reason or "")
            ):
                self._explain_refusal(client_id, order.request)

    def _is_first(self, order: Order) -> bool:
        """Whether an order is the first that came of its request."""
        client_id = order.request.client_order_id
        return client_id is not None and self.accepted.get(client_id, [order.id])[0] == order.id

    def _judge_second(self, client_id: str, order_id: str) -> None:
        """An id of ours has another order: ours to answer for, unless the venue made it of a copy of one request."""
        takes_ids_once = self._wire is None or self._wire.takes_ids_once
        count = sum(each.client_order_id == client_id for each in self._record.sent)
        if takes_ids_once or count != 1 or client_id in self._doubled:
            self._violated("I11", f"{client_id} was sent {count} times, and accepted as {self.accepted[client_id]}")
            return
        self.figures.orders_doubled += 1
        self._doubled[client_id] = order_id
        bot = self._bots.get(client_id)
        if bot is not None:
            self._unbudgeted.add(bot)

    def _judge_broken(self, invariant: str, detail: str) -> None:
        """The client found an invariant broken: right only where a copy of a request broke it."""
        for client_id, orders in self.accepted.items():
            if client_id in self._doubled and invariant == "I11" and all(order_id in detail for order_id in orders):
                self._told.add(client_id)
                return
        self._violated(invariant, f"the client found it broken itself: {detail}")

    @property
    def is_told_of_doubled(self) -> bool:
        """Whether the client has told of every order that a copy of a request made."""
        return self._told == self._doubled.keys()

    def _spend(self, bot: str | None, fill: Fill) -> None:
        if bot is None:
            return
        base, quote = split_symbol(fill.symbol)
        gave, took = ((quote, fill.cost), (base, fill.quantity))
        if fill.side == "sell":
            gave, took = took, gave
        for asset, amount in ((gave[0], gave[1]), (took[0], took[1].copy_negate()), (fill.fee_asset, fill.fee)):
            self._spent[bot, asset] = add(self._spent.get((bot, asset), _ZERO), amount)

    def _refused(self, account: Account, request: OrderRequest, text: str) -> None:
        is_short = "Insufficient funds" in text if self._wire is None else self._wire.is_short(text)
        if request.client_order_id is not None and is_short:
            self._explain_refusal(request.client_order_id, request)

    def _explain_refusal(self, client_id: str, request: OrderRequest) -> None:
        """The venue refused for funds what was approved: only others, or the market, may be why."""
        self.figures.refused_for_funds += 1
        approved = self._needed.get(client_id)
        if approved is None:
            self._violated("P4", f"{client_id} was refused for funds and never approved")
            return
        asset, required, at_s = approved
        self._outside.settle()
        if self._outside.excuse(asset, since_s=at_s - self._unnoticed_s()) > 0:
            return
        if request.quantity is not None and request.limit_price is None and request.side == "buy":
            return  # A market order by quantity costs what it costs; how far it may run is the estimate's to say.
        self._violated(
            "P4",
            f"{client_id} was refused for funds: approved with {required} {asset}, free {self._venue.free(asset)}",
        )

    def happened(self) -> None:
        """Something was made to happen at the venue."""
        self._outside.settle()

    # What the client says

    def on_event(self, event: Event) -> None:
        """Judge an event in the step in which it is told."""
        fields = event.fields
        if event.name == "verdict.given":
            self._judge_verdict(fields)
        elif event.name == "reservation.changed":
            self._judge_step(fields)
        elif event.name == "order.sent":
            self._judge_sending(fields)
        elif event.name == "order.changed" and fields["after"] == "absent":
            self._judge_absence(fields["intent_id"])
        elif event.name == "invariant.broken":
            self._judge_broken(str(fields["invariant"]), str(fields["detail"]))
        elif event.name == "reservations.uncovered":
            self._uncovered.add(fields["asset"])
        elif event.name == "reservations.recovered":
            self._uncovered.discard(fields["asset"])

    def _judge_verdict(self, fields: Mapping[str, Any]) -> None:
        if fields.get("symbol") is None:
            return
        figures, asset, code = self.figures, fields["asset"], fields["code"]
        required = None if fields.get("required") is None else parse_amount(fields["required"])
        spendable = None if fields.get("spendable") is None else parse_amount(fields["spendable"])
        intent_id = fields.get("intent_id")
        figures.asked += 1
        self._outside.settle()
        room = subtract(self._venue.free(asset), self.unplaced(asset, but_for=intent_id))
        if code == "approved":
            figures.approved += 1
            assert required is not None
            if intent_id is not None:
                self._required[intent_id] = (asset, required, self._clock.now_s())
            if required > room:
                self._judge_overspend(asset, required=required, room=room, intent_id=intent_id)
        elif code in ("approved_unverified", "approved_degraded"):
            figures.approved_otherwise += 1
            self._judge_unverified(fields, required)
            if intent_id is not None and required is not None:
                self._required[intent_id] = (asset, required, self._clock.now_s())
        else:
            figures.denied[code] += 1
        if code == "balance_stale":
            self._judge_exit(fields, required)
        if fields["state"] in _FIT and code not in _NOT_ABOUT_FUNDS and self._venue.takes_orders(fields["symbol"]):
            self._count_fitting(code, required=required, spendable=spendable, room=room, asset=asset)

    def _count_fitting(
        self, code: str, *, required: Decimal | None, spendable: Decimal | None, room: Decimal, asset: AssetCode
    ) -> None:
        figures = self.figures
        is_approved = code.startswith("approved")
        # What could not even be worked out (no price, no fee) would have fitted, for all we know.
        floor = self._floors.get(asset, _ZERO)
        if code != "budget_short" and (required is None or add(required, floor) <= room):
            figures.fitting += 1
            figures.fitting_approved += is_approved
            if not is_approved:
                figures.missed[code] += 1
        if required is not None and spendable is not None and required <= spendable and code != "budget_short":
            figures.fitting_by_ledger += 1
            figures.fitting_by_ledger_approved += is_approved

    def _judge_overspend(self, asset: AssetCode, *, required: Decimal, room: Decimal, intent_id: str | None) -> None:
        now_s = self._clock.now_s()
        bound_s = self._unnoticed_s()
        excuse = self._outside.excuse(asset, since_s=now_s - bound_s)
        if required <= add(room, excuse):
            if intent_id is None or intent_id not in self._excused:
                self.figures.apart += 1
                self._excused.add(intent_id or "")
            debit_s = self._outside.last_debit_s(asset) or now_s
            self._aparts.append(_Apart(asset=asset, debit_s=debit_s, due_s=debit_s + bound_s))
            return
        self._violated(
            "I1",
            f"{intent_id} was approved with {required} {asset}; free {self._venue.free(asset)}, not yet at the venue "
            f"{self.unplaced(asset, but_for=intent_id)}, taken by others within {bound_s:.1f} s {excuse}",
        )

    def _judge_exit(self, fields: Mapping[str, Any], required: Decimal | None) -> None:
        if fields.get("side") != "sell" or self._view is None or required is None:
            return
        figure = self._view.balance(fields["asset"])
        if figure.spendable is not None and figure.spendable >= required:
            self._violated(
                "P8", f"an exit of {required} {fields['asset']} within {figure.spendable} was denied as stale"
            )

    def _judge_unverified(self, fields: Mapping[str, Any], required: Decimal | None) -> None:
        if self._view is None:
            return
        figure = self._view.balance(fields["asset"])
        if fields["state"] == "unknown" or figure.total is None or required is None or required > figure.total:
            text = f"{required} {fields['asset']} were approved on {figure.total} ({fields['state']})"
            self._violated("P8", f"{fields['code']}: {text}")

    def _judge_step(self, fields: Mapping[str, Any]) -> None:
        intent_id, before, after = fields["intent_id"], fields["before"], fields["after"]
        known = self._states.get(intent_id)
        if before != known and not (before is None and known in _ENDS):
            self._violated("I9", f"{intent_id} went from {before} to {after}, and was {known}")
        if after not in _STEPS[known]:
            self._violated("I9", f"{intent_id} went from {known} to {after}")
        if parse_amount(fields["reserved"]) < 0:
            self._violated("I9", f"{intent_id} claims {fields['reserved']}")
        self._states[intent_id] = after
        client_id = self._client_of(intent_id)
        if before is None:
            self._judge_claim(intent_id)
        if after == "in_doubt":
            self.figures.doubts += 1
        if before == "in_doubt" and after != "in_doubt":
            self._doubted.pop(intent_id, None)
            if client_id in self.accepted:
                self.figures.doubts_found += 1
            elif after in ("active", "covered", "consumed"):
                self._violated("I10", f"{intent_id} is {after} after a doubt, and the venue never had its order")
            else:
                self.figures.doubts_absent += 1
                self._judge_absence(intent_id)
        if after in _ENDS and client_id is not None:
            self._judge_end(intent_id, client_id, before, after)

    def _judge_end(self, intent_id: str, client_id: str, before: str | None, after: str) -> None:
        # Of an id that was doubled either order may be the one that the client knows as its own: one has to agree.
        orders = self._orders.get(client_id, {"": False})
        still_open = self._open.get(client_id, set())
        if still_open == orders.keys():
            self._violated("I9", f"{intent_id} ended as {after} while its order is open at the venue")
        elif (after == "consumed") not in {filled for name, filled in orders.items() if name not in still_open}:
            was = "filled" if any(orders.values()) else "not filled"
            self._violated("I9", f"{intent_id} ended as {after}, and its order was {was}")
        if not any(each.client_order_id == client_id for each in self._record.sent):
            return
        if after == "expired":
            self._violated("I10", f"{intent_id} expired although its order had left")
        elif before == "active" and client_id not in self.accepted:
            answers = self._record.answers.get(client_id, [])
            proves = _proves_refusal if self._wire is None else self._wire.proves_refusal
            if not any(proves(text) for text in answers):
                self._violated("I10", f"{intent_id} ended as {after} although its order had left; answers: {answers}")

    def _judge_claim(self, intent_id: str) -> None:
        """Money was claimed: check and claim are one step, and this is it."""
        if self._view is None:
            return  # On its way out: what it still claims is looked for once it is back.
        claim = next((each for each in self._view.reservations() if each.intent_id == intent_id), None)
        if claim is None:
            self._violated("I9", f"{intent_id} was claimed, and is not among the reservations")
            return
        self._required[intent_id] = (claim.asset, claim.amount, self._clock.now_s())
        if claim.bot is not None:
            self._bots[claim.client_order_id] = claim.bot
            self._judge_budget(claim, claim.bot)
        if self._view.balance(claim.asset).is_fit_to_approve:
            self._outside.settle()
            room = subtract(self._venue.free(claim.asset), self.unplaced(claim.asset, but_for=intent_id))
            if claim.amount > room:
                self._judge_overspend(claim.asset, required=claim.amount, room=room, intent_id=intent_id)

    def _judge_budget(self, claim: ReservationView, bot: str) -> None:
        """What a bot has spent and may still spend stays within what it was given."""
        budget = self._budgets.get(bot, {}).get(claim.asset)
        if budget is None or bot in self._unbudgeted:
            return
        assert self._view is not None
        unplaced = total_of(
            each.amount
            for each in self._view.reservations()
            if each.bot == bot and each.asset == claim.asset and each.client_order_id not in self.accepted
        )
        held = total_of(
            order.claim
            for order in self._venue.open_orders()
            if order.hold_asset == claim.asset and self._bots.get(order.request.client_order_id or "") == bot
        )
        spent = max(_ZERO, self._spent.get((bot, claim.asset), _ZERO))
        if total_of((spent, held, unplaced)) > budget:
            self._violated(
                "P4",
                f"{bot} may claim {budget} {claim.asset}: spent {spent}, held {held}, claimed {unplaced} with "
                f"{claim.intent_id}",
            )

    def _judge_sending(self, fields: Mapping[str, Any]) -> None:
        intent_id, client_id = fields["intent_id"], fields["client_order_id"]
        self._clients[intent_id] = client_id
        if intent_id not in self._required:
            self._violated("I1", f"{intent_id} was sent and never approved")
        else:
            self._needed[client_id] = self._required[intent_id]
        if self._states.get(intent_id) not in ("active", "covered", "in_doubt"):
            self._violated("I9", f"{intent_id} was sent without a live reservation: {self._states.get(intent_id)}")

    def _judge_absence(self, intent_id: str) -> None:
        """An order in doubt was given up: was there evidence that it never came about?"""
        client_id = self._client_of(intent_id)
        if client_id is None:
            self._violated("I10", f"{intent_id} was in doubt, and nobody knows its client order id")
            return
        if client_id in self._absent:
            return
        self._absent[client_id] = self._clock.now_s()
        if client_id in self.accepted:
            self._violated("I10", f"{client_id} was given up as absent, and the venue has {self.accepted[client_id]}")
        sent = [each for each in self._record.sent if each.client_order_id == client_id]
        if not sent:
            return  # Nothing of it ever left: there was nothing to find.
        deadline_us = sent[-1].deadline_us
        if deadline_us is None or self._venue.now_us() < deadline_us:
            self._violated("I10", f"{client_id} was given up before the end of its validity")
            return
        since_us = deadline_us + round(self._rest_lag_s * 1e6)
        for name in _LOOKUPS_NEEDED:
            is_asked = any(
                each.name == name
                and each.sent_us >= since_us
                and each.client_order_id in (None, client_id)
                and client_id not in each.named
                for each in self._record.lookups
            )
            if not is_asked:
                self._violated(
                    "I10",
                    f"{client_id} was given up without {name} asked {self._rest_lag_s:.0f} s after its validity",
                )

    def _client_of(self, intent_id: str) -> str | None:
        client_id = self._clients.get(intent_id)
        if client_id is None and self._view is not None:
            for each in self._view.reservations():
                self._clients.setdefault(each.intent_id, each.client_order_id)
            client_id = self._clients.get(intent_id)
        return client_id

    # Looking

    def unplaced(self, asset: AssetCode, *, but_for: str | None = None) -> Decimal:
        """What live reservations of *asset* claim whose orders the venue has not taken over."""
        if self._view is None:
            return _ZERO
        return total_of(
            each.amount
            for each in self._view.reservations()
            if each.asset == asset
            and not each.state.is_ended
            and each.intent_id != but_for
            and each.client_order_id not in self.accepted
        )

    def look(self) -> None:
        """Judge what the client shows now."""
        view = self._view
        if view is None:
            return
        reserved: dict[AssetCode, Decimal] = {}
        unplaced: dict[AssetCode, Decimal] = {}
        for each in view.reservations():
            self._clients.setdefault(each.intent_id, each.client_order_id)
            if each.reserved < 0 or each.amount < 0:
                self._violated("I9", f"{each.intent_id} is negative: {each.amount}, {each.reserved}")
            reserved[each.asset] = add(reserved.get(each.asset, _ZERO), each.reserved)
            if each.client_order_id not in self.accepted:
                unplaced[each.asset] = add(unplaced.get(each.asset, _ZERO), each.amount)
            if each.state == "in_doubt":
                self._judge_doubt(each)
        self._outside.settle()
        for asset, balance in view.balances().items():
            if balance.reserved != reserved.get(asset, _ZERO):
                self._violated(
                    "I9", f"{asset} shows {balance.reserved} reserved, its reservations {reserved.get(asset, _ZERO)}"
                )
            if asset in self._assets and balance.is_fit_to_approve:
                self._judge_spendable(asset, balance, unplaced=unplaced.get(asset, _ZERO))
            self._judge_covered(asset, balance, unplaced=unplaced.get(asset, _ZERO))
        now_s = self._clock.now_s()
        due = [each for each in self._aparts if each.due_s <= now_s]
        self._aparts = [each for each in self._aparts if each.due_s > now_s]
        for apart in due:
            self._judge_noticed(apart)

    def _judge_doubt(self, each: ReservationView) -> None:
        began = self._doubted.setdefault(each.intent_id, each.amount)
        if each.amount != began:
            self._violated("I10", f"{each.intent_id} is in doubt, and went from {began} to {each.amount}")
        if each.reserved != each.amount and each.client_order_id not in self.accepted:
            self._violated("I10", f"{each.intent_id} is in doubt with {each.amount}, and {each.reserved} is counted")

    def _judge_spendable(self, asset: AssetCode, balance: Balance, *, unplaced: Decimal) -> None:
        """Money is never counted zero times: what may still be promised is what the venue would let go."""
        assert balance.spendable is not None
        room = subtract(self._venue.free(asset), unplaced)
        if balance.spendable <= max(room, _ZERO):
            return
        excuse = self._outside.excuse(asset, since_s=self._clock.now_s() - self._unnoticed_s())
        if balance.spendable > max(total_of((room, excuse, self._rounding(asset))), _ZERO):
            self._violated(
                "I1",
                f"{balance.spendable} {asset} are spendable ({balance.state}, {balance.source}); the venue lets go "
                f"{self._venue.free(asset)}, not yet there {unplaced}, taken by others {excuse}",
            )

    def _judge_covered(self, asset: AssetCode, balance: Balance, *, unplaced: Decimal) -> None:
        """Claims that others have left without money are told of, once they could be noticed."""
        now_s = self._clock.now_s()
        # Beyond what fees that no figure shows, and rounding, may make of it.
        is_short = bool(unplaced) and multiply(unplaced, _NEARLY) > max(self._venue.free(asset), _ZERO)
        if not is_short or not balance.is_fit_to_approve:
            self._short_s.pop(asset, None)
            return
        since_s = self._short_s.setdefault(asset, now_s)
        if now_s - since_s > self._unnoticed_s() + _TOLD_WITHIN_S and asset not in self._uncovered:
            self._violated(
                "V5",
                f"{unplaced} {asset} are claimed, {self._venue.free(asset)} are free: since {now_s - since_s:.1f} s "
                "nobody was told",
            )

    def _rounding(self, asset: AssetCode) -> Decimal:
        """What the venue may have rounded up in claiming for open buys: no client can know, the buffer covers it."""
        buys = sum(order.request.side == "buy" and order.hold_asset == asset for order in self._venue.open_orders())
        return multiply(Decimal(buys), Decimal(1).scaleb(_COARSER - self._venue.decimals(asset)))

    def _judge_noticed(self, apart: _Apart) -> None:
        """What others took has to be seen by now, and reservations that it leaves uncovered be told of."""
        view, asset = self._view, apart.asset
        if view is None or not view.balance(asset).is_fit_to_approve:
            return
        self._outside.settle()
        short = subtract(self.unplaced(asset), self._venue.free(asset))
        excuse = self._outside.excuse(asset, since_s=apart.debit_s)
        if short > excuse and asset not in self._uncovered:
            self._violated("I1", f"others took {asset} {apart.due_s - apart.debit_s:.1f} s ago; {short} is uncovered")

    def sample(self, *, is_possible: bool) -> None:
        """Another second has passed in which approvals were possible, or not."""
        self.figures.seconds += 1
        self.figures.seconds_possible += is_possible

    # The end

    def leaks(self) -> list[str]:
        """Live reservations that no open order of the venue stands behind."""
        if self._view is None:
            return []
        return [
            f"{each.intent_id} {each.state} {each.reserved} {each.asset} ({each.cause})"
            for each in self._view.reservations()
            if not each.state.is_ended and each.client_order_id not in self._open
        ]

    def judge_run(self) -> None:
        """Judge what only the whole run shows."""
        figures = self.figures
        sent: Counter[str] = Counter()
        for each in self._record.sent:
            if each.client_order_id is None:
                self._violated("I11", "an order left without a client order id")
            else:
                sent[each.client_order_id] += 1
            if each.deadline_us is None:
                self._violated("I10", f"{each.client_order_id} left without an end of its validity")
        for client_id, count in sent.items():
            if count > 1:
                self._violated("I11", f"{client_id} was sent {count} times")
        for client_id, order_id in self._doubled.items():
            if client_id not in self._told:
                self._violated("I11", f"{client_id} has a second order, {order_id}, and nobody was told")
        for client_id in self.accepted:
            if client_id not in sent:
                self._violated("I11", f"the venue has {client_id}, which nobody sent")
        known = set(self._clients.values())
        for client_id in sent:
            if client_id not in known:
                self._violated("P10", f"{client_id} left, and the client never told of it")
        figures.orders_sent = sum(sent.values())
        figures.orders_accepted = len(self.accepted)


def _proves_refusal(answer: str) -> bool:
    """Whether an answer says that the order is not, and will not be, at the venue."""
    if answer == "unsent":
        return True
    return answer.startswith(_REFUSALS) and not answer.startswith(_PROVES_NOTHING)
