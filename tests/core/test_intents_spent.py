"""What each bot has paid and received of its fills: what its budget is charged with."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.core.intent_life import Life, fill, opened


def placed(side: str = "buy", *, bot: str | None = "grid") -> Life:
    """A resting order of a bot."""
    life = Life()
    if side == "buy":
        life.claim("a", "409.6", bot=bot)
    else:
        life.claim("a", "0.01", asset="BTC", side="sell", bot=bot)
    life.submit(side=side)
    life.row("new", side=side)
    return life


def spent(life: Life, bot: str = "grid") -> dict[str, Decimal]:
    return life.intents.spent.get(bot, {})


def test_a_buy_spends_cost_and_fee_and_receives_base() -> None:
    life = placed()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    assert spent(life) == {"USD": Decimal("401.6"), "BTC": Decimal("-0.01")}
    assert life.intents.spent_changed == {"grid"}


def test_a_sell_spends_base_and_receives_proceeds_less_the_fee() -> None:
    life = placed("sell")
    life.row("trade", side="sell", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    assert spent(life) == {"BTC": Decimal("0.01"), "USD": Decimal("-398.4")}


def test_a_fee_in_base_lowers_what_a_buy_receives() -> None:
    life = placed()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="BTC 0.00004"))
    assert spent(life) == {"USD": Decimal("400"), "BTC": Decimal("-0.00996")}


def test_a_round_trip_gives_back_what_was_spent() -> None:
    life = placed()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400"))
    life.row("filled", filled="0.01")
    life.claim("b", "0.01", asset="BTC", side="sell", bot="grid")
    life.submit("b", side="sell")
    life.row("trade", name="b", order_id="O2", side="sell", filled="0.01", cost="410", fill=fill("T2", "0.01", "410"))
    assert spent(life) == {"USD": Decimal("-10"), "BTC": Decimal("0.00")}


@pytest.mark.parametrize("times", [1, 3])
def test_a_fill_is_charged_once_however_often_it_is_told(times: int) -> None:
    life = placed()
    for _ in range(times):
        life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
        life.found_open(opened(filled="0.004", cost="160"))
    life.row("canceled", filled="0.004", cost="160")
    for _ in range(times):
        life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
        life.found_closed(status="canceled", filled="0.004", cost="160", fee="0.64")
    assert spent(life)["USD"] == Decimal("160.64")


def test_a_late_row_of_an_order_that_a_list_said_is_over_is_charged_once() -> None:
    life = placed()
    life.found_closed(status="canceled", filled="0.004", cost="160", fee="0.64")
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    assert spent(life)["USD"] == Decimal("160.64")
    assert spent(life)["BTC"] == Decimal("-0.004")


def test_a_fill_no_row_told_of_is_charged_at_the_worst_fee_until_a_list_states_the_real_one() -> None:
    life = placed()
    life.found_open(opened(filled="0.01", cost="400"))
    assert spent(life)["USD"] == Decimal("401.6")
    for _ in range(2):
        life.found_closed(fee="1.0")
        assert spent(life)["USD"] == Decimal("401.0")
    assert life.live().fees == {"USD": Decimal("1.0")}


def test_an_order_of_no_bot_charges_nobody() -> None:
    life = placed(bot=None)
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400"))
    assert life.intents.spent == {}
    assert life.intents.spent_changed == set()


def test_bots_are_charged_apart() -> None:
    life = placed()
    life.claim("b", "409.6", bot="other")
    life.submit("b")
    life.row("trade", name="b", order_id="O2", filled="0.01", cost="400", fill=fill("T1", "0.01", "400"))
    assert spent(life) == {}
    assert spent(life, "other")["USD"] == Decimal("400")
