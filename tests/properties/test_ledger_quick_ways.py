"""What the ledger does quickly because it happens with every frame is what it does the long way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.balances import BalanceState, Delta
from holdfast.core.changes import Moved
from holdfast.core.ledger import Ledger, LedgerSettings
from holdfast.errors import InvariantError
from tests.properties.test_ledger_model import ACTS, ASSETS, FEES, Act, Dice, Model, acts


class LongWay(Ledger):
    """A ledger that follows no delta quickly."""

    def follow(self, delta: Delta, now_s: float) -> Moved | None:
        return None


class Counted(Ledger):
    """A ledger that counts the deltas it followed quickly."""

    followed = 0

    def follow(self, delta: Delta, now_s: float) -> Moved | None:
        moved = super().follow(delta, now_s)
        self.followed += moved is not None
        return moved


def model_with(kind: type[Ledger], fee: Decimal) -> Model:
    model = Model(fee)
    model.ledger = kind(settings=LedgerSettings(), reads=("BalanceEx", "Balance"), pushes_balances=True)
    return model


def tell_both(fee: Decimal, story: list[tuple[Act, int]]) -> int:
    """The same story to both ledgers; how many deltas were followed quickly."""
    quick, slow = model_with(Counted, fee), model_with(LongWay, fee)
    for act, seed in story:
        act(quick, Dice(seed))
        act(slow, Dice(seed))
        now_s = quick.now_s
        assert quick.ledger.balances(now_s=now_s) == slow.ledger.balances(now_s=now_s)
        assert set(quick.ledger.wants) == set(slow.ledger.wants)
        assert quick.ledger.discrepancies == slow.ledger.discrepancies
        assert quick.ledger.next_due_s() == slow.ledger.next_due_s()
        check_states(quick)
    assert isinstance(quick.ledger, Counted)
    return quick.ledger.followed


def check_states(model: Model) -> None:
    """States alone are those of the balances, and stay live for as long as is said while the stream is heard."""
    ledger, now_s = model.ledger, model.now_s
    states = ledger.states(now_s=now_s)
    assert states == {asset: each.state for asset, each in ledger.balances(now_s=now_s).items()}
    until_s = ledger.live_until_s(now_s=now_s)
    if until_s > now_s:
        assert set(states.values()) <= {BalanceState.LIVE}
        if ledger.is_heard(now_s=until_s):
            assert set(ledger.states(now_s=until_s).values()) <= {BalanceState.LIVE}


@settings(max_examples=100)
@given(fee=st.sampled_from(FEES), story=st.lists(acts, max_size=30))
def test_any_story_ends_the_same_the_quick_way_and_the_long_way(fee: Decimal, story: list[tuple[Act, int]]) -> None:
    tell_both(fee, story)


def test_long_stories_take_the_quick_way_often_and_end_the_same() -> None:
    followed = 0
    ordinary = (Model.deposit, Model.withdraw, Model.deliver_everything, Model.read)
    for seed in range(20):
        dice = Dice(seed)
        story: list[tuple[Act, int]] = [(Model.connect, 0), (Model.read, 0)]
        story += [(dice.choice(ordinary if dice.random() < 0.9 else ACTS), dice.randrange(2**16)) for _ in range(60)]
        followed += tell_both(dice.choice(FEES), story)
    assert followed > 100


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_delta_that_is_no_amount_is_not_followed(amount: str) -> None:
    model = model_with(Counted, FEES[0])
    for act in (Model.connect, Model.read, Model.deposit, Model.deliver_everything, Model.deposit):
        act(model, Dice(1))
    before = model.ledger.balances(now_s=model.now_s)
    for asset in ASSETS:
        for total in (None, Decimal(amount)):
            delta = Delta(
                asset=asset,
                change=Decimal(amount),
                total=total,
                kind="deposit",
                ref="R",
                has_other_leg=False,
                as_of_s=model.now_s,
            )
            assert model.ledger.follow(delta, model.now_s) is None
            with pytest.raises(InvariantError):
                model.ledger.move((delta,), now_s=model.now_s)
    assert model.ledger.balances(now_s=model.now_s) == before
