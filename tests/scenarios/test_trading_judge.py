"""The judge of trading lets honest clients pass, and sees each lie."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from holdfast.core.balances import BalanceState
from tests.scenarios.puppet import Puppet
from tests.scenarios.wires import OkxWire, Wire


def honest_order(puppet: Puppet, intent: str = "one") -> None:
    """A limit order from claim to consumption."""
    client_id = puppet.claim(intent, required="400")
    puppet.read()
    puppet.look()
    puppet.send(intent)
    puppet.step(intent, "covered", reserved="0")
    puppet.read()
    puppet.look()
    puppet.happen("fill", order=client_id)
    puppet.step(intent, "consumed")
    puppet.read()
    puppet.look()


class TestHonestClient:
    def test_order_that_is_filled_breaks_nothing(self) -> None:
        puppet = Puppet()
        honest_order(puppet)
        puppet.judge.judge_run()
        assert puppet.violations == []
        assert puppet.judge.leaks() == []
        figures = puppet.judge.figures
        assert (figures.asked, figures.approved, figures.fitting, figures.fitting_approved) == (1, 1, 1, 1)
        assert (figures.orders_sent, figures.orders_accepted) == (1, 1)

    def test_doubt_that_ends_by_evidence_of_absence_breaks_nothing(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt")
        puppet.read()
        puppet.look()
        puppet.bench.pass_time(66)
        puppet.look_everywhere("one")
        puppet.step("one", "released")
        puppet.judge.judge_run()
        assert puppet.violations == []
        assert (puppet.judge.figures.doubts, puppet.judge.figures.doubts_absent) == (1, 1)

    def test_doubt_that_ends_by_finding_the_order_breaks_nothing(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one")
        puppet.step("one", "in_doubt")
        puppet.step("one", "covered", reserved="0")
        puppet.judge.judge_run()
        assert puppet.violations == []
        assert puppet.judge.figures.doubts_found == 1

    def test_restart_that_keeps_every_claim_breaks_nothing(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.restart()
        puppet.restart(in_order=False)
        assert puppet.violations == []
        assert puppet.judge.figures.restarts == 2

    def test_claim_of_which_nothing_left_may_die_with_its_client(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.restart(in_order=False, keeps=False)
        assert puppet.violations == []


class TestOverspending:
    def test_claim_on_money_that_another_reservation_claims(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="6000")
        puppet.claim("two", required="6000")
        assert puppet.names == {"I1"}

    def test_approval_of_what_the_venue_holds_behind_an_order_and_its_fee(self) -> None:
        puppet = Puppet(does_hold_include_fee=False)
        puppet.claim("one", required="4000")
        puppet.send("one", volume="0.1")
        puppet.step("one", "covered", reserved="0")
        puppet.approve("two", "USD", "6100")  # Shown as available; the venue also claims 9.36 of fee.
        assert puppet.names == {"I1"}

    def test_every_cent_that_is_free_may_be_approved_and_not_one_more(self) -> None:
        puppet = Puppet()
        puppet.approve("one", "USD", "10000")
        assert puppet.violations == []
        puppet.approve("two", "USD", "10000.0001")
        assert puppet.names == {"I1"}

    def test_own_claim_is_not_counted_twice_when_an_order_is_judged_again(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="9000")
        puppet.approve("one", "USD", "9000")
        assert puppet.violations == []

    def test_figure_that_counts_handed_over_money_zero_times(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="4000")
        before = puppet.figures["USD"]
        puppet.send("one", volume="0.1")
        puppet.step("one", "covered", reserved="0")
        puppet.show("USD", reserved=Decimal(0), spendable=before.available)
        puppet.look()
        assert puppet.names == {"I1"}

    def test_order_that_was_never_approved(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.judge._required.clear()
        puppet.send("one")
        assert puppet.names == {"I1"}

    def test_venue_refuses_for_funds_what_was_approved(self) -> None:
        for is_cancelled in (False, True):
            puppet = Puppet(are_short_funds_a_cancel=is_cancelled)
            puppet.claim("one", required="400")  # Far too little for this order.
            puppet.send("one", volume="1")
            assert puppet.names == {"P4"}

    def test_stale_figure_stops_no_exit(self) -> None:
        puppet = Puppet()
        puppet.read(state=BalanceState.STALE)
        puppet.approve("one", "BTC", "0.1", code="balance_stale", side="sell", state="stale")
        assert puppet.names == {"P8"}
        puppet.violations.clear()
        puppet.approve("two", "BTC", "0.5", code="balance_stale", side="sell", state="stale")  # More than there is.
        puppet.approve("four", "BTC", "0.1", code="approved_unverified", side="sell", state="stale")
        puppet.approve("three", "USD", "100", code="balance_stale", side="buy", state="stale")
        assert puppet.violations == []

    def test_exit_beyond_what_was_ever_confirmed(self) -> None:
        for required, state in (("0.5", "stale"), ("0.1", "unknown")):
            puppet = Puppet()
            puppet.approve("one", "BTC", required, code="approved_unverified", side="sell", state=state)
            assert puppet.names == {"P8"}


class TestBudgets:
    def test_bot_that_claims_beyond_its_budget(self) -> None:
        puppet = Puppet(budgets={"alpha": {"USD": Decimal(1000)}})
        puppet.claim("one", required="600", bot="alpha")
        puppet.claim("two", required="600", bot="beta")
        assert puppet.violations == []
        puppet.claim("three", required="600", bot="alpha")
        assert puppet.names == {"P4"}

    def test_what_a_bot_has_spent_counts_and_what_it_earned_does_too(self) -> None:
        puppet = Puppet(budgets={"alpha": {"USD": Decimal(1000)}})
        puppet.claim("one", required="500", bot="alpha")
        puppet.send("one", ordertype="market", price="0")
        puppet.step("one", "consumed")
        puppet.claim("two", required="590", bot="alpha")  # About 401 are spent.
        puppet.step("two", "released")
        assert puppet.violations == []
        puppet.claim("three", required="610", bot="alpha")
        assert puppet.names == {"P4"}


class TestWhatOthersTake:
    def test_approval_on_what_was_taken_a_moment_ago_is_counted_apart(self) -> None:
        puppet = Puppet()
        puppet.happen("withdrawal", asset="USD", amount="9000")
        puppet.bench.pass_time(2)
        puppet.claim("one", required="4000")
        assert puppet.violations == []
        assert puppet.judge.figures.apart == 1

    def test_debit_that_the_client_then_tells_of_is_nobodys_fault(self) -> None:
        puppet = Puppet()
        puppet.happen("withdrawal", asset="USD", amount="9000")
        puppet.claim("one", required="4000")
        puppet.bench.pass_time(2)
        puppet.read()
        puppet.say("reservations.uncovered", asset="USD", reserved="4000", left="-3000")
        puppet.bench.pass_time(1)
        puppet.look()
        assert puppet.violations == []

    def test_debit_that_leaves_reservations_uncovered_and_is_never_told_of(self) -> None:
        puppet = Puppet()
        puppet.happen("withdrawal", asset="USD", amount="9000")
        puppet.claim("one", required="4000")
        puppet.bench.pass_time(3)
        puppet.read()
        puppet.look()
        assert puppet.names == {"I1"}

    def test_claims_left_without_money_are_told_of_or_it_is_seen(self) -> None:
        for is_told, names in ((True, set()), (False, {"V5"})):
            puppet = Puppet()
            puppet.claim("one", required="4000")
            puppet.happen("withdrawal", asset="USD", amount="9000")
            puppet.read()
            if is_told:
                puppet.say("reservations.uncovered", asset="USD", reserved="4000", left="1000")
            for _ in range(10):
                puppet.bench.pass_time(1)
                puppet.look()
            assert puppet.names == names

    def test_approval_on_what_was_taken_long_ago(self) -> None:
        puppet = Puppet()
        puppet.happen("external_order", pair="BTC-USD", side="buy", quantity="0.2", price="30000")
        puppet.bench.pass_time(3)
        puppet.claim("one", required="5000")
        assert puppet.names == {"I1"}

    def test_more_than_others_took_is_not_excused(self) -> None:
        puppet = Puppet()
        puppet.happen("withdrawal", asset="USD", amount="100")
        puppet.claim("one", required="10001")
        assert puppet.names == {"I1"}

    def test_what_our_own_orders_took_is_no_excuse(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="4100")
        puppet.send("one", ordertype="market", price="0", volume="0.1")
        puppet.step("one", "consumed")
        puppet.approve("two", "USD", "9000")
        assert puppet.names == {"I1"}

    def test_order_refused_because_others_took_the_money_is_explained(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="4000")
        puppet.happen("external_order", pair="BTC-USD", side="buy", quantity="0.25", price="39000")
        puppet.send("one", volume="0.1")
        assert puppet.violations == []
        assert puppet.judge.figures.refused_for_funds == 1

    def test_money_that_comes_back_excuses_nothing_that_is_taken_later(self) -> None:
        puppet = Puppet()
        puppet.happen("withdrawal", asset="USD", amount="500")
        puppet.happen("deposit", asset="USD", amount="500")
        puppet.approve("one", "USD", "10001")
        assert puppet.names == {"I1"}


class TestReservations:
    def test_two_ends(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.step("one", "released")
        puppet.step("one", "consumed")
        assert puppet.names == {"I9"}

    def test_end_while_the_order_is_open(self) -> None:
        for end in ("consumed", "released"):
            puppet = Puppet()
            puppet.claim("one")
            puppet.send("one")
            puppet.step("one", "covered", reserved="0")
            puppet.step("one", end)
            assert puppet.names == {"I9"}

    def test_negative_claim(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one")
        puppet.step("one", "covered", reserved="-1")
        assert puppet.names == {"I9"}

    def test_sum_that_the_figures_do_not_show(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.read()
        puppet.show("USD", reserved=Decimal(399))
        puppet.look()
        assert puppet.names == {"I9"}

    def test_state_that_comes_from_nowhere(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.step("one", "consumed", before="covered")
        assert puppet.names == {"I9"}

    def test_claim_that_a_restart_in_order_lost(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.restart(keeps=False)
        assert puppet.names == {"I9"}

    def test_claim_that_a_crash_lost_after_its_order_had_left(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.restart(in_order=False, keeps=False)
        assert puppet.names == {"I9"}

    def test_claim_that_came_back_smaller(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="400")
        puppet.judge.unwatch(in_order=True)
        puppet.shows["one"] = msgspec.structs.replace(puppet.shows["one"], amount=Decimal(300))
        puppet.judge.watch(puppet)
        assert puppet.names == {"I9"}

    def test_claim_that_rose_from_the_dead(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        shown = puppet.shows["one"]
        puppet.step("one", "released")
        puppet.judge.unwatch(in_order=True)
        puppet.shows["one"] = shown
        puppet.judge.watch(puppet)
        assert puppet.names == {"I9"}

    def test_claim_that_is_left_over_is_a_leak(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        assert len(puppet.judge.leaks()) == 1
        puppet.send("one")
        assert puppet.judge.leaks() == []


class TestDoubled:
    """The network delivers a request twice, and the venue makes two orders of it: what is asked of the client then."""

    # Over at once: an id may come again.
    BOUGHT: ClassVar[dict[str, Any]] = {"ordertype": "market", "volume": "0.001", "price": None}

    def doubled(self, wire: Wire | None) -> Puppet:
        puppet = Puppet(wire=wire)
        puppet.claim("one")
        puppet.read()
        puppet.send("one", copies=1, **self.BOUGHT)
        return puppet

    def told(self, puppet: Puppet) -> None:
        (orders,) = puppet.judge.accepted.values()
        detail = f"one has two orders at the venue: {orders[0]} and {orders[1]}"
        puppet.say("invariant.broken", invariant="I11", detail=detail)

    def test_client_that_tells_of_it_and_counts_its_money_breaks_nothing(self) -> None:
        puppet = self.doubled(OkxWire())
        puppet.look()  # What the copy took nobody could know in the same moment.
        self.told(puppet)
        puppet.step("one", "consumed")
        puppet.bench.pass_time(5)
        puppet.read()
        puppet.look()
        puppet.judge.judge_run()
        assert puppet.violations == []
        assert puppet.judge.is_told_of_doubled
        assert puppet.judge.figures.orders_doubled == 1

    def test_client_that_never_tells(self) -> None:
        puppet = self.doubled(OkxWire())
        puppet.step("one", "consumed")
        puppet.judge.judge_run()
        assert puppet.names == {"I11"}

    def test_client_that_does_not_count_what_the_copy_took(self) -> None:
        puppet = self.doubled(OkxWire())
        self.told(puppet)
        puppet.step("one", "consumed")
        puppet.show("USD", reserved=Decimal(0), spendable=puppet.figures["USD"].total)
        puppet.bench.pass_time(5)
        puppet.look()
        assert puppet.names == {"I1"}

    def test_venue_that_takes_ids_once_never_makes_two(self) -> None:
        puppet = self.doubled(None)
        assert puppet.names == {"I11"}

    def test_client_that_sent_it_twice_itself(self) -> None:
        puppet = Puppet(wire=OkxWire())
        puppet.claim("one")
        puppet.send("one", **self.BOUGHT)
        puppet.send("one", **self.BOUGHT)
        assert puppet.names == {"I11"}

    def test_reservation_that_ends_as_neither_order_did(self) -> None:
        puppet = self.doubled(OkxWire())
        self.told(puppet)
        puppet.step("one", "released")
        assert puppet.names == {"I9"}

    def test_invariant_that_is_called_broken_for_nothing(self) -> None:
        puppet = Puppet(wire=OkxWire())
        honest_order(puppet)
        puppet.say("invariant.broken", invariant="I11", detail="one has two orders at the venue: A and B")
        assert puppet.names == {"I11"}


class TestDoubts:
    def test_release_on_a_timeout(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt")
        puppet.bench.pass_time(4)
        puppet.step("one", "released")
        assert puppet.names == {"I10"}

    def test_release_on_elapsed_time_alone(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt")
        puppet.bench.pass_time(3600)
        puppet.step("one", "released")
        assert puppet.names == {"I10"}

    def test_release_on_queries_that_the_lag_had_not_passed(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt")
        puppet.bench.pass_time(64)  # Valid for 5, lagging for up to 60.
        puppet.look_everywhere("one")
        puppet.bench.pass_time(60)
        puppet.step("one", "released")
        assert puppet.names == {"I10"}

    def test_release_without_one_of_the_queries(self) -> None:
        for missing in ("OpenOrders", "ClosedOrders", "TradesHistory"):
            puppet = Puppet()
            puppet.claim("one")
            puppet.send("one", arrives=False)
            puppet.step("one", "in_doubt")
            puppet.bench.pass_time(70)
            for name in {"OpenOrders", "ClosedOrders", "TradesHistory"} - {missing}:
                puppet.look_up(name, "one")
            puppet.step("one", "released")
            assert puppet.names == {"I10"}

    def test_release_of_an_order_that_the_venue_has(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one")
        puppet.step("one", "in_doubt")
        puppet.bench.pass_time(70)
        puppet.look_everywhere("one")
        puppet.say("order.changed", intent_id="one", before="in_doubt", after="absent", filled="0", cause="test")
        assert puppet.names == {"I10"}

    def test_order_that_arrives_after_it_was_given_up(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt")
        puppet.bench.pass_time(70)
        puppet.look_everywhere("one")
        puppet.step("one", "released")
        puppet.bench.call(
            "AddOrder",
            ordertype="market",
            type="buy",
            volume="0.01",
            pair="XBTUSD",
            cl_ord_id=puppet.shows["one"].client_order_id,
        )
        assert puppet.names == {"I10"}

    def test_find_of_an_order_that_the_venue_never_had(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt")
        puppet.step("one", "consumed")
        assert puppet.names == {"I9", "I10"}

    def test_doubt_that_counts_less_than_it_claimed(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "in_doubt", reserved="100")
        puppet.read()
        puppet.look()
        assert puppet.names == {"I1", "I10"}

    def test_expiry_of_a_claim_whose_order_had_left(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "expired")
        assert puppet.names == {"I10"}

    def test_order_without_an_end_of_its_validity(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", has_deadline=False)
        puppet.judge.judge_run()
        assert puppet.names == {"I10"}


class TestEndsWithoutADoubt:
    def test_release_of_what_the_venue_refused_breaks_nothing(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", volume="0.00001")
        puppet.step("one", "released")
        assert puppet.violations == []

    def test_release_of_an_order_that_had_left_and_was_never_answered(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", arrives=False)
        puppet.step("one", "released")
        assert puppet.names == {"I10"}

    def test_release_on_an_answer_that_proves_nothing(self) -> None:
        for text, names in (
            ("EService:Unavailable", {"I10"}),
            ("EOrder:Rate limit exceeded", set()),
            ("unsent", set()),
        ):
            puppet = Puppet()
            puppet.claim("one")
            puppet.send("one", arrives=False)
            puppet.record.answer(puppet.shows["one"].client_order_id, text)
            puppet.step("one", "released")
            assert puppet.names == names

    def test_release_of_what_was_filled_and_consumption_of_what_was_not(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="500")
        puppet.send("one", ordertype="market", price="0")
        puppet.step("one", "released")
        assert puppet.names == {"I9"}
        puppet = Puppet()
        client_id = puppet.claim("one")
        puppet.send("one")
        puppet.happen("venue_cancel", order=client_id)
        puppet.step("one", "consumed")
        assert puppet.names == {"I9"}


class TestAtMostOnce:
    def test_second_sending_that_the_venue_executes_too(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="500")
        for _ in range(2):
            puppet.send("one", ordertype="market", price="0")
        assert puppet.names == {"I11"}

    def test_second_sending_that_the_venue_refuses(self) -> None:
        puppet = Puppet()
        puppet.claim("one", required="500")
        for _ in range(2):
            puppet.send("one")
        puppet.judge.judge_run()
        assert puppet.names == {"I11"}

    def test_order_that_nobody_sent(self) -> None:
        puppet = Puppet()
        puppet.bench.market(cl_ord_id="f" * 32)
        puppet.judge.judge_run()
        assert puppet.names == {"I11"}

    def test_order_that_left_and_was_never_told_of(self) -> None:
        puppet = Puppet()
        puppet.claim("one")
        puppet.send("one", is_told=False)
        puppet.judge._clients.clear()
        puppet.judge.judge_run()
        assert puppet.names == {"P10"}


class TestWhatIsCounted:
    def test_denial_of_what_fits_is_missed_and_its_code_is_told(self) -> None:
        puppet = Puppet()
        puppet.approve("one", "USD", "100", code="funds_short")
        puppet.approve("two", "USD", "100000", code="funds_short")
        puppet.approve("three", "USD", "100")
        figures = puppet.judge.figures
        assert (figures.asked, figures.fitting, figures.fitting_approved) == (3, 2, 1)
        assert figures.missed == {"funds_short": 1}
        assert figures.denied == {"funds_short": 2}

    def test_denial_on_a_stale_figure_or_a_closed_venue_is_not_missed(self) -> None:
        puppet = Puppet()
        puppet.approve("one", "USD", "100", code="balance_stale", state="stale")
        puppet.approve("two", "USD", "100", code="intent_repeated")
        puppet.happen("mode", mode="cancel_only")
        puppet.approve("three", "USD", "100", code="venue_closed")
        assert puppet.judge.figures.fitting == 0
