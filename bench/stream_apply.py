"""
What one pushed change costs: from the decoded delta to the swapped picture.

``prepare`` builds a live ledger of any number of assets, ``apply`` is the step that is measured, ``floor`` the least
code that could do the same job: look the asset up, add exactly, swap a new value in. Others import these; run as a
script it prints its own small table.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec

from holdfast.core.amounts import add
from holdfast.core.balances import Delta, Holding, OrdersSnapshot, Snapshot, Source
from holdfast.core.ledger import Ledger, LedgerSettings

__all__ = ["apply", "floor", "median_ns", "prepare", "prepare_floor"]

NOW_S = 1000.0


def prepare(assets: int) -> Ledger:
    """A live ledger with so many funded assets, ``A0`` and on, and no open orders."""
    ledger = Ledger(settings=LedgerSettings(), reads=("BalanceEx", "Balance"), pushes_balances=True)
    holdings = {
        f"A{number}": Holding(
            asset=f"A{number}", total=Decimal("1500.25"), held=Decimal(0), available=Decimal("1500.25")
        )
        for number in range(assets)
    }
    orders = OrdersSnapshot(read="executions", source=Source.STREAM, as_of_s=NOW_S, orders={})
    ledger.state_orders(orders, now_s=NOW_S)
    for read, source in (("balances", Source.STREAM), ("BalanceEx", Source.REST)):
        states_holds = source is Source.REST
        totals = holdings if states_holds else {a: Holding(asset=a, total=h.total) for a, h in holdings.items()}
        snapshot = Snapshot(read=read, source=source, as_of_s=NOW_S, holdings=totals, states_holds=states_holds)
        ledger.state_snapshot(snapshot, now_s=NOW_S)
    ledger.prove(NOW_S)
    ledger.move((_delta(),), now_s=NOW_S)  # The first of a burst asks for a read; the rest do not.
    return ledger


def _delta() -> Delta:
    return Delta(
        asset="A0",
        change=Decimal("-0.25"),
        total=None,
        kind="withdrawal",
        ref="R1",
        has_other_leg=False,
        as_of_s=NOW_S,
        entry="L1",
    )


def apply(ledger: Ledger) -> Callable[[], object]:
    """One pushed change of one asset, as the stream's sink makes it: proof, then the delta."""
    deltas = (_delta(),)
    prove, move = ledger.prove, ledger.move

    def step() -> object:
        prove(NOW_S)
        return move(deltas, now_s=NOW_S)

    return step


class _Figure(msgspec.Struct, frozen=True, kw_only=True):
    asset: str
    total: Decimal
    held: Decimal
    available: Decimal
    as_of_s: float


def prepare_floor(assets: int) -> dict[str, _Figure]:
    """The same account as plain values."""
    amount = Decimal("1500.25")
    return {
        f"A{number}": _Figure(asset=f"A{number}", total=amount, held=Decimal(0), available=amount, as_of_s=NOW_S)
        for number in range(assets)
    }


def floor(figures: dict[str, _Figure]) -> Callable[[], object]:
    """Look up, add exactly, swap in: no history, no judgement, nobody told."""
    delta = _delta()

    def step() -> object:
        figure = figures[delta.asset]
        figure = figures[delta.asset] = _Figure(
            asset=figure.asset,
            total=add(figure.total, delta.change),
            held=figure.held,
            available=add(figure.available, delta.change),
            as_of_s=NOW_S,
        )
        return figure

    return step


def median_ns(step: Callable[[], object], *, calls: int = 20_000, rounds: int = 7) -> float:
    """Median CPU nanoseconds of one call, over several rounds."""
    times = []
    for _ in range(rounds):
        began_ns = time.process_time_ns()
        for _ in range(calls):
            step()
        times.append((time.process_time_ns() - began_ns) / calls)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    for assets in (30, 300):
        floor_ns = median_ns(floor(prepare_floor(assets)))
        ours_ns = median_ns(apply(prepare(assets)))
        print(f"{assets:4} assets  floor {floor_ns:7.0f} ns  ledger {ours_ns:7.0f} ns  {ours_ns / floor_ns:.2f}x")
    ledger = prepare(300)
    print(f"prove   {median_ns(lambda: ledger.prove(NOW_S)):7.0f} ns")
    print(f"balance {median_ns(lambda: ledger.balance('A0', now_s=NOW_S)):7.0f} ns")


if __name__ == "__main__":
    main()
