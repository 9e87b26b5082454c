"""Claims: checked and counted in one step, ended once, and never changed by what does not fit their state."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.reservations import Reservation, Reservations, ReservationState
from holdfast.errors import (
    DeniedError,
    FundsShortError,
    IntentRepeatedError,
    InvariantError,
    OrderRuleError,
    ReservationStateError,
    UnknownReservationError,
)

RICH = Decimal(1_000_000)
STATES = tuple(ReservationState)
LIVE = tuple(state for state in STATES if not state.is_ended)


def book_with(state: ReservationState, amount: str = "10") -> Reservations:
    """One reservation, ``a``, of USD in *state*."""
    book = Reservations()
    book.reserve("a", "USD", Decimal(amount), spendable=RICH, bot="grid")
    match state:
        case ReservationState.COVERED:
            book.cover("a", Decimal("0.5"))
        case ReservationState.IN_DOUBT:
            book.doubt("a")
        case ReservationState.CONSUMED:
            book.consume("a")
        case ReservationState.RELEASED:
            book.release("a")
        case ReservationState.EXPIRED:
            book.expire("a")
        case ReservationState.ACTIVE:
            pass
    return book


def picture(book: Reservations) -> object:
    return book.live(), {each: book.end_of(each) for each in "abcx"}, book.reserved("USD"), book.reserved("BTC")


# Check and claim


@pytest.mark.parametrize("spendable", ["10", "10.000000000000000001"])
def test_a_claim_up_to_the_last_unit_is_taken_and_counted_in_full(spendable: str) -> None:
    book = Reservations()
    reservation = book.reserve("a", "USD", Decimal(10), spendable=Decimal(spendable), bot="grid")
    assert reservation == Reservation("a", "USD", Decimal(10), Decimal(10), ReservationState.ACTIVE, "grid")
    assert book.get("a") == reservation
    assert book.live() == [reservation]
    assert (book.reserved("USD"), book.reserved("BTC")) == (Decimal(10), Decimal(0))


def test_a_claim_beyond_what_is_spendable_is_denied_and_changes_nothing() -> None:
    book = Reservations()
    with pytest.raises(FundsShortError, match=r"need 10 USD, spendable 9\.99: short by 0\.01"):
        book.reserve("a", "USD", Decimal(10), spendable=Decimal("9.99"))
    assert picture(book) == picture(Reservations())
    book.reserve("a", "USD", Decimal("9.99"), spendable=Decimal("9.99"))  # The id is not used up.


def test_a_claim_beyond_the_bots_budget_is_denied_and_changes_nothing() -> None:
    book = Reservations()
    with pytest.raises(OrderRuleError, match=r"'grid' has 9\.99 left of its budget"):
        book.reserve("a", "USD", Decimal(10), spendable=RICH, bot="grid", budget_left=Decimal("9.99"))
    assert picture(book) == picture(Reservations())
    assert book.reserve("a", "USD", Decimal(10), spendable=RICH, bot="grid", budget_left=Decimal(10)).amount == 10


@pytest.mark.parametrize("state", STATES)
def test_an_id_is_used_once_and_leads_to_what_became_of_it(state: ReservationState) -> None:
    book = book_with(state)
    before = picture(book)
    with pytest.raises(IntentRepeatedError) as refused:
        book.reserve("a", "USD", Decimal(1), spendable=RICH)
    assert refused.value.intent_id == "a"
    assert picture(book) == before


@pytest.mark.parametrize("amount", ["0", "-1", "-0", "NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("context", [decimal.Context(traps=[]), decimal.Context()], ids=["deaf", "default"])
def test_a_claim_of_no_amount_is_a_bug_of_ours(amount: str, context: decimal.Context) -> None:
    book = Reservations()
    with decimal.localcontext(context), pytest.raises(InvariantError):
        book.reserve("a", "USD", Decimal(amount), spendable=RICH)
    assert picture(book) == picture(Reservations())


def test_sums_are_per_asset_and_exact_whatever_context_the_caller_has() -> None:
    book = Reservations()
    with decimal.localcontext(decimal.Context(prec=2, traps=[])):
        book.reserve("a", "USD", Decimal("0.000000000000000001"), spendable=RICH)
        book.reserve("b", "USD", Decimal("123456789.123456789"), spendable=RICH * 1000)
        book.reserve("c", "BTC", Decimal("0.1"), spendable=RICH)
        assert book.reserved("USD") == Decimal("123456789.123456789000000001")
        book.release("b")
    assert (book.reserved("USD"), book.reserved("BTC")) == (Decimal("0.000000000000000001"), Decimal("0.1"))


def test_every_change_of_a_sum_is_told_in_the_same_step() -> None:
    told: list[tuple[str, Decimal]] = []
    book = Reservations(lambda asset, reserved: told.append((asset, reserved)))
    book.reserve("a", "USD", Decimal(10), spendable=RICH)
    book.reserve("b", "USD", Decimal(5), spendable=RICH)
    book.count("a", Decimal(3))
    book.count("a", Decimal(3))
    book.cover("a", Decimal(1))
    book.doubt("b")
    book.assure("b")
    book.recount("b", Decimal(6))
    book.consume("a")
    book.release("b")
    assert told == [("USD", Decimal(each)) for each in (10, 15, 8, 6, 7, 6, 0)]


# Ends


@pytest.mark.parametrize("end", ["release", "expire", "consume"])
def test_an_end_takes_the_claim_away_and_is_remembered(end: str) -> None:
    book = book_with(ReservationState.ACTIVE)
    former = getattr(book, end)("a")
    assert (former.intent_id, former.amount) == ("a", 10)
    assert (book.get("a"), book.live(), book.reserved("USD"), book.claimed_by("grid", "USD")) == (
        None,
        [],
        Decimal(0),
        Decimal(0),
    )
    assert book.end_of("a") == {"release": "released", "expire": "expired", "consume": "consumed"}[end]


ACTS: dict[str, Callable[[Reservations], Any]] = {
    "release": lambda book: book.release("a"),
    "expire": lambda book: book.expire("a"),
    "consume": lambda book: book.consume("a"),
    "doubt": lambda book: book.doubt("a"),
    "assure": lambda book: book.assure("a"),
    "cover": lambda book: book.cover("a", Decimal(1)),
    "count": lambda book: book.count("a", Decimal(1)),
    "recount": lambda book: book.recount("a", Decimal(12)),
}
LEGAL = {
    ("active", "release"): "released",
    ("active", "expire"): "expired",
    ("active", "consume"): "consumed",
    ("active", "doubt"): "in_doubt",
    ("active", "cover"): "covered",
    ("active", "count"): "active",
    ("active", "recount"): "active",
    ("covered", "release"): "released",
    ("covered", "consume"): "consumed",
    ("covered", "count"): "covered",
    ("covered", "recount"): "covered",
    ("in_doubt", "release"): "released",
    ("in_doubt", "assure"): "active",
    ("in_doubt", "recount"): "in_doubt",
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("state", STATES)
def test_only_legal_steps_are_taken_and_others_change_nothing(state: ReservationState, act: str) -> None:
    book = book_with(state)
    before = picture(book)
    after = LEGAL.get((state.value, act))
    if after is None:
        with pytest.raises(ReservationStateError) as refused:
            ACTS[act](book)
        assert (refused.value.intent_id, refused.value.state) == ("a", state.value)
        assert picture(book) == before
    else:
        ACTS[act](book)
        now = book.get("a")
        assert (book.end_of("a") if now is None else now.state) == after
    book.check()


@pytest.mark.parametrize("act", ACTS)
def test_an_unknown_id_is_said_to_be_unknown(act: str) -> None:
    book = Reservations()
    with pytest.raises(UnknownReservationError) as refused:
        ACTS[act](book)
    assert refused.value.intent_id == "a"
    assert isinstance(refused.value, DeniedError)


def test_a_refusal_says_what_the_reservation_is() -> None:
    with pytest.raises(ReservationStateError, match="'a' is released and cannot change any more"):
        book_with(ReservationState.RELEASED).release("a")
    with pytest.raises(ReservationStateError, match="'a' is in doubt and cannot be consumed"):
        book_with(ReservationState.IN_DOUBT).consume("a")


# What counts


def test_what_is_in_doubt_counts_in_full_whatever_counted_before() -> None:
    book = book_with(ReservationState.ACTIVE)
    book.count("a", Decimal(2))
    assert book.doubt("a").counted == 10
    assert book.reserved("USD") == 10
    assert book.count("a", Decimal(10)).counted == 10
    with pytest.raises(ReservationStateError):
        book.count("a", Decimal("9.99"))
    assert book.assure("a").counted == 10


@pytest.mark.parametrize("counted", ["-0.01", "10.01", "NaN", "Infinity"])
@pytest.mark.parametrize("act", ["count", "cover"])
def test_less_than_nothing_or_more_than_was_claimed_is_a_bug_of_ours(act: str, counted: str) -> None:
    book = book_with(ReservationState.ACTIVE)
    before = picture(book)
    with decimal.localcontext(decimal.Context(traps=[])), pytest.raises(InvariantError):
        getattr(book, act)("a", Decimal(counted))
    assert picture(book) == before


def test_what_counts_may_go_down_and_up_again_within_the_amount() -> None:
    book = book_with(ReservationState.ACTIVE)
    for counted in (Decimal(3), Decimal(0), Decimal(10), Decimal("7.5")):
        assert book.count("a", counted).counted == counted
        assert book.reserved("USD") == counted
        assert book.claimed_by("grid", "USD") == 10  # A budget is not freed by what the venue holds.


def test_an_order_that_proved_dearer_counts_for_more_even_where_nothing_is_left() -> None:
    book = book_with(ReservationState.COVERED)
    reservation = book.recount("a", Decimal("10.5"))
    assert (reservation.amount, reservation.counted, reservation.state) == (Decimal("10.5"), Decimal("10.5"), "covered")
    assert (book.reserved("USD"), book.claimed_by("grid", "USD")) == (Decimal("10.5"), Decimal("10.5"))
    with pytest.raises(InvariantError):
        book.recount("a", Decimal(-1))


def test_claims_of_a_bot_are_its_own() -> None:
    book = Reservations()
    book.reserve("a", "USD", Decimal(1), spendable=RICH, bot="grid")
    book.reserve("b", "USD", Decimal(2), spendable=RICH, bot="grid")
    book.reserve("c", "USD", Decimal(4), spendable=RICH, bot="other")
    book.reserve("d", "BTC", Decimal(8), spendable=RICH, bot="grid")
    book.reserve("e", "USD", Decimal(16), spendable=RICH)
    found = {(bot, asset): book.claimed_by(bot, asset) for bot in ("grid", "none") for asset in ("USD", "BTC")}
    assert found == {("grid", "USD"): 3, ("grid", "BTC"): 8, ("none", "USD"): 0, ("none", "BTC"): 0}


# Remembering, and taking over


def test_ended_ids_are_remembered_up_to_a_bound() -> None:
    book = Reservations(ended_kept=10)
    for number in range(100):
        book.reserve(f"i{number}", "USD", Decimal(1), spendable=RICH)
        book.release(f"i{number}")
    assert all(book.end_of(f"i{number}") == "released" for number in range(90, 100))
    assert sum(book.end_of(f"i{number}") is not None for number in range(100)) <= 20


def test_what_an_earlier_owner_left_goes_on_as_it_stood() -> None:
    left = [
        Reservation("a", "USD", Decimal(10), Decimal(10), ReservationState.IN_DOUBT, "grid"),
        Reservation("b", "USD", Decimal(5), Decimal("0.5"), ReservationState.COVERED),
        Reservation("c", "BTC", Decimal(7), Decimal(0), ReservationState.CONSUMED),
    ]
    told: dict[str, Decimal] = {}
    book = Reservations(told.__setitem__)
    book.restore(left)
    assert book.live() == left[:2]
    assert (book.reserved("USD"), told) == (Decimal("10.5"), {"USD": Decimal("10.5")})
    assert book.end_of("c") is ReservationState.CONSUMED
    with pytest.raises(IntentRepeatedError):
        book.reserve("c", "USD", Decimal(1), spendable=RICH)
    book.check()


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        ([Reservation("x", "USD", Decimal(1), Decimal(2))], InvariantError),
        ([Reservation("x", "USD", Decimal(1), Decimal(-1))], InvariantError),
        ([Reservation("x", "USD", Decimal("NaN"), Decimal(0))], InvariantError),
        ([Reservation("x", "USD", Decimal(1), Decimal(1))] * 2, IntentRepeatedError),
        ([Reservation("a", "USD", Decimal(1), Decimal(1))], IntentRepeatedError),
    ],
)
def test_what_cannot_be_is_not_taken_over_and_nothing_of_the_rest_either(
    left: list[Reservation], kind: type[Exception]
) -> None:
    book = book_with(ReservationState.ACTIVE)
    before = picture(book)
    with pytest.raises(kind):
        book.restore([Reservation("b", "USD", Decimal(1), Decimal(1)), *left])
    assert picture(book) == before


def test_sums_that_are_not_those_of_the_claims_are_noticed() -> None:
    book = book_with(ReservationState.ACTIVE)
    book.check()
    book._sums["USD"] = Decimal(9)
    with pytest.raises(InvariantError, match="9 USD is reserved, and the claims add up to 10"):
        book.check()
    book = book_with(ReservationState.ACTIVE)
    book._ended["a"] = ReservationState.RELEASED
    with pytest.raises(InvariantError, match="live and ended"):
        book.check()
