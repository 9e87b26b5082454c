"""One broker's intents beside a ledger that says whatever a test wants, in few words."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.amounts import ZERO
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrderFill, OrdersSnapshot, Side, Source
from holdfast.core.intents import Intent, Intents
from holdfast.core.orders import OrderAck, OrderState, OrderTicket, OrderType, TimeInForce
from holdfast.core.reservations import Reservations, ReservationState
from holdfast.core.venue import ClosedOrder

LAG_S = 60.0
PRICE = "40000"
FEE_RATE = Decimal("0.004")


class SaidLedger:
    """A ``HandOver`` that says what the test put there; of what it was not told it knows nothing."""

    def __init__(self) -> None:
        self.holds: dict[str, tuple[str, Decimal]] = {}
        self.included: set[str] = set()
        self.excess: dict[str, Decimal] = {}
        self.anchored_s: dict[str, float] = {}
        self.restated_s = float("-inf")

    def counted_hold(self, order_id: str) -> tuple[str, Decimal] | None:
        return self.holds.get(order_id)

    def includes(self, order_id: str) -> bool:
        return order_id in self.included

    def hold_excess(self, asset: str) -> Decimal:
        return self.excess.get(asset, ZERO)

    def is_anchored_since(self, asset: str, since_s: float) -> bool:
        return self.anchored_s.get(asset, float("-inf")) >= since_s

    def is_restated_since(self, since_s: float, asset: str | None = None) -> bool:
        return self.restated_s >= since_s


class Life:
    """Intents with their book, their ledger and a clock that tests move by hand."""

    def __init__(self, *, holds_linger: bool = False) -> None:
        self.sums: dict[str, Decimal] = {}
        self.book = Reservations(self.sums.__setitem__)
        self.intents = Intents(book=self.book, rest_lag_s=LAG_S, holds_linger=holds_linger)
        self.ledger = SaidLedger()
        self.now_s = 1000.0

    @property
    def wall_us(self) -> int:
        return int(self.now_s * 1e6)

    # Steps of ours

    def claim(
        self,
        name: str = "a",
        amount: str = "408.16",
        *,
        asset: str = "USD",
        spendable: str = "1000000",
        bot: str | None = None,
        expires_s: float | None = 30.0,
        side: str = "buy",
        price: str | None = PRICE,
    ) -> Intent:
        """A claim of 0.01 BTC at 40,000: 400 and 8 of buffer and fee, unless told otherwise."""
        return self.intents.claim(
            Intent(
                intent_id=name,
                client_order_id=f"c-{name}",
                asset=asset,
                amount=Decimal(amount),
                reservation=ReservationState.ACTIVE,
                symbol="BTC-USD",
                side=Side(side),
                bot=bot,
                fee_rate=FEE_RATE,
                price=None if price is None else Decimal(price),
                expires_us=None if expires_s is None else self.wall_us + int(expires_s * 1e6),
                expires_s=None if expires_s is None else self.now_s + expires_s,
                created_us=self.wall_us,
                updated_us=self.wall_us,
                claimed_s=self.now_s,
            ),
            spendable=Decimal(spendable),
        )

    def submit(
        self,
        name: str = "a",
        *,
        side: str = "buy",
        order_type: str = "limit",
        quantity: str | None = "0.01",
        quote_quantity: str | None = None,
        price: str | None = PRICE,
    ) -> Intent:
        """Its order is about to be sent."""
        return self.intents.submit(
            name,
            OrderTicket(
                client_order_id=f"c-{name}",
                symbol="BTC-USD",
                side=Side(side),
                order_type=OrderType(order_type),
                quantity=None if quantity is None else Decimal(quantity),
                quote_quantity=None if quote_quantity is None else Decimal(quote_quantity),
                limit_price=None if price is None or order_type == "market" else Decimal(price),
                time_in_force=TimeInForce.GTC,
                is_post_only=False,
                valid_until_us=self.wall_us + 5_000_000,
            ),
            is_exit=side == "sell",
            wall_us=self.wall_us,
        )

    def sent(self, name: str = "a", amount: str = "408.16", **order: str | None) -> Intent:
        """Claimed and submitted: a buy of 0.01 BTC at 40,000, unless told otherwise."""
        side = order.get("side") or "buy"
        self.claim(name, amount, asset="BTC" if side == "sell" else "USD", side=side)
        return self.submit(name, **order)  # type: ignore[arg-type]

    def ack(self, name: str = "a", order_id: str | None = "O1", via: str = "stream") -> None:
        answer = OrderAck(order_id=order_id, client_order_id=f"c-{name}", as_of_s=self.now_s, via=via)
        self.intents.acked(name, answer, wall_us=self.wall_us)

    def lose(self, name: str = "a") -> bool:
        return self.intents.doubt(name, cause="lost", detail=None, wall_us=self.wall_us)

    def refuse(self, name: str = "a") -> None:
        self.intents.refused(name, cause="EOrder:Invalid price", detail=None, wall_us=self.wall_us)

    def never_sent(self, name: str = "a") -> None:
        self.intents.never_sent(name, cause="never_sent", detail=None, wall_us=self.wall_us)

    def recount(self) -> set[str]:
        return self.intents.recount(self.ledger, wall_us=self.wall_us)

    # The venue's word

    def row(
        self,
        reason: str = "new",
        *,
        name: str | None = "a",
        order_id: str = "O1",
        filled: str | None = "0",
        cost: str | None = None,
        fill: OrderFill | None = None,
        quantity: str | None = "0.01",
        price: str | None = PRICE,
        side: str = "buy",
        is_over: bool | None = None,
    ) -> bool:
        """One row of the orders channel; ``filled``, ``canceled`` and ``expired`` end the order."""
        ends = reason in ("filled", "canceled", "expired") if is_over is None else is_over
        order = opened(
            order_id, name=name, filled=filled or "0", quantity=quantity, price=price, side=side, cost=cost or "0"
        )
        change = OrderChange(
            order_id=order_id,
            order=None if ends else order,
            as_of_s=self.now_s,
            ref=None if fill is None else fill.fill_id,
            reason=reason,
            client_order_id=None if name is None else f"c-{name}",
            filled=None if filled is None else Decimal(filled),
            cost=None if cost is None else Decimal(cost),
            fill=fill,
        )
        return self.intents.changed(change, now_s=self.now_s, wall_us=self.wall_us)

    def state(self, *orders: OpenOrder, source: Source = Source.STREAM) -> list[str]:
        """Every open order of the account; which intents are missing there."""
        snapshot = OrdersSnapshot(
            read="executions", source=source, as_of_s=self.now_s, orders={each.order_id: each for each in orders}
        )
        missing = self.intents.stated(snapshot, now_s=self.now_s, wall_us=self.wall_us)
        return [intent.intent_id for intent in missing]

    def found_open(self, order: OpenOrder) -> bool:
        return self.intents.found_open(order, now_s=self.now_s, wall_us=self.wall_us)

    def found_closed(
        self,
        *,
        name: str | None = "a",
        order_id: str = "O1",
        status: str = "closed",
        filled: str = "0.01",
        cost: str = "400",
        fee: str = "1.6",
        side: str = "buy",
    ) -> bool:
        closed = ClosedOrder(
            order_id=order_id,
            client_order_id=None if name is None else f"c-{name}",
            symbol="BTC-USD",
            side=Side(side),
            status=status,
            quantity=Decimal("0.01"),
            filled=Decimal(filled),
            cost=Decimal(cost),
            fee=Decimal(fee),
            closed_at_s=self.now_s,
            reason=None,
        )
        return self.intents.found_closed(closed, now_s=self.now_s, wall_us=self.wall_us)

    def leg(self, asset: str, change: str, ref: str | None) -> None:
        """A balance leg arrived."""
        self.intents.moved(
            [
                Delta(
                    asset=asset,
                    change=Decimal(change),
                    total=None,
                    kind="trade",
                    ref=ref,
                    has_other_leg=True,
                    as_of_s=self.now_s,
                )
            ]
        )

    # Looking

    def live(self, name: str = "a") -> Intent:
        intent = self.intents.get(name)
        assert intent is not None, f"{name} is not live"
        return intent

    def ended(self, name: str = "a") -> Intent:
        assert self.intents.get(name) is None, f"{name} is live"
        intent = self.intents.gone(name)
        assert intent is not None
        return intent

    def at(self, name: str = "a") -> str:
        """Where an intent stands, its order first: ``open, covered``; ``-`` for no order."""
        intent = self.intents.get(name) or self.intents.gone(name)
        assert intent is not None
        return f"{'-' if intent.order is None else intent.order.value}, {intent.reservation.value}"

    def reserved(self, asset: str = "USD") -> Decimal:
        """What is taken off spendable; the book and whoever it told agree."""
        reserved = self.book.reserved(asset)
        assert self.sums.get(asset, ZERO) == reserved
        self.book.check()
        return reserved

    def steps(self) -> list[str]:
        """The causes of what changed since the last look."""
        return [change.after.cause for change in self.intents.drain()]


def opened(
    order_id: str = "O1",
    *,
    name: str | None = "a",
    filled: str = "0",
    quantity: str | None = "0.01",
    price: str | None = PRICE,
    side: str = "buy",
    cost: str | None = "0",
    fee: str | None = None,
) -> OpenOrder:
    """An open order as the venue lists it."""
    return OpenOrder(
        order_id=order_id,
        client_order_id=None if name is None else f"c-{name}",
        symbol="BTC-USD",
        side=Side(side),
        order_type="market" if price is None else "limit",
        quantity=None if quantity is None else Decimal(quantity),
        filled=Decimal(filled),
        limit_price=None if price is None else Decimal(price),
        hold_asset="BTC" if side == "sell" else "USD",
        hold=None,
        cost=None if cost is None else Decimal(cost),
        fee=None if fee is None else Decimal(fee),
    )


def fill(fill_id: str, quantity: str, cost: str, *, fees: str = "USD 0") -> OrderFill:
    """One execution; ``fees`` as ``USD 1.6`` or, charged in two, ``USD 1, BTC 0.1``."""
    charged = tuple((asset, Decimal(amount)) for asset, amount in (each.split() for each in fees.split(", ")))
    return OrderFill(
        fill_id=fill_id,
        quantity=Decimal(quantity),
        price=None,
        cost=Decimal(cost),
        fees=tuple((asset, amount) for asset, amount in charged if amount),
    )


ENDED_ORDERS = [each for each in OrderState if each.is_ended]
