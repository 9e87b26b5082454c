"""Every word that a balance may carry as its reason is in the list, and on the page about balances."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from holdfast.core.reasons import REASONS
from tests.properties.test_ledger_model import ACTS, FEES, Dice, Model

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "balances.md"


@pytest.mark.parametrize("word", sorted(REASONS))
def test_every_reason_is_on_the_page_about_balances(word: str) -> None:
    assert f"`{word}`" in PAGE.read_text(encoding="utf-8")


def test_stories_end_in_no_reason_that_is_not_listed() -> None:
    seen: set[str] = set()
    for seed in range(30):
        dice = random.Random(seed)
        model = Model(dice.choice(FEES))
        for _ in range(60):
            dice.choice(ACTS)(model, Dice(dice.randrange(2**16)))
            seen |= {balance.reason for balance in model.picture().values() if balance.reason is not None}

    assert seen <= REASONS.keys()
    assert {"age", "closed", "gap", "suspect_empty", "disputed", "unanchored", "never_stated"} <= seen
