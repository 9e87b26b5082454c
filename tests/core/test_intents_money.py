"""
What an order's claim counts for beside what the figures take off for it already.

The sum of both is never less than what the order may still take and what it took that the figures do not show: that is
what is asserted here at each moment of a hand-over, with the ledger's word given by the test.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast.core.amounts import add
from tests.core.intent_life import LAG_S, Life, fill, opened

WORTH = Decimal("401.6")
"""0.01 BTC at 40,000 with the worst fee: what a resting order needs."""


def resting(name: str = "a", order_id: str = "O1", amount: str = "409.6") -> Life:
    """A limit buy of 0.01 BTC that rests, of which the ledger knows nothing yet."""
    life = Life()
    life.sent(name, amount)
    life.row("new", name=name, order_id=order_id)
    life.recount()
    return life


# Hand-over


def test_until_the_ledger_knows_of_an_order_all_that_it_needs_counts() -> None:
    life = resting()
    assert life.at() == "open, active"
    assert life.reserved() == WORTH


def test_the_buffer_of_a_resting_limit_order_is_given_back_as_its_price_bounds_it() -> None:
    life = Life()
    life.sent(amount="409.6")
    assert life.reserved() == Decimal("409.6")
    life.row("new")
    life.recount()
    assert life.reserved() == WORTH


def test_what_the_figures_take_off_for_an_order_counts_no_second_time() -> None:
    life = resting()
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.recount()
    assert life.at() == "open, active"
    assert life.reserved() == Decimal("1.6")


def test_covered_is_an_order_that_the_venues_own_hold_is_known_to_include() -> None:
    life = resting()
    life.ledger.included.add("O1")
    life.recount()
    assert life.at() == "open, active"  # In no open-order set: no hold of it is counted.
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.recount()
    assert life.at() == "open, covered"
    assert life.reserved() == Decimal("1.6")


def test_what_the_venue_holds_beyond_our_estimate_is_the_fee() -> None:
    life = resting()
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.ledger.included.add("O1")
    life.ledger.excess["USD"] = Decimal("1.6")
    life.recount()
    assert life.at() == "open, covered"
    assert life.reserved() == 0


def test_the_fee_that_the_venue_holds_is_shared_out_once() -> None:
    life = resting("a", "O1")
    life.sent("b", "409.6")
    life.row("new", name="b", order_id="O2")
    for order_id in ("O1", "O2"):
        life.ledger.holds[order_id] = ("USD", Decimal("400"))
        life.ledger.included.add(order_id)
    life.ledger.excess["USD"] = Decimal("2")
    life.recount()
    assert life.reserved() == Decimal("1.2")  # 3.2 of fees, 2 of them held.


def test_the_fee_that_the_venue_holds_pays_for_no_fill_that_the_figures_lack() -> None:
    life = resting()
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    life.ledger.holds["O1"] = ("USD", Decimal("240"))
    life.ledger.included.add("O1")
    life.ledger.excess["USD"] = Decimal("100")
    life.recount()
    assert life.reserved() == Decimal("160.64")


def test_a_hold_on_another_asset_covers_nothing() -> None:
    life = resting()
    life.ledger.holds["O1"] = ("BTC", Decimal("400"))
    life.ledger.included.add("O1")
    life.recount()
    assert life.at() == "open, active"
    assert life.reserved() == WORTH


def test_an_order_the_ledger_loses_sight_of_counts_in_full_again() -> None:
    life = resting()
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.ledger.included.add("O1")
    life.recount()
    del life.ledger.holds["O1"]
    life.recount()
    assert life.reserved() == WORTH
    assert not life.live().reservation.is_ended


def test_a_hold_from_before_a_fill_hands_over_no_more_than_what_is_left_of_the_order() -> None:
    life = resting()
    life.ledger.holds["O1"] = ("USD", Decimal("500"))
    life.recount()
    assert life.reserved() == Decimal("1.6")  # The fee, which no estimate of a hold includes.


def test_a_resting_sell_needs_what_remains_of_it() -> None:
    life = Life()
    life.sent(amount="0.01", side="sell")
    life.row("new", side="sell")
    life.recount()
    assert life.reserved("BTC") == Decimal("0.01")
    life.ledger.holds["O1"] = ("BTC", Decimal("0.01"))
    life.recount()
    assert life.reserved("BTC") == 0


def test_an_order_without_a_price_keeps_its_whole_claim_until_it_is_over() -> None:
    life = Life()
    life.sent(amount="416", order_type="market")
    life.ack()
    life.recount()
    assert life.reserved() == Decimal("416")
    life.row("new", price=None)
    life.recount()
    assert life.reserved() == Decimal("416")


def test_counting_again_without_anything_new_changes_nothing() -> None:
    life = resting()
    life.intents.drain()
    assert life.recount() == set()
    assert life.steps() == []
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    assert life.recount() == {"USD"}
    assert life.recount() == set()


# Fills


def test_what_a_fill_took_counts_until_its_balance_leg_has_arrived() -> None:
    life = resting()
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    life.ledger.holds["O1"] = ("USD", Decimal("240"))
    life.recount()
    # 240 rest with 0.96 of fee, and 160.64 were paid that no figure shows.
    assert life.reserved() == Decimal("161.6")
    life.leg("USD", "-160.64", "T1")
    life.recount()
    assert life.reserved() == Decimal("0.96")


def test_a_leg_that_came_before_its_row_is_remembered() -> None:
    life = resting()
    life.leg("USD", "-401.6", "T1")
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.recount()
    assert life.reserved() == 0
    life.row("filled", filled="0.01")
    life.recount()
    assert life.at() == "filled, consumed"


def test_only_the_leg_of_what_pays_shows_what_a_fill_took() -> None:
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.leg("BTC", "0.01", "T1")
    life.leg("USD", "-401.6", "T2")
    life.leg("USD", "-401.6", None)
    life.recount()
    assert life.reserved() == WORTH


def test_a_filled_order_is_consumed_only_once_the_figures_have_every_fill() -> None:
    life = resting()
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160"))
    life.row("trade", filled="0.01", cost="400", fill=fill("T2", "0.006", "240"))
    life.row("filled", filled="0.01")
    life.leg("USD", "-240", "T2")
    life.recount()
    assert life.at() == "filled, active"
    assert life.reserved() == Decimal("160")
    life.leg("USD", "-160", "T1")
    life.recount()
    assert life.at() == "filled, consumed"
    assert life.reserved() == 0


def test_a_cancelled_order_keeps_what_it_filled_until_the_figures_have_it() -> None:
    life = resting()
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    life.row("canceled", filled="0.004", cost="160")
    life.recount()
    assert life.at() == "canceled, active"
    assert life.reserved() == Decimal("160.64")
    life.leg("USD", "-160.64", "T1")
    life.recount()
    assert life.at() == "canceled, consumed"
    assert life.ended().filled == Decimal("0.004")


@pytest.mark.parametrize("age_s", [1.0, LAG_S + 1.0])
def test_where_holds_linger_a_read_of_before_a_short_lived_order_frees_nothing(age_s: float) -> None:
    """It shows no hold, being late, while the venue goes on holding what the cancelled order held."""
    life = Life(holds_linger=True)
    life.sent("a", "409.6")
    life.row("new", name="a", order_id="O1")
    life.ledger.holds["O1"] = ("USD", Decimal("400"))  # The ledger takes that off: beside it only the fee counts.
    life.recount()
    assert life.reserved() == Decimal("1.6")
    life.now_s += age_s
    life.row("canceled")
    del life.ledger.holds["O1"]
    life.ledger.anchored_s["USD"] = life.now_s + 0.25
    life.recount()
    is_young = age_s < LAG_S
    assert life.reserved() == (WORTH if is_young else Decimal("1.6"))
    life.ledger.anchored_s["USD"] = life.now_s + 2.1
    life.recount()
    assert life.at() == "canceled, released"
    assert life.reserved() == 0


def test_a_row_that_is_repeated_counts_once() -> None:
    life = resting()
    for _ in range(3):
        life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    life.recount()
    assert (life.live().filled, life.live().cost) == (Decimal("0.004"), Decimal("160"))
    assert life.live().fees == {"USD": Decimal("0.64")}
    assert [each.amount for each in life.live().debits] == [Decimal("160.64")]


def test_a_row_without_a_sum_adds_its_fill_once() -> None:
    life = resting()
    for _ in range(2):
        life.row("trade", filled=None, fill=fill("T1", "0.004", "160"))
    assert (life.live().filled, life.live().cost) == (Decimal("0.004"), Decimal("160"))


def test_a_fee_in_base_is_taken_from_what_is_received_and_never_from_what_pays() -> None:
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="BTC 0.00004"))
    life.recount()
    assert life.reserved() == Decimal("400")
    assert life.live().fees == {"BTC": Decimal("0.00004")}


def test_a_fee_in_a_third_asset_is_shown_and_costs_nothing_of_what_pays() -> None:
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="KFEE 16"))
    life.recount()
    assert life.reserved() == Decimal("400")
    assert life.live().fees == {"KFEE": Decimal("16")}


def test_a_rebate_lowers_what_a_fill_took() -> None:
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD -0.04"))
    life.recount()
    assert life.reserved() == Decimal("399.96")


def test_a_fee_of_a_sell_charged_in_base_is_paid_beside_the_quantity() -> None:
    life = Life()
    life.sent(amount="0.01004", side="sell")
    life.row("new", side="sell")
    life.row("trade", side="sell", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="BTC 0.00004"))
    life.recount()
    assert life.reserved("BTC") == Decimal("0.01004")


def test_a_fill_dearer_than_the_claim_is_counted_all_the_same() -> None:
    life = Life()
    life.sent(amount="416", order_type="market")
    life.ack()
    life.row("trade", price=None, filled="0.01", cost="430", fill=fill("T1", "0.01", "430", fees="USD 1.72"))
    life.row("filled", price=None, filled="0.01")
    life.recount()
    assert life.reserved() == Decimal("431.72")
    assert life.book.get("a") is not None
    life.leg("USD", "-431.72", "T1")
    life.recount()
    assert life.reserved() == 0


# Fills that no row told of


def test_a_fill_known_from_a_list_only_counts_with_the_worst_fee() -> None:
    life = resting()
    life.found_open(opened(filled="0.004", cost="160"))
    life.recount()
    assert life.reserved() == add(Decimal("160.64"), Decimal("240.96"))


@pytest.mark.parametrize("proof", ["a leg of any other reference", "REST asked within the lag", "another asset's REST"])
def test_a_fill_without_a_reference_counts_until_a_statement_that_must_include_it(proof: str) -> None:
    life = resting()
    life.found_open(opened(filled="0.01", cost="400"))
    match proof:
        case "a leg of any other reference":
            life.leg("USD", "-401.6", "T1")
        case "REST asked within the lag":
            life.ledger.anchored_s["USD"] = life.now_s + 59.9
        case _:
            life.ledger.anchored_s["BTC"] = life.now_s + 1e6
    life.recount()
    assert life.reserved() == WORTH
    life.ledger.anchored_s["USD"] = life.now_s + 60.0
    life.recount()
    assert life.reserved() == 0


def test_a_fill_whose_leg_was_lost_counts_until_the_stream_states_itself_anew() -> None:
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.row("filled", filled="0.01")
    life.recount()
    assert life.reserved() == WORTH
    life.ledger.restated_s = life.now_s
    life.recount()
    assert life.reserved() == WORTH
    life.ledger.restated_s = life.now_s + 60.0
    life.recount()
    assert life.at() == "filled, consumed"


def test_a_snapshot_soon_after_a_fill_may_be_of_balances_that_lag_it() -> None:
    """A venue's balances follow a fill within five seconds; a snapshot of before is none of after."""
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.row("filled", filled="0.01")
    life.ledger.restated_s = life.now_s + 4.9
    life.recount()
    assert life.reserved() == WORTH


def test_an_execution_that_a_list_told_of_first_is_not_counted_again_by_its_row() -> None:
    life = resting()
    life.found_open(opened(filled="0.004", cost="160"))
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    life.recount()
    assert life.live().filled == Decimal("0.004")
    assert life.reserved() == Decimal("401.6")


def test_a_row_of_a_fill_that_a_list_told_of_in_part_adds_what_is_new_only() -> None:
    life = resting()
    life.found_open(opened(filled="0.006", cost="240"))
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.recount()
    assert life.reserved() == WORTH
    assert life.live().cost == Decimal("400")


def test_a_row_that_tells_less_than_what_is_new_leaves_no_hole() -> None:
    """Two fills, of which the row of the first never came."""
    life = resting()
    life.row("trade", filled="0.01", cost="400", fill=fill("T2", "0.006", "240", fees="USD 0.96"))
    life.recount()
    assert life.live().cost == Decimal("400")
    assert life.reserved() == Decimal("401.6")
    life.leg("USD", "-240.96", "T2")
    life.recount()
    assert life.reserved() == Decimal("160.64")


def test_a_list_that_lags_takes_back_nothing_that_was_filled() -> None:
    life = resting()
    life.row("trade", filled="0.006", cost="240", fill=fill("T1", "0.006", "240", fees="USD 0.96"))
    life.leg("USD", "-240.96", "T1")
    life.recount()
    assert life.reserved() == Decimal("160.64")
    life.found_open(opened(filled="0.002", cost="80"))
    life.recount()
    assert (life.live().filled, life.live().cost) == (Decimal("0.006"), Decimal("240"))
    assert life.reserved() == Decimal("160.64")


def test_a_fill_whose_cost_nobody_told_is_taken_at_the_limit() -> None:
    life = resting()
    life.found_open(opened(filled="0.01", cost=None))
    life.recount()
    assert life.reserved() == WORTH


def test_a_fill_of_a_market_order_whose_cost_nobody_told_is_taken_at_all_that_was_to_be_spent() -> None:
    life = Life()
    life.claim(amount="255", price=None)
    life.submit(order_type="market", quantity=None, quote_quantity="250")
    life.ack()
    life.found_open(opened(filled="0.001", cost=None, quantity=None, price=None))
    life.recount()
    assert life.live().cost == Decimal("250")
    assert life.reserved() >= Decimal("251")


# Another size


def test_an_order_that_was_made_larger_counts_for_what_it_is_now() -> None:
    life = resting()
    life.row("amended", quantity="0.02")
    life.recount()
    assert life.reserved() == Decimal("803.2")
    life.ledger.holds["O1"] = ("USD", Decimal("800"))
    life.recount()
    assert life.reserved() == Decimal("3.2")


def test_an_order_that_was_made_smaller_gives_the_rest_back() -> None:
    life = resting()
    life.row("amended", quantity="0.005")
    life.recount()
    assert life.reserved() == Decimal("200.8")


def test_an_order_that_was_given_a_dearer_price_counts_for_it() -> None:
    """Amended by somebody else: what it may take is the venue's word, not our ticket's."""
    life = resting()
    life.row("amended", price="50000")
    life.recount()
    assert life.reserved() == Decimal("502")


# Two claims


def test_each_claim_counts_for_itself() -> None:
    life = Life()
    life.claim("a", "100")
    life.claim("b", "200")
    life.claim("c", "0.5", asset="BTC", side="sell")
    assert (life.reserved("USD"), life.reserved("BTC")) == (Decimal("300"), Decimal("0.5"))
    life.intents.release("a", wall_us=life.wall_us)
    assert (life.reserved("USD"), life.reserved("BTC")) == (Decimal("200"), Decimal("0.5"))


def test_a_bots_claims_are_counted_with_what_the_venue_holds_for_them() -> None:
    life = Life()
    life.claim("a", "409.6", bot="grid")
    life.submit("a")
    life.row("new", name="a")
    life.claim("b", "100", bot="grid")
    life.claim("c", "100", bot="other")
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.recount()
    assert life.intents.claimed_by("grid", "USD") == add(WORTH, Decimal("100"))
    assert life.intents.claimed_by("grid", "BTC") == 0
    assert life.intents.claimed_by("nobody", "USD") == 0
