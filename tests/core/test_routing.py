"""Which broker an order goes to: each refusal, each answer, each policy, and when flow moves and returns."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import Side
from holdfast.core.bindings import SEND_WITHIN_S, Attempt, Binding, attempt_id, is_under_way
from holdfast.core.health import Health
from holdfast.core.orders import OrderAsk, OrderType
from holdfast.core.routing import (
    MEANINGS,
    BrokerFacts,
    Choice,
    Policy,
    Record,
    RefusalKind,
    RouteCode,
    Routing,
    RoutingRules,
    choose,
    remember,
)
from holdfast.core.verdicts import TradingState, Verdict, VerdictCode
from tests.core.funds_facts import terms

RULES = RoutingRules()
NOW_S = 1000.0
BUY = OrderAsk(symbol="BTC-USD", side=Side.BUY, order_type=OrderType.MARKET, quote_quantity=Decimal(100))
SELL = OrderAsk(symbol="BTC-USD", side=Side.SELL, order_type=OrderType.MARKET, quantity=Decimal("0.01"))


def verdict(code: str = "approved", **more: Any) -> Verdict:
    facts: dict[str, Any] = {
        "ask": BUY,
        "required": Decimal("102.26"),
        "notional": Decimal(100),
        "spendable": Decimal(500),
        "fee_rate": Decimal("0.0026"),
    }
    return Verdict(code=VerdictCode(code), asset="USD", **{**facts, **more})


def broker(name: str = "a", said: str | None = "approved", **more: Any) -> BrokerFacts:
    facts: dict[str, Any] = {
        "venue": "acme",
        "health": Health.HEALTHY,
        "reasons": (),
        "is_available": True,
        "verdict": None if said is None else verdict(said),
        "heard_s": NOW_S - 0.5,
    }
    return BrokerFacts(broker=name, **{**facts, **more})


def chosen(*facts: BrokerFacts, ask: OrderAsk = BUY, policy: str = "priority", **records: Record) -> Choice:
    return choose(facts, ask=ask, policy=Policy(policy), records=records, rules=RULES, now_s=NOW_S)


def test_the_first_that_would_do_is_chosen() -> None:
    choice = chosen(broker("a"), broker("b"))

    assert (choice.code, choice.broker, choice.ranking, choice.refusals) == (RouteCode.CHOSEN, "a", ("a", "b"), ())
    assert choice.why == "first of 2 that would do, in the configured order"


@pytest.mark.parametrize(
    ("facts", "kind", "code"),
    [
        (broker(health=Health.DOWN), "unhealthy", "down"),
        (broker(is_available=False, reasons=("trade_breaker_open",)), "unhealthy", "unavailable"),
        (broker(heard_s=NOW_S - 5.1), "unhealthy", "unheard"),
        (broker(heard_s=float("-inf")), "unhealthy", "unheard"),
        (broker(trouble=("late", "it did not say"), said=None), "unhealthy", "late"),
        (broker(trouble=("unheard", "it did not tell its time")), "unhealthy", "unheard"),
        (broker(said=None), "unhealthy", "unjudged"),
        (broker(said="breaker_open"), "unhealthy", "breaker_open"),
        (broker(said="halted", trading_state=TradingState.HALTED), "unhealthy", "halted"),
        (broker(said="reducing"), "unhealthy", "reducing"),
        (broker(said="venue_closed"), "unhealthy", "venue_closed"),
        (broker(said="balance_stale"), "unhealthy", "balance_stale"),
        (broker(said="balance_unknown"), "unhealthy", "balance_unknown"),
        (broker(said="price_unknown"), "unhealthy", "price_unknown"),
        (broker(said="credential_parked"), "unhealthy", "credential_parked"),
        (broker(said="store_unavailable"), "unhealthy", "store_unavailable"),
        (broker(said="settling"), "unhealthy", "settling"),
        (broker(said="funds_short"), "unfunded", "funds_short"),
        (broker(said="budget_short"), "unfunded", "budget_short"),
        (broker(said="instrument_unknown"), "unlisted", "instrument_unknown"),
        (broker(said="instrument_closed"), "unsuited", "instrument_closed"),
        (broker(said="cost_minimum"), "unsuited", "cost_minimum"),
        (broker(said="too_many_orders"), "unsuited", "too_many_orders"),
        (broker(was_tried="never sent: refused"), "tried", "tried"),
    ],
)
def test_a_broker_that_would_not_do_says_why(facts: BrokerFacts, kind: str, code: str) -> None:
    choice = chosen(facts, broker("b"))

    assert choice.broker == "b"
    (refusal,) = choice.refusals
    assert (refusal.broker, refusal.kind, refusal.code) == ("a", RefusalKind(kind), code)
    assert refusal.sentence


@pytest.mark.parametrize("code", sorted(VerdictCode))
def test_every_verdict_that_denies_refuses_with_a_sentence(code: VerdictCode) -> None:
    choice = chosen(broker(said=code.value))

    if code.is_approval:
        assert choice.broker == "a"
    else:
        assert choice.broker is None
        assert choice.refusals[0].sentence


def test_a_shortage_is_told_with_its_arithmetic() -> None:
    (refusal,) = chosen(broker(said="funds_short")).refusals

    assert "100.00 USD needed" in refusal.sentence


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ([broker(health=Health.DOWN), broker("b", is_available=False)], "all_unhealthy"),
        ([broker(health=Health.DOWN), broker("b", "instrument_unknown")], "all_unhealthy"),
        ([broker(said="funds_short"), broker("b", health=Health.DOWN)], "none_funded"),
        ([broker(said="funds_short"), broker("b", "cost_minimum")], "none_funded"),
        ([broker(said="instrument_unknown"), broker("b", "instrument_unknown")], "not_listed"),
        ([broker(said="cost_minimum"), broker("b", health=Health.DOWN)], "none_suited"),
        ([broker(was_tried="never sent: gone")], "all_unhealthy"),
        ([], "not_listed"),
    ],
)
def test_that_none_would_do_is_an_answer_of_its_own(facts: list[BrokerFacts], code: str) -> None:
    choice = chosen(*facts)

    assert (choice.code, choice.broker, choice.ranking) == (RouteCode(code), None, ())
    assert [each.broker for each in choice.refusals] == [each.broker for each in facts]
    assert choice.why == MEANINGS[choice.code]


def test_every_answer_has_a_meaning() -> None:
    assert set(MEANINGS) == set(RouteCode)


# Policies


def test_lowest_fee_takes_the_lowest_and_an_unknown_one_last() -> None:
    facts = [
        broker("a", verdict=verdict(fee_rate=None)),
        broker("b", verdict=verdict(fee_rate=Decimal("0.004"))),
        broker("c", verdict=verdict(fee_rate=Decimal("0.001"))),
    ]

    choice = chosen(*facts, policy="lowest_fee")

    assert choice.ranking == ("c", "b", "a")
    assert "0.001 of the cost" in choice.why


def test_a_rate_that_is_not_the_accounts_own_compares_with_nothing() -> None:
    listed = terms(taker_fee=Decimal("0.0001"), fee_source="lowest_tier")
    facts = [
        broker("a", verdict=verdict(fee_rate=Decimal("0.0001"), terms=listed)),
        broker("b", verdict=verdict(fee_rate=Decimal("0.004"))),
    ]
    assert chosen(*facts, policy="lowest_fee").ranking == ("b", "a")
    assert "no rate of the account's own" in chosen(facts[0], policy="lowest_fee").why


def test_most_spendable_takes_the_most_and_ties_go_by_order() -> None:
    facts = [
        broker("a", verdict=verdict(spendable=Decimal(200))),
        broker("b", verdict=verdict(spendable=Decimal("500.5"))),
        broker("c", verdict=verdict(spendable=Decimal("500.50"))),
    ]

    choice = chosen(*facts, policy="most_spendable")

    assert choice.ranking == ("b", "c", "a")
    assert "500.5 USD" in choice.why


def test_round_robin_takes_the_one_that_was_chosen_longest_ago() -> None:
    assert chosen(broker("a", turn=3), broker("b", turn=1), broker("c", turn=2), policy="round_robin").ranking == (
        "b",
        "c",
        "a",
    )


# Exits


def test_a_sell_goes_where_it_is_held_whatever_the_policy() -> None:
    holder = broker("b", verdict=verdict(ask=SELL))

    for policy in Policy:
        choice = chosen(broker("a", "funds_short"), holder, ask=SELL, policy=policy)
        assert (choice.broker, choice.is_exit) == ("b", True)


@pytest.mark.parametrize(
    "ill",
    [
        {"health": Health.DOWN},
        {"is_available": False},
        {"heard_s": NOW_S - 60},
        {"trouble": ("unheard", "it did not tell its time")},
    ],
)
def test_an_exit_stays_with_its_holder_that_is_not_well(ill: dict[str, Any]) -> None:
    choice = chosen(broker("a", "approved_unverified", **ill), broker("b", "funds_short"), ask=SELL)

    assert choice.broker == "a"
    assert "an exit stays" in choice.why
    assert chosen(broker("a", **ill), broker("b", "funds_short")).broker is None  # A buy does not go there.


def test_of_two_holders_the_one_that_is_well_sells() -> None:
    assert chosen(broker("a", health=Health.DOWN), broker("b"), ask=SELL).broker == "b"


# When flow moves and returns


def after(*seen: tuple[float, BrokerFacts], rules: RoutingRules = RULES) -> Record:
    record = Record()
    for now_s, facts in seen:
        record = remember(record, facts, rules=rules, now_s=now_s)
    return record


def well(at_s: float, **more: Any) -> tuple[float, BrokerFacts]:
    return at_s, broker(**{"heard_s": at_s, **more})


def ill(at_s: float, **more: Any) -> tuple[float, BrokerFacts]:
    return at_s, broker(**{"heard_s": at_s, "health": Health.DOWN, "fault_s": at_s, **more})


def test_a_broker_that_failed_comes_last_until_it_was_well_for_long_enough() -> None:
    record = after(well(0), ill(10), well(12))

    for now_s, ranking in ((12.0, ("b", "a")), (129.9, ("b", "a")), (130.0, ("a", "b"))):
        facts = [broker("a", heard_s=now_s), broker("b", heard_s=now_s)]
        choice = choose(facts, ask=BUY, policy=Policy.PRIORITY, records={"a": record}, rules=RULES, now_s=now_s)
        assert choice.ranking == ranking


def test_failing_once_more_begins_the_time_anew() -> None:
    record = after(well(0), ill(10), well(12), ill(100), well(101))

    assert record.is_on_probation(RULES, 219.9)
    assert not record.is_on_probation(RULES, 220.0)


def test_a_fault_that_was_counted_meanwhile_begins_the_time_anew() -> None:
    record = after(well(0), ill(10), well(12), well(90, fault_s=80.0))

    assert record.failed_s == 80.0


def test_a_single_fault_of_a_broker_that_never_failed_moves_nothing() -> None:
    assert not after(well(0), well(10, fault_s=9.0)).is_out


def test_a_breaker_that_opened_and_closed_unseen_counts() -> None:
    record = after(well(0), well(60, fault_s=30.0, openings=1))

    assert (record.failed_s, record.is_out) == (30.0, True)


def test_the_only_one_that_would_do_is_taken_before_its_time_and_says_so() -> None:
    record = Record(failed_s=NOW_S - 10, is_out=True)

    choice = chosen(broker("a"), broker("b", "funds_short"), a=record)

    assert choice.broker == "a"
    assert "no other would do" in choice.why


def test_an_order_without_an_answer_sends_new_ones_elsewhere() -> None:
    assert chosen(broker("a", waiting_since_s=NOW_S - 3.0), broker("b")).broker == "a"
    assert chosen(broker("a", waiting_since_s=NOW_S - 3.1), broker("b")).broker == "b"
    assert after((NOW_S, broker(waiting_since_s=NOW_S - 3.1))).is_out


def test_a_venue_of_which_only_the_stream_answers_is_taken_last() -> None:
    half = broker("a", suspicion="its venue did not tell its time when asked")

    assert chosen(half, broker("b")).ranking == ("b", "a")
    assert chosen(half, broker("b", "funds_short")).broker == "a"
    assert after((NOW_S, half)).is_out


def test_a_broker_that_begins_is_not_failing() -> None:
    begins = (0.0, broker(health=Health.DOWN, heard_s=0.0))

    assert not after(begins).is_out
    assert after(well(0), (1.0, broker(health=Health.DOWN, heard_s=1.0))).is_out
    assert after((0.0, broker(health=Health.DOWN, heard_s=0.0, fault_s=0.0))).is_out
    assert after((0.0, broker(heard_s=-10.0))).is_out


def test_a_broker_that_never_began_does_not_return_while_it_is_not_fit() -> None:
    begins = broker(health=Health.DOWN, heard_s=0.0)
    record = after((0.0, begins), (1.0, broker(trouble=("unheard", "silent"))), *((t, begins) for t in (60.0, 130.0)))

    assert (record.is_out, record.failed_s) == (True, 130.0)


def test_without_hysteresis_a_broker_returns_at_once() -> None:
    rules = RoutingRules(fail_back_after_s=0.0)

    assert not after(well(0), ill(1), rules=rules).is_out


# Bindings


def test_the_first_attempt_has_the_callers_id_and_each_later_one_its_own() -> None:
    long = "x" * 128

    assert [attempt_id("i1", number) for number in (1, 2, 3)] == ["i1", "i1~2", "i1~3"]
    assert attempt_id(long, 1) == long
    assert len(attempt_id(long, 2)) <= 128
    assert attempt_id(long, 2) != attempt_id("y" * 128, 2)


def test_an_attempt_is_under_way_for_as_long_as_it_may_send() -> None:
    attempt = Attempt(number=1, broker="a", intent_id="i1", until_s=110.0, at_us=0)

    assert is_under_way(attempt, now_s=100.0)
    assert is_under_way(attempt, now_s=109.9)
    assert not is_under_way(attempt, now_s=110.0)
    # Written further ahead than any attempt lasts: the machine, and our clock, began anew.
    assert not is_under_way(attempt, now_s=110.0 - SEND_WITHIN_S - 0.1)


def test_a_binding_keeps_every_attempt_with_its_end() -> None:
    binding = Binding(intent_id="i1", attempts=())
    binding = binding.begun(Attempt(number=1, broker="a", intent_id="i1", until_s=1.0, at_us=0))
    binding = binding.ended("never_sent", "refused" * 100)
    binding = binding.begun(Attempt(number=2, broker="b", intent_id="i1~2", until_s=2.0, at_us=1))

    assert [(each.broker, each.outcome) for each in binding.attempts] == [("a", "never_sent"), ("b", None)]
    assert len(binding.attempts[0].cause or "") == 300
    assert binding.last.intent_id == "i1~2"


def test_a_routing_shows_each_broker_with_rank_or_refusal() -> None:
    facts = (broker("a", health=Health.DOWN, said=None), broker("b"))
    routing = Routing(ask=BUY, choice=chosen(*facts), facts=facts, decided_us=1, took_s=0.25, now_s=NOW_S)

    shown = routing.document()

    assert (shown["code"], shown["broker"], shown["quote_quantity"]) == ("chosen", "b", "100")
    assert [each["rank"] for each in shown["brokers"]] == [None, 1]
    assert shown["brokers"][0]["refusal"]["code"] == "down"
    assert shown["brokers"][0]["spendable"] is None
    assert shown["brokers"][1]["spendable"] == "500"
    assert routing.refusal("b") is None
    assert routing.verdict is facts[1].verdict
