"""Whatever is known of brokers: the chosen one is never refused, each other one is explained, and flow never flaps."""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.balances import Side
from holdfast.core.health import Health
from holdfast.core.orders import OrderAsk, OrderType
from holdfast.core.routing import (
    NEVER_S,
    BrokerFacts,
    Policy,
    Record,
    RefusalKind,
    RouteCode,
    RoutingRules,
    choose,
    remember,
)
from holdfast.core.verdicts import Verdict, VerdictCode

RULES = RoutingRules()
NOW_S = 500.0
ASKS = [
    OrderAsk(symbol="BTC-USD", side=Side.BUY, order_type=OrderType.MARKET, quote_quantity=Decimal(100)),
    OrderAsk(symbol="BTC-USD", side=Side.SELL, order_type=OrderType.MARKET, quantity=Decimal(1)),
]

amounts = st.none() | st.decimals(0, 10_000, places=4)
times = st.sampled_from([NEVER_S, 0.0, 400.0, 494.9, 499.0, 500.0])
verdicts = st.builds(
    lambda code, fee, most: Verdict(code=code, asset="USD", ask=ASKS[0], fee_rate=fee, spendable=most),
    st.sampled_from(sorted(VerdictCode)) | st.just(VerdictCode.APPROVED),
    amounts,
    amounts,
)
facts = st.builds(
    BrokerFacts,
    broker=st.just(""),
    venue=st.just("acme"),
    health=st.sampled_from([Health.HEALTHY, Health.HEALTHY, Health.DEGRADED, Health.DOWN]),
    reasons=st.sampled_from([(), ("read_failed",)]),
    is_available=st.sampled_from([True, True, True, False]),
    verdict=st.none() | verdicts,
    trouble=st.sampled_from([None, None, None, ("late", "it did not say")]),
    heard_s=times,
    fault_s=times,
    openings=st.integers(0, 3),
    waiting_since_s=st.none() | times,
    turn=st.integers(0, 5),
    was_tried=st.sampled_from([None, None, None, "never sent: gone"]),
)
records = st.builds(Record, failed_s=times, openings=st.integers(0, 3), is_out=st.booleans(), was_fit=st.booleans())


def named(found: list[BrokerFacts]) -> list[BrokerFacts]:
    return [msgspec.structs.replace(each, broker=f"b{place}") for place, each in enumerate(found)]


@settings(max_examples=50)
@given(
    st.lists(facts, max_size=5), st.sampled_from(ASKS), st.sampled_from(sorted(Policy)), st.lists(records, max_size=5)
)
def test_the_chosen_one_is_approved_and_fit_and_each_other_is_ranked_or_refused(
    found: list[BrokerFacts], ask: OrderAsk, policy: Policy, kept: list[Record]
) -> None:
    brokers = named(found)
    remembered = {f"b{place}": record for place, record in enumerate(kept)}

    choice = choose(brokers, ask=ask, policy=policy, records=remembered, rules=RULES, now_s=NOW_S)

    refused = [each.broker for each in choice.refusals]
    assert sorted([*choice.ranking, *refused]) == sorted(each.broker for each in brokers)
    assert all(each.sentence and each.code for each in choice.refusals)
    if choice.broker is None:
        assert choice.code is not RouteCode.CHOSEN
        assert not choice.ranking
        return
    taken = next(each for each in brokers if each.broker == choice.broker)
    assert choice.ranking[0] == choice.broker
    assert taken.was_tried is None
    assert taken.verdict is not None
    assert taken.verdict.is_approved
    if ask.side is Side.BUY:
        assert taken.health is not Health.DOWN
        assert taken.is_available
        assert NOW_S - taken.heard_s <= RULES.heard_within_s
        assert taken.trouble is None
    blameless = [
        each
        for each in choice.ranking
        if not remembered.get(each, Record()).is_on_probation(RULES, NOW_S)
        and next(one for one in brokers if one.broker == each).waiting_since_s in (None, 499.0, 500.0)
        and next(one for one in brokers if one.broker == each).health is not Health.DOWN
    ]
    if ask.side is Side.BUY and blameless:
        assert choice.broker in blameless  # No suspect before one of whom nothing is known.


@settings(max_examples=50)
@given(st.lists(facts, max_size=5), st.sampled_from(ASKS))
def test_none_funded_and_not_listed_mean_what_they_say(found: list[BrokerFacts], ask: OrderAsk) -> None:
    choice = choose(named(found), ask=ask, policy=Policy.PRIORITY, records={}, rules=RULES, now_s=NOW_S)
    kinds = {each.kind for each in choice.refusals}

    if choice.code is RouteCode.NOT_LISTED:
        assert kinds <= {RefusalKind.UNLISTED}
    if choice.code is RouteCode.NONE_FUNDED:
        assert RefusalKind.UNFUNDED in kinds
    if choice.code is RouteCode.ALL_UNHEALTHY:
        assert kinds <= {RefusalKind.UNHEALTHY, RefusalKind.UNLISTED, RefusalKind.TRIED}


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0.1, 90.0), st.booleans(), st.integers(0, 1), st.booleans()), min_size=1, max_size=60)
)
def test_flow_returns_once_at_most_in_each_time_of_health(steps: list[tuple[float, bool, int, bool]]) -> None:
    """A broker that comes and goes: between two returns of it lies at least the whole time that it has to be well."""
    record, now_s, openings = Record(was_fit=True), 0.0, 0
    returned: list[float] = []
    failed_s = NEVER_S
    for pause_s, is_ill, opened, has_fault in steps:
        now_s += pause_s
        openings += opened
        health = Health.DOWN if is_ill else Health.HEALTHY
        seen = BrokerFacts(
            broker="a",
            venue="acme",
            health=health,
            reasons=(),
            is_available=not is_ill,
            heard_s=now_s,
            fault_s=now_s if has_fault or opened else NEVER_S,
            openings=openings,
        )
        before, record = record, remember(record, seen, rules=RULES, now_s=now_s)
        if is_ill or opened or (before.is_out and has_fault):
            failed_s = now_s
        assert record.is_out is (now_s - failed_s < RULES.fail_back_after_s)
        if before.is_out and not record.is_out:
            returned.append(now_s)
    assert all(later - sooner >= RULES.fail_back_after_s for sooner, later in itertools.pairwise(returned))
