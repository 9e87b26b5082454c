"""What the page is told: a snapshot that is complete, and deltas that say what changed and nothing else."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from holdfast.core.health import Health
from holdfast.core.reservations import ReservationState
from holdfast.core.verdicts import TradingState
from holdfast.daemon.snapshot import Delta, Snapshot, words_of
from holdfast.runtime.views import NonceStatus
from tests.daemon.desks import Clock, FakeBroker, FakeDesk, claim, disputed, figure, pictured, scene_of, status_of


def snapshot_of(*brokers: FakeBroker, clock: Clock) -> Snapshot:
    return scene_of(FakeDesk(list(brokers)), clock).snapshot(role="read")


@pytest.fixture
def clock() -> Clock:
    return Clock()


# The verdict


def test_verdict_says_how_many_take_new_orders_and_who_does_not(clock: Clock) -> None:
    told = scene_of(pictured(clock), clock).snapshot(role="read")

    assert told.verdict.sentence == "4 of 5 brokers take new orders."
    assert told.verdict.past == "4 of 5 brokers took new orders."
    assert words_of(told.verdict.detail).startswith("okx-main does not: ")


@pytest.mark.parametrize(
    ("taking", "count", "sentence"),
    [
        (0, 0, "No broker is configured."),
        (0, 2, "No broker takes new orders."),
        (1, 1, "The broker takes new orders."),
        (1, 3, "1 of 3 brokers takes new orders."),
        (3, 3, "All 3 brokers take new orders."),
    ],
)
def test_verdict_sentence_agrees_with_its_numbers(clock: Clock, taking: int, count: int, sentence: str) -> None:
    brokers = [
        FakeBroker(
            status_of(
                f"b{number}", is_available=number < taking, health=Health.HEALTHY if number < taking else Health.DOWN
            ),
            [figure("USD", "1")],
            clock,
        )
        for number in range(count)
    ]

    assert snapshot_of(*brokers, clock=clock).verdict.sentence == sentence


def test_a_desk_that_is_well_says_so_and_needs_nobody(clock: Clock) -> None:
    told = snapshot_of(FakeBroker(status_of("one"), [figure("USD", "5")], clock), clock=clock)

    assert words_of(told.verdict.detail) == "Figures are live. Nothing is in doubt."
    assert told.attention == ()


def test_a_broker_with_stale_figures_only_takes_no_new_order(clock: Clock) -> None:
    stale = figure("USD", "5", state="stale", age_s=90.0)
    status = status_of("one", states={"live": 0, "fresh": 0, "stale": 1}, health=Health.DEGRADED)

    told = snapshot_of(FakeBroker(status, [stale], clock), clock=clock)

    assert told.verdict.taking == 0
    assert told.brokers[0].orders == "reducing"
    assert told.brokers[0].orders_note == "exits only"
    assert told.verdict.oldest_age_s is None  # No order could be approved on it.


def test_oldest_figure_in_use_leaves_out_what_no_order_is_approved_on(clock: Clock) -> None:
    balances = [
        figure("USD", "5", age_s=0.4),
        figure("BTC", "1", state="fresh", age_s=12.0),
        figure("ETH", "1", state="stale", age_s=500.0),
        figure("DOT", None),
    ]

    assert snapshot_of(FakeBroker(status_of("one"), balances, clock), clock=clock).verdict.oldest_age_s == 12.0


def test_covered_reservations_are_the_venues_and_not_counted_as_reserved(clock: Clock) -> None:
    claims = [
        claim("one", "a1", "USD", "10"),
        claim("one", "a2", "USD", "0.5"),
        claim("one", "a3", "USD", "99", state=ReservationState.COVERED),
        claim("one", "a4", "BTC", "0.05", state=ReservationState.IN_DOUBT),
    ]
    told = snapshot_of(FakeBroker(status_of("one"), [figure("USD", "500")], clock, claims=claims), clock=clock)

    assert (told.verdict.reserved.orders, told.verdict.reserved.amounts) == (2, {"USD": "10.5"})
    assert (told.verdict.in_doubt.orders, told.verdict.in_doubt.amounts) == (1, {"BTC": "0.05"})
    assert told.reservations[0].state == "in_doubt"  # Always first.


# Figures


def test_figures_keep_their_exact_text_and_unknown_is_never_zero(clock: Clock) -> None:
    balances = [figure("ADA", "1930.00000012"), figure("DOT", None), figure("EUR", "0")]
    told = snapshot_of(FakeBroker(status_of("one"), balances, clock), clock=clock)

    found = told.balances["one"].balances
    assert found["ADA"].total == "1930.00000012"
    assert (found["DOT"].total, found["DOT"].spendable, found["DOT"].state) == (None, None, "unknown")
    assert (found["EUR"].total, found["EUR"].state) == ("0", "live")


def test_sums_count_live_and_fresh_figures_only_and_exactly(clock: Clock) -> None:
    told = scene_of(pictured(clock), clock).snapshot(role="read")

    assert told.sums["USDT"].spendable == "7679.58"  # Not the 12,880.41 that are stale.
    assert told.sums["BTC"].spendable == "0.86280519"
    assert told.sums["SOL"].spendable == "83.25"
    assert told.sums["DOT"].spendable == "12"


def test_a_sum_without_a_figure_to_count_is_unknown(clock: Clock) -> None:
    stale = figure("USD", "5", state="stale", age_s=90.0)

    assert snapshot_of(FakeBroker(status_of("one"), [stale], clock), clock=clock).sums["USD"].total is None


def test_an_asset_the_venue_does_not_list_is_absent_and_not_unknown(clock: Clock) -> None:
    told = snapshot_of(
        FakeBroker(status_of("one"), [figure("USD", "5"), figure("BTC", "1")], clock),
        FakeBroker(status_of("two"), [figure("BTC", "1")], clock),
        clock=clock,
    )

    assert told.balances["two"].absent == ("USD",)
    assert told.balances["one"].absent == ()


# Attention


def test_attention_is_sorted_by_money_at_risk(clock: Clock) -> None:
    told = scene_of(pictured(clock), clock).snapshot(role="read")

    assert [(row.kind, row.broker) for row in told.attention] == [
        ("in_doubt", "okx-main"),
        ("down", "okx-main"),
        ("degraded", "kraken-alice"),
        ("discrepancy", "kraken-alice"),
        ("discrepancy", "coinbase-main"),
    ]


def test_an_order_in_doubt_keeps_its_money_and_is_never_sent_again(clock: Clock) -> None:
    row = scene_of(pictured(clock), clock).snapshot(role="read").attention[0]

    assert words_of(row.what) == "Sell 0.05 BTC BTC-USDT: outcome unknown for 366 s"
    assert words_of(row.does) == "0.05 BTC stays reserved. Looked for by client order id at okx-main; never sent again."
    assert (row.action, row.target) == ("evidence", "intent-sell-btc-0001")


def test_a_parked_credential_says_why_and_until_when(clock: Clock) -> None:
    status = status_of(
        "one",
        health=Health.DOWN,
        is_available=False,
        nonce=NonceStatus(refused=3, parked_cause="lockout", parked_for_s=600.0),
    )
    told = snapshot_of(FakeBroker(status, [figure("USD", "1")], clock), clock=clock)

    assert [row.kind for row in told.attention] == ["parked"]  # Not also as down: one cause, one row.
    assert words_of(told.attention[0].does) == "Nothing is signed with it. Tried again in 600 s."
    assert told.brokers[0].orders_note == "nothing is signed"


def test_a_halted_broker_names_the_reason_and_who_ends_it(clock: Clock) -> None:
    status = status_of(
        "one",
        health=Health.DEGRADED,
        is_available=False,
        is_halted=True,
        halted_reason="by_person",
        trading_state=TradingState.HALTED,
        trading_reason="maintenance of the bot",
    )
    told = snapshot_of(FakeBroker(status, [figure("USD", "1")], clock), clock=clock)

    assert [row.kind for row in told.attention] == ["halted"]
    assert "maintenance of the bot" in words_of(told.attention[0].what)
    assert told.brokers[0].orders == "halted"


def test_a_discrepancy_says_which_figure_counts_meanwhile(clock: Clock) -> None:
    status = status_of("one", disputes=(disputed("USDC", "rest_differs", "5120.84", "5120.42", for_s=124.0),))
    told = snapshot_of(FakeBroker(status, [figure("USDC", "5120.42")], clock), clock=clock)

    (row,) = told.attention
    assert words_of(row.what) == "0.42 USDC more here than at the venue, for 124 s"
    assert "smaller figure" in words_of(row.does)
    assert told.discrepancies[0].difference == "0.42"
    assert told.balances["one"].balances["USDC"].note == "ours 5120.84, venue's 5120.42"


# Deltas


def test_nothing_is_told_while_nothing_changes_but_time(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")

    for _ in range(40):
        clock.seconds += 0.25
        assert scene.delta() is None


def test_a_figure_that_changed_is_told_with_its_sum_and_nothing_else(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5"), figure("BTC", "1")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")

    clock.seconds += 0.25
    desk["one"].set(balances=[figure("USD", "7", age_s=0.0)])
    desk.changed("one", "USD")
    delta = scene.delta()

    assert delta is not None
    assert [(each.broker, each.asset, each.figure.total) for each in delta.figures] == [("one", "USD", "7")]
    assert {asset: each.total for asset, each in delta.sums.items()} == {"USD": "7"}
    assert (delta.verdict, delta.attention, delta.brokers, delta.reservations) == (None, None, (), None)
    assert delta.sequence == 1


def test_ages_that_were_renewed_are_told_in_one_word_for_all(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5"), figure("BTC", "1")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")

    clock.seconds += 2.0
    desk["one"].set(balances=[figure("USD", "5", age_s=0.1), figure("BTC", "1", age_s=0.1)])
    delta = scene.delta()

    assert delta is not None
    assert delta.figures == ()
    assert [(each.broker, each.age_s, each.figures) for each in delta.ages] == [("one", 0.1, ((0.1, ()),))]


def test_a_label_that_changed_without_money_is_told(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")

    clock.seconds += 40
    stale = figure("USD", "5", state="stale", age_s=40.4, reason="age")
    desk["one"].set(status=status_of("one", states={"live": 0, "fresh": 0, "stale": 1}), balances=[stale])
    delta = scene.delta()

    assert delta is not None
    assert delta.figures[0].figure.state == "stale"
    assert delta.sums["USD"].total is None
    assert delta.verdict is not None
    assert delta.verdict.taking == 0


def test_deltas_are_numbered_without_a_gap_and_carry_events_once(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    desk.emit("stream.live", broker="one", after_s=1.0)
    assert [row.name for row in scene.snapshot(role="read").events] == ["stream.live"]

    told: list[Delta] = []
    for name in ("stream.lost", "stream.connected", "stream.live"):
        clock.seconds += 0.25
        desk.emit(name, broker="one")
        delta = scene.delta()
        assert delta is not None
        told.append(delta)

    assert [each.sequence for each in told] == [1, 2, 3]
    assert [[row.name for row in each.events] for each in told] == [
        ["stream.lost"],
        ["stream.connected"],
        ["stream.live"],
    ]


def test_a_snapshot_is_as_of_the_latest_delta(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")
    clock.seconds += 0.25
    desk["one"].set(balances=[figure("USD", "7")])
    scene.delta()

    told = scene.snapshot(role="operate")

    assert (told.sequence, told.role) == (1, "operate")
    assert told.balances["one"].balances["USD"].total == "7"


def test_deltas_applied_to_a_snapshot_give_the_next_snapshot(clock: Clock) -> None:
    """What a page does: whatever happened in between, both ways lead to the same figures and the same verdict."""
    desk = pictured(clock)
    scene = scene_of(desk, clock)
    first = scene.snapshot(role="read")
    figures = {
        (broker, asset): f.total for broker, found in first.balances.items() for asset, f in found.balances.items()
    }
    verdict = first.verdict
    for step in range(30):
        clock.seconds += 0.3
        broker = ("kraken-master", "okx-sub", "okx-main")[step % 3]
        asset = ("BTC", "USDT")[step % 2]
        desk[broker].set(balances=[figure(asset, str(Decimal(step) / 7)[:9], age_s=0.0)])
        desk.changed(broker, asset)
        delta = scene.delta()
        if delta is not None:
            figures |= {(each.broker, each.asset): each.figure.total for each in delta.figures}
            verdict = delta.verdict or verdict

    last = scene.snapshot(role="read")

    assert figures == {
        (broker, asset): f.total for broker, found in last.balances.items() for asset, f in found.balances.items()
    }
    assert verdict.sentence == last.verdict.sentence


def test_everything_told_is_json_and_carries_no_whole_account_number(clock: Clock) -> None:
    text = msgspec.json.encode(scene_of(pictured(clock), clock).snapshot(role="read")).decode()

    assert "AA31 B70C 9F" not in text
    assert "AA31…C 9F" in text


def test_an_event_shows_no_whole_account_number(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    desk.emit("account.identified", broker="one", account="44775651331504740")

    assert scene.snapshot(role="read").events[0].fields == {"account": "4477…4740"}


# What is recorded


async def test_timeline_ends_at_now_and_has_no_step_before_watching_began(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")
    clock.seconds += 60
    desk["one"].set(balances=[figure("USD", "7")])
    desk.changed("one", "USD")
    scene.record()
    clock.seconds += 60

    told = await scene.timeline("one", "USD", range_s=3600)

    assert told.now_s == clock.seconds
    assert [(step.at_s - told.since_s, step.total) for step in told.steps] == [(3480.0, "5"), (3540.0, "7")]
    assert [span.state for span in told.breaker] == ["closed"]
    assert told.breaker[0].start_s == clock.seconds - 120


def test_close_hears_nothing_more(clock: Clock) -> None:
    desk = FakeDesk([FakeBroker(status_of("one"), [figure("USD", "5")], clock)])
    scene = scene_of(desk, clock)
    scene.snapshot(role="read")
    scene.close()
    scene.close()

    desk.emit("stream.lost", broker="one")

    assert scene.delta() is None
