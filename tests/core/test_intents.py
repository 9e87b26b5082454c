"""The life of an order of ours: what moves it, what does not, and that its claim comes to exactly one end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from holdfast.errors import (
    FundsShortError,
    IntentRepeatedError,
    ReservationStateError,
    UnknownReservationError,
)
from tests.core.intent_life import Life, fill, opened

# Claims


def test_a_claim_counts_in_full_in_the_step_that_makes_it() -> None:
    life = Life()
    life.claim("a", "408.16")
    assert life.reserved() == Decimal("408.16")
    assert life.live().counted == Decimal("408.16")
    assert life.at() == "-, active"
    assert life.steps() == ["claimed"]


def test_a_claim_beyond_what_is_spendable_is_refused_and_leaves_nothing_behind() -> None:
    life = Life()
    with pytest.raises(FundsShortError, match=r"need 408\.16 USD, spendable 408\.15"):
        life.claim("a", "408.16", spendable="408.15")
    assert life.intents.get("a") is None
    assert len(life.intents) == life.reserved() == 0
    assert life.steps() == []
    life.claim("a", "408.15", spendable="408.15")


def test_an_intent_id_is_used_once_while_it_lives_and_after_it_ended() -> None:
    life = Life()
    life.claim()
    with pytest.raises(IntentRepeatedError):
        life.claim()
    life.intents.release("a", wall_us=life.wall_us)
    with pytest.raises(IntentRepeatedError):
        life.claim()
    assert life.reserved() == 0


def test_an_intent_is_found_by_its_own_id_by_our_client_order_id_and_by_the_venues() -> None:
    life = Life()
    life.sent()
    life.ack()
    assert life.intents.get("a") is life.intents.get("c-a") is life.intents.get("O1") is not None
    life.row("canceled")
    assert life.intents.get("a") is life.intents.get("c-a") is life.intents.get("O1") is None
    assert life.ended().intent_id == "a"


def test_a_claim_nothing_was_sent_on_expires_at_its_time_and_not_before() -> None:
    life = Life()
    life.claim(expires_s=30.0)
    life.now_s += 29.999
    life.intents.expire(now_s=life.now_s, wall_us=life.wall_us)
    assert life.at() == "-, active"
    life.now_s += 0.001
    life.intents.expire(now_s=life.now_s, wall_us=life.wall_us)
    assert life.at() == "-, expired"
    assert life.reserved() == 0


def test_a_claim_without_a_time_stays_until_it_is_released() -> None:
    life = Life()
    life.claim(expires_s=None)
    life.now_s += 1e9
    life.intents.expire(now_s=life.now_s, wall_us=life.wall_us)
    assert life.at() == "-, active"


@pytest.mark.parametrize("then", ["sending", "open", "in_doubt"])
def test_a_claim_with_an_order_never_expires(then: str) -> None:
    life = Life()
    life.sent()
    if then == "open":
        life.ack()
    if then == "in_doubt":
        life.lose()
    life.now_s += 1e9
    life.intents.expire(now_s=life.now_s, wall_us=life.wall_us)
    assert life.at().startswith(then)
    assert life.reserved() == Decimal("408.16")


def test_a_claim_judged_again_counts_what_its_order_needs_now() -> None:
    life = Life()
    life.claim("a", "408.16")
    terms: dict[str, Any] = {"fee_rate": Decimal("0.004"), "wall_us": life.wall_us}
    life.intents.resize("a", Decimal("500"), price=Decimal("49000"), **terms)
    assert life.reserved() == Decimal("500")
    life.intents.resize("a", Decimal("300"), price=Decimal("29000"), **terms)
    assert life.reserved() == Decimal("300")
    assert life.live().price == Decimal("29000")


# Releasing


def test_a_claim_nothing_was_sent_on_is_released_once() -> None:
    life = Life()
    life.claim()
    life.intents.release("a", wall_us=life.wall_us)
    assert life.at() == "-, released"
    assert life.reserved() == 0
    with pytest.raises(UnknownReservationError):
        life.intents.release("a", wall_us=life.wall_us)
    with pytest.raises(UnknownReservationError):
        life.intents.release("never", wall_us=life.wall_us)
    assert life.reserved() == 0


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("then", ["sending", "open", "partly filled"])
def test_nobody_releases_a_claim_whose_order_is_at_the_venue(then: str, force: bool) -> None:
    life = Life()
    life.sent()
    if then != "sending":
        life.ack()
    if then == "partly filled":
        life.row("trade", filled="0.004", fill=fill("T1", "0.004", "160"))
    reserved = life.reserved()
    with pytest.raises(ReservationStateError, match="is, or may be, at the venue"):
        life.intents.release("a", force=force, wall_us=life.wall_us)
    assert life.reserved() == reserved > 0


def test_an_order_in_doubt_is_released_by_a_person_only_and_stays_in_doubt() -> None:
    """A person's word frees the money and proves nothing: who waits for the evidence goes on waiting."""
    life = Life()
    life.sent()
    life.lose()
    with pytest.raises(ReservationStateError):
        life.intents.release("a", wall_us=life.wall_us)
    assert life.reserved() == Decimal("408.16")
    life.intents.release("a", force=True, wall_us=life.wall_us)
    assert life.at() == "in_doubt, released"
    assert life.reserved() == 0
    assert [each.intent_id for each in life.intents.doubts()] == ["a"]
    with pytest.raises(ReservationStateError):
        life.intents.release("a", force=True, wall_us=life.wall_us)
    life.intents.absent("a", wall_us=life.wall_us)
    assert (life.ended().order, life.ended().reservation) == ("absent", "released")


@pytest.mark.parametrize("word", ["row", "listed", "closed"])
def test_an_order_that_a_person_gave_up_and_that_is_there_is_told_as_it_is(word: str) -> None:
    life = Life()
    life.sent()
    life.lose()
    life.intents.release("a", force=True, wall_us=life.wall_us)
    match word:
        case "row":
            life.row("new")
        case "listed":
            life.state(opened())
        case _:
            life.found_closed()
    life.recount()
    if word == "closed":
        assert (life.ended().order, life.ended().reservation) == ("filled", "released")
    else:
        assert life.at() == "open, released"
    assert life.reserved() == 0
    assert life.intents.contradicted == []


def test_an_order_that_ended_and_waits_for_the_figures_is_not_released_by_force() -> None:
    life = Life()
    life.sent()
    life.ack()
    life.row("trade", filled="0.01", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.row("filled", filled="0.01")
    with pytest.raises(ReservationStateError):
        life.intents.release("a", force=True, wall_us=life.wall_us)
    assert life.reserved() > 0


# One order for one claim


@pytest.mark.parametrize("then", ["sending", "open", "in_doubt"])
def test_one_claim_takes_one_order(then: str) -> None:
    life = Life()
    life.sent()
    if then == "open":
        life.ack()
    if then == "in_doubt":
        life.lose()
    before = life.live()
    with pytest.raises(ReservationStateError, match="an order was placed on it before"):
        life.submit()
    assert life.live() is before


def test_an_order_is_placed_on_a_living_claim_only() -> None:
    life = Life()
    with pytest.raises(UnknownReservationError):
        life.submit("never")
    life.claim()
    life.intents.release("a", wall_us=life.wall_us)
    with pytest.raises(UnknownReservationError):
        life.submit()


def test_submitting_keeps_the_claim_and_ends_its_time() -> None:
    life = Life()
    life.sent()
    assert life.at() == "sending, active"
    assert life.live().expires_us is None
    assert life.live().valid_until_us == life.wall_us + 5_000_000
    assert life.reserved() == Decimal("408.16")


# Answers


def test_an_acknowledged_order_is_open_with_its_claim() -> None:
    life = Life()
    life.sent()
    life.ack("a", "O1", via="rest")
    assert life.at() == "open, active"
    assert (life.live().order_id, life.live().via) == ("O1", "rest")
    assert life.reserved() == Decimal("408.16")


def test_a_row_that_overtakes_the_acknowledgement_counts_and_the_acknowledgement_changes_nothing() -> None:
    life = Life()
    life.sent()
    assert life.row("new")
    assert life.at() == "open, active"
    before = life.live()
    life.ack()
    assert life.live() is before


def test_an_order_that_filled_before_its_acknowledgement_stays_filled() -> None:
    life = Life()
    life.sent()
    life.row("trade", filled="0.01", fill=fill("T1", "0.01", "400"))
    life.row("filled", filled="0.01")
    life.ack()
    assert life.at() == "filled, active"


@pytest.mark.parametrize("end", ["refused", "never_sent"])
def test_a_refusal_and_what_provably_never_left_release_the_claim(end: str) -> None:
    life = Life()
    life.sent()
    life.refuse() if end == "refused" else life.never_sent()
    assert life.at() == {"refused": "rejected, released", "never_sent": "never_sent, released"}[end]
    assert life.reserved() == 0


@pytest.mark.parametrize("late", ["refused", "never_sent", "lost"])
def test_the_orders_channel_outweighs_an_answer_that_says_otherwise(late: str) -> None:
    life = Life()
    life.sent()
    life.row("new")
    {"refused": life.refuse, "never_sent": life.never_sent, "lost": life.lose}[late]()
    assert life.at() == "open, active"
    assert life.reserved() == Decimal("408.16")


@pytest.mark.parametrize("late", ["refused", "never_sent"])
def test_an_order_in_doubt_is_not_released_by_an_answer_that_came_after_all(late: str) -> None:
    """Given up, it may have been refused; only an answer that was waited for proves that."""
    life = Life()
    life.sent()
    life.lose()
    life.refuse() if late == "refused" else life.never_sent()
    assert life.at() == "in_doubt, in_doubt"
    assert life.reserved() == Decimal("408.16")


def test_a_claim_that_was_never_to_be_sent_after_all_ends_without_an_order() -> None:
    life = Life()
    life.claim()
    life.never_sent()
    assert life.at() == "-, released"


def test_a_lost_answer_keeps_all_of_its_money() -> None:
    life = Life()
    life.sent()
    assert life.lose()
    assert life.at() == "in_doubt, in_doubt"
    assert life.live().doubted_us == life.wall_us
    assert [each.intent_id for each in life.intents.doubts()] == ["a"]
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.ledger.included.add("O1")
    life.recount()
    life.now_s += 1e6
    life.recount()
    assert life.reserved() == Decimal("408.16")
    assert not life.lose()


# Out of doubt


def _acknowledged(life: Life) -> None:
    life.ack()


def _told_open(life: Life) -> None:
    life.row("new")


def _told_filled_in_part(life: Life) -> None:
    life.row("trade", filled="0.004", fill=fill("T1", "0.004", "160"))


def _listed_open(life: Life) -> None:
    life.state(opened())


def _looked_up_open(life: Life) -> None:
    life.found_open(opened())


@pytest.mark.parametrize(
    "evidence",
    [_acknowledged, _told_open, _told_filled_in_part, _listed_open, _looked_up_open],
    ids=lambda it: it.__name__,
)
def test_word_of_an_order_in_doubt_makes_it_open_with_its_claim(evidence: Callable[[Life], None]) -> None:
    life = Life()
    life.sent()
    life.lose()
    evidence(life)
    assert life.at() == "open, active"
    assert life.live().order_id == "O1"
    assert life.intents.doubts() == []
    assert life.reserved() == Decimal("408.16")


@pytest.mark.parametrize("reason", ["canceled", "expired"])
def test_an_order_in_doubt_that_ended_unfilled_releases_its_claim(reason: str) -> None:
    life = Life()
    life.sent()
    life.lose()
    life.row(reason, filled="0")
    assert life.at() == f"{reason}, released"
    assert life.reserved() == 0


def test_an_order_in_doubt_found_closed_and_filled_keeps_what_it_took_until_the_figures_have_it() -> None:
    life = Life()
    life.sent()
    life.lose()
    assert life.found_closed()
    assert life.at() == "filled, active"
    life.recount()
    assert life.reserved() == Decimal("401.6")
    life.ledger.restated_s = life.now_s + 60
    life.recount()
    assert life.at() == "filled, consumed"
    assert life.reserved() == 0


def test_an_order_found_closed_that_took_nothing_releases_its_claim() -> None:
    life = Life()
    life.sent()
    life.lose()
    life.found_closed(status="canceled", filled="0", cost="0", fee="0")
    assert life.at() == "canceled, released"


def test_absence_by_evidence_releases_an_order_in_doubt() -> None:
    life = Life()
    life.sent()
    life.lose()
    life.intents.absent("a", wall_us=life.wall_us)
    assert life.at() == "absent, released"
    assert life.reserved() == 0


@pytest.mark.parametrize("then", ["claimed", "sending", "open", "filled", "gone"])
def test_absence_is_said_of_orders_in_doubt_only(then: str) -> None:
    life = Life()
    life.claim() if then == "claimed" else life.sent()
    if then in ("open", "filled", "gone"):
        life.ack()
    if then == "filled":
        life.row("filled", filled="0.01", cost="400")
    if then == "gone":
        life.row("canceled")
    before, reserved = life.at(), life.reserved()
    life.intents.absent("a", wall_us=life.wall_us)
    assert (life.at(), life.reserved()) == (before, reserved)


# Ends, and what comes after them


@pytest.mark.parametrize(("reason", "state"), [("canceled", "canceled"), ("expired", "expired"), ("odd", "canceled")])
def test_an_order_that_ended_unfilled_releases_its_claim_at_once(reason: str, state: str) -> None:
    life = Life()
    life.sent()
    life.ack()
    life.row(reason, is_over=True)
    assert life.at() == f"{state}, released"


@pytest.mark.parametrize("late", ["row", "trade row", "looked up", "listed", "closed", "canceled"])
def test_a_row_or_a_list_that_lags_does_not_open_an_order_again(late: str) -> None:
    life = Life()
    life.sent()
    life.ack()
    life.row("trade", filled="0.01", fill=fill("T1", "0.01", "400"))
    life.row("filled", filled="0.01")

    def come_late() -> None:
        match late:
            case "row":
                assert life.row("new")
            case "trade row":
                assert life.row("trade", filled="0.004", fill=fill("T0", "0.004", "160"))
            case "looked up":
                assert life.found_open(opened(filled="0.004", cost="160"))
            case "listed":
                assert life.state(opened()) == []
            case "closed":
                life.found_closed()
            case _:
                assert life.row("canceled", filled="0.01")

    come_late()
    assert life.at() == "filled, active"
    assert life.live().filled == Decimal("0.01")
    life.leg("USD", "-400", "T1")
    life.recount()
    assert life.at() == "filled, consumed"
    come_late()
    assert life.intents.get("a") is None
    assert life.intents.contradicted == []


def test_every_order_ends_in_exactly_one_step_of_its_claim() -> None:
    life = Life()
    life.sent()
    life.ack()
    life.row("canceled")
    ends = [change for change in life.intents.drain() if change.after.reservation.is_ended]
    assert [change.after.reservation for change in ends] == [ReservationState.RELEASED]
    life.row("canceled")
    life.row("expired")
    life.found_closed()
    assert life.steps() == []


@pytest.mark.parametrize("said", ["rejected", "never_sent", "absent"])
@pytest.mark.parametrize("word", ["row", "fill", "listed", "looked up", "closed"])
def test_an_order_that_was_said_never_to_be_placed_and_is_there_is_a_contradiction(said: str, word: str) -> None:
    life = Life()
    life.sent()
    if said == "absent":
        life.lose()
    match said:
        case "rejected":
            life.refuse()
        case "never_sent":
            life.never_sent()
        case _:
            life.intents.absent("a", wall_us=life.wall_us)
    match word:
        case "row":
            life.row("new")
        case "fill":
            life.row("filled", filled="0.01")
        case "listed":
            life.state(opened())
        case "looked up":
            life.found_open(opened())
        case _:
            life.found_closed()
    assert [each.intent_id for each in life.intents.contradicted] == ["a"]


def test_the_last_row_of_an_order_that_was_refused_contradicts_nothing() -> None:
    """A venue may tell of an order that it took in hand and refused."""
    life = Life()
    life.sent()
    life.refuse()
    assert life.row("canceled", filled="0")
    assert life.intents.contradicted == []


def test_orders_of_others_are_nobodys_intent() -> None:
    life = Life()
    life.sent()
    assert not life.row("new", name=None, order_id="X1")
    assert not life.row("new", name="other", order_id="X2")
    assert not life.found_open(opened("X1", name=None))
    assert not life.found_closed(name=None, order_id="X1")
    assert life.at() == "sending, active"


def test_a_row_without_our_id_is_ours_where_the_venues_id_is_known() -> None:
    life = Life()
    life.sent()
    life.ack()
    assert life.row("canceled", name=None)
    assert life.at() == "canceled, released"


def test_an_end_that_does_not_say_what_was_filled_ends_nothing() -> None:
    """What it took is not known: it has to be looked up, with its money claimed."""
    life = Life()
    life.sent()
    life.lose()
    life.row("canceled", filled=None)
    assert not life.live().reservation.is_ended
    assert life.reserved() == Decimal("408.16")
    life.found_closed()
    assert life.at() == "filled, active"


# The whole list


def test_orders_believed_open_and_not_listed_are_to_be_looked_up_and_nothing_else_changes() -> None:
    life = Life()
    life.sent("a")
    life.ack("a", "O1")
    life.sent("b")
    life.sent("c")
    life.lose("c")
    life.claim("d")
    assert life.state() == ["a"]
    assert [life.at(each) for each in "abcd"] == ["open, active", "sending, active", "in_doubt, in_doubt", "-, active"]


def test_orders_that_are_listed_are_found_and_not_missing() -> None:
    life = Life()
    for name, order_id in (("a", "O1"), ("b", "O2")):
        life.sent(name)
        life.ack(name, order_id)
    life.sent("c")
    assert life.state(opened("O1", name="a"), opened("O3", name="c")) == ["b"]
    assert life.live("c").order_id == "O3"


def test_a_list_that_says_what_is_known_changes_nothing() -> None:
    life = Life()
    life.sent()
    life.ack()
    life.state(opened())
    life.intents.drain()
    life.state(opened())
    assert life.steps() == []


def test_states_that_end_an_order_are_the_ones_that_end() -> None:
    assert {each.value for each in OrderState if not each.is_ended} == {"sending", "open", "in_doubt"}


# One intent, one order


@pytest.mark.parametrize("word", ["row", "listed", "closed"])
@pytest.mark.parametrize("is_over", [False, True])
def test_a_second_order_under_one_id_of_ours_is_told_and_is_not_taken_for_the_first(word: str, is_over: bool) -> None:
    """A frame that was delivered twice may be executed twice: Kraken's id is unique among open orders only."""
    life = Life()
    life.sent()
    life.ack()
    life.row("new")
    if is_over:
        life.row("canceled", filled="0")
    before = None if is_over else life.live()
    match word:
        case "row":
            life.row("new", order_id="O2")
        case "listed":
            life.found_open(opened("O2"))
        case _:
            life.found_closed(order_id="O2")
    assert [(intent.intent_id, second) for intent, second in life.intents.doubled] == [("a", "O2")]
    if before is not None:
        assert life.live() == before
