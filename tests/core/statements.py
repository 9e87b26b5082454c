"""What a venue might say, in few words, and an account that is told it step by step."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.balances import (
    Balance,
    BalanceState,
    Delta,
    Holding,
    OpenOrder,
    OrderChange,
    OrdersSnapshot,
    Partial,
    Side,
    Snapshot,
    Source,
)
from holdfast.core.ledger import Ledger, LedgerSettings, Outcome, WantKind

READS = ("BalanceEx", "Balance")
STREAM = "balances"


def holding(asset: str, text: str) -> Holding:
    """``"1500"`` states a total alone, ``"1500 400 1100"`` total, held and available."""
    total, *rest = text.split()
    if not rest:
        return Holding(asset=asset, total=Decimal(total))
    held, available = rest
    return Holding(asset=asset, total=Decimal(total), held=Decimal(held), available=Decimal(available))


def rest(as_of_s: float, /, *, read: str = "BalanceEx", omits: str = "", **totals: str) -> Snapshot:
    """A complete REST answer; ``BalanceEx`` states holds, a bare total meaning that all of it is available."""
    holds = read == "BalanceEx"
    texts = {asset: text if " " in text or not holds else f"{text} 0 {text}" for asset, text in totals.items()}
    return Snapshot(
        read=read,
        source=Source.REST,
        as_of_s=as_of_s,
        holdings={asset: holding(asset, text) for asset, text in texts.items()},
        states_holds=holds,
        omits=frozenset(omits.split()),
    )


def pushed(as_of_s: float, /, *, omits: str = "", **totals: str) -> Snapshot:
    """The balances channel's snapshot: totals alone, unless the texts have more."""
    return Snapshot(
        read=STREAM,
        source=Source.STREAM,
        as_of_s=as_of_s,
        holdings={asset: holding(asset, text) for asset, text in totals.items()},
        states_holds=bool(totals) and all(" " in text for text in totals.values()),
        omits=frozenset(omits.split()),
    )


def part(as_of_s: float, *, source: Source = Source.REST, **totals: str) -> Partial:
    """A statement of some assets."""
    return Partial(
        read="single",
        source=source,
        as_of_s=as_of_s,
        holdings={asset: holding(asset, text) for asset, text in totals.items()},
        states_holds=all(" " in text for text in totals.values()),
    )


def delta(
    asset: str,
    change: str,
    *,
    as_of_s: float = 0.0,
    ref: str | None = None,
    is_leg: bool = False,
    total: str | None = None,
    kind: str | None = None,
) -> Delta:
    """One ledger row; with *is_leg* one of two."""
    return Delta(
        asset=asset,
        change=Decimal(change),
        total=None if total is None else Decimal(total),
        kind=kind or ("trade" if is_leg else "deposit"),
        ref=ref,
        has_other_leg=is_leg,
        as_of_s=as_of_s,
    )


def order(order_id: str, hold: str | None, asset: str | None = "USD", *, symbol: str | None = "BTC-USD") -> OpenOrder:
    """An open order that holds *hold* of *asset*."""
    return OpenOrder(
        order_id=order_id,
        client_order_id=None,
        symbol=symbol,
        side=Side.BUY if asset == "USD" else Side.SELL,
        order_type="limit" if hold is not None else "market",
        quantity=Decimal(1),
        filled=Decimal(0),
        limit_price=None,
        hold_asset=asset,
        hold=None if hold is None else Decimal(hold),
    )


def orders(as_of_s: float, *open_orders: OpenOrder, source: Source = Source.STREAM) -> OrdersSnapshot:
    """Every open order."""
    return OrdersSnapshot(
        read="executions" if source is Source.STREAM else "OpenOrders",
        source=source,
        as_of_s=as_of_s,
        orders={each.order_id: each for each in open_orders},
    )


class Account:
    """
    A ledger and a clock. Statements are made *now* unless they say otherwise; ``hear`` moves the clock too.

    The stream is heard every second that passes, as a venue's heartbeat would be, while it is connected.
    """

    def __init__(self, settings: LedgerSettings | None = None, *, pushes_balances: bool = True) -> None:
        self.ledger = Ledger(settings=settings or LedgerSettings(), reads=READS, pushes_balances=pushes_balances)
        self.now_s = 1000.0
        self.is_heard = False

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass, with heartbeats while the stream is heard and ticks when they are due."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + 1.0)
            if self.is_heard:
                self.ledger.prove(self.now_s)
            due_s = self.ledger.next_due_s()
            if due_s is not None and due_s <= self.now_s:
                self.ledger.tick(self.now_s)

    def tick(self) -> Outcome:
        """What is due now."""
        return self.ledger.tick(self.now_s)

    # Statements

    def read(self, *, read: str = "BalanceEx", **totals: str) -> Outcome:
        """A REST answer to what was asked just now."""
        return self.read_late(self.now_s, read=read, **totals)

    def read_late(self, asked_s: float, /, *, read: str = "BalanceEx", **totals: str) -> Outcome:
        """A REST answer to what was asked at *asked_s*."""
        return self.ledger.state_snapshot(rest(asked_s, read=read, **totals), now_s=self.now_s)

    def push(self, **totals: str) -> Outcome:
        """The balances channel's snapshot."""
        self.is_heard = True
        self.ledger.prove(self.now_s)
        return self.ledger.state_snapshot(pushed(self.now_s, **totals), now_s=self.now_s)

    def push_orders(self, *open_orders: OpenOrder) -> Outcome:
        """The orders channel's snapshot."""
        self.is_heard = True
        self.ledger.prove(self.now_s)
        return self.ledger.state_orders(orders(self.now_s, *open_orders), now_s=self.now_s)

    def move(self, *deltas: Delta) -> Outcome:
        """Ledger rows in one frame."""
        self.ledger.prove(self.now_s)
        return self.ledger.move(deltas, now_s=self.now_s)

    def place(self, placed: OpenOrder) -> Outcome:
        """The stream's word on a new or changed order."""
        return self.ledger.change_orders(
            [OrderChange(order_id=placed.order_id, order=placed, as_of_s=self.now_s, reason="new")], now_s=self.now_s
        )

    def fill(self, order_id: str, ref: str, left: OpenOrder | None = None) -> Outcome:
        """The stream's word on a fill; *left* is what remains open."""
        change = OrderChange(order_id=order_id, order=left, as_of_s=self.now_s, ref=ref, reason="trade")
        return self.ledger.change_orders([change], now_s=self.now_s)

    def end(self, order_id: str, reason: str = "canceled") -> Outcome:
        """The stream's word on an order that ended without a fill."""
        change = OrderChange(order_id=order_id, order=None, as_of_s=self.now_s, reason=reason)
        return self.ledger.change_orders([change], now_s=self.now_s)

    def go_live(self, *open_orders: OpenOrder, **totals: str) -> None:
        """Stream and REST agree: the whole account is live. Totals as in ``rest``."""
        self.push_orders(*open_orders)
        self.push(**{asset: text.split()[0] for asset, text in totals.items()})
        self.read(**totals)
        for asset in totals:
            assert self[asset].state is BalanceState.LIVE, self[asset]

    # Answers

    def __getitem__(self, asset: str) -> Balance:
        return self.ledger.balance(asset, now_s=self.now_s)

    def figures(self, asset: str) -> str:
        """Total, held and available as text without idle zeros, ``?`` where unknown."""
        balance = self[asset]
        shown = (
            "?" if each is None else f"{each.normalize():f}"
            for each in (balance.total, balance.held, balance.available)
        )
        return " ".join(shown)

    def label(self, asset: str) -> str:
        """State and reason, such as ``stale gap`` or ``live``."""
        balance = self[asset]
        return balance.state.value if balance.reason is None else f"{balance.state.value} {balance.reason}"

    def picture(self) -> dict[str, Balance]:
        """Every balance there is, and one that nobody ever stated."""
        return {**self.ledger.balances(now_s=self.now_s), "NEVER": self["NEVER"]}

    def wanted(self, kind: WantKind) -> list[str]:
        """The reasons for which something is wanted now."""
        return [want.reason for want in self.ledger.wants if want.kind is kind]
