"""What each bot may still spend: of an amount, of a share, of nothing, or of all there is."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest

from holdfast.core.budgets import Budget, Budgets

NOTHING: dict[str, Decimal] = {}
ZERO = Decimal(0)

BUDGETS = Budgets(
    {
        "amount": {"USD": Budget(amount=Decimal(500))},
        "share": {"USD": Budget(share=Decimal("0.25")), "BTC": Budget(share=Decimal(1))},
        "free": {"BTC": Budget(amount=Decimal(1))},
    }
)


def left(bot: str | None, asset: str = "USD", **facts: object) -> Decimal | None:
    known: dict[str, object] = {"total": Decimal(1000), "claimed": ZERO, "spent": NOTHING}
    return BUDGETS.left(bot, asset, **{**known, **facts})  # type: ignore[arg-type]


def test_an_amount_is_left_until_it_is_claimed_or_spent() -> None:
    assert left("amount") == 500
    assert left("amount", claimed=Decimal("120.5")) == Decimal("379.5")
    assert left("amount", claimed=Decimal(100), spent={"amount": Decimal(150)}) == 250
    assert left("amount", claimed=Decimal(500)) == 0
    assert left("amount", claimed=Decimal(501)) == 0  # Never below nothing.
    assert left("amount", total=None) == 500


def test_what_comes_back_frees_the_budget_and_a_gain_adds_nothing_to_it() -> None:
    assert left("amount", spent={"amount": Decimal(-80)}) == 500
    assert left("amount", claimed=Decimal(10), spent={"amount": Decimal(-80)}) == 490


def test_a_share_is_of_the_account_as_it_was_before_the_bots_spent_of_it() -> None:
    assert left("share") == 250
    # 200 of the account were turned into something else by both bots: it is as large as before.
    spent = {"share": Decimal(150), "amount": Decimal(50)}
    assert left("share", total=Decimal(800), spent=spent) == 100
    assert left("share", total=Decimal(800), spent={**spent, "amount": Decimal(-50)}) == Decimal("87.5")
    assert left("share", total=Decimal(-5)) == 0


def test_a_share_of_what_is_not_known_is_nothing() -> None:
    assert left("share", total=None) == 0


def test_another_bots_spending_is_not_charged_to_this_one() -> None:
    assert left("amount", spent={"share": Decimal(400)}) == 500


def test_a_named_bot_without_a_budget_for_the_asset_has_all_there_is() -> None:
    assert left("free") is None
    assert left("amount", "BTC") is None
    assert left("amount", "DOT") is None


@pytest.mark.parametrize("bot", ["stranger", None, "", "AMOUNT"])
def test_who_is_not_named_has_nothing_of_what_is_shared_out(bot: str | None) -> None:
    assert left(bot) == 0
    note = BUDGETS.note(bot, "USD")
    assert note is not None
    assert "amount, free, share" in note
    assert ("names no bot" if bot is None else str(bot)) in note
    assert left(bot, "DOT") is None
    assert BUDGETS.note(bot, "DOT") is None


def test_named_bots_need_no_note() -> None:
    assert BUDGETS.note("amount", "USD") is None
    assert BUDGETS.note("free", "USD") is None


def test_without_budgets_everybody_has_all_there_is() -> None:
    none = Budgets({})
    assert none.left("any", "USD", total=None, claimed=ZERO, spent=NOTHING) is None
    assert none.left(None, "USD", total=None, claimed=ZERO, spent=NOTHING) is None
    assert none.note(None, "USD") is None


def test_the_callers_decimal_context_changes_nothing() -> None:
    with decimal.localcontext(decimal.Context(prec=1, traps=[])):
        found = left("share", total=Decimal("1234.567"), claimed=Decimal("0.001"), spent={"amount": Decimal("0.433")})
    assert found == Decimal("308.749")
