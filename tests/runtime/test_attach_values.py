"""What crosses the socket: errors come out as they went in, and nothing comes in that a caller could not have given."""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast import errors
from holdfast.core.orders import OrderType
from holdfast.core.verdicts import Verdict, VerdictCode
from holdfast.errors import (
    CredentialParkedError,
    DeniedError,
    FaultClass,
    FundsShortError,
    HoldfastError,
    InvariantError,
    OrderInputError,
    Outcome,
    OutcomeUnknownError,
    OwnerSilentError,
    RateLimitedError,
)
from holdfast.runtime.attach.protocol import Failed, decode_from_owner, encode, encode_value
from holdfast.runtime.attach.values import CALLS, Call, CallKind, call_named, error_of, failure_of
from holdfast.runtime.backend import BrokerBackend
from tests.runtime.attach_worlds import ASK, closing, order, reservation

CLASSES = [getattr(errors, name) for name in errors.__all__]
ERRORS = [cls for cls in CLASSES if isinstance(cls, type) and issubclass(cls, HoldfastError)]

FACTS: dict[str, Any] = {
    "account": "acme-master",
    "capability": "order-check",
    "cause": "lockout",
    "checks": ("balances_stale", "down"),
    "code": "EOrder:Insufficient funds",
    "fault": FaultClass.FUNDS,
    "field": "quantity",
    "held_for_s": 3.25,
    "host": "trader-1",
    "intent_id": "grid-7",
    "outcome": Outcome.REJECTED,
    "pid": 4711,
    "reason": "it was given up",
    "request": "AddOrder",
    "retry_after_s": 1.5,
    "silent_for_s": 12.0,
    "state": "consumed",
    "symbol": "BTC-BUSD",
    "venue": "acme",
}


def sent(error: Exception) -> Exception:
    """*error* as an attached process gets it."""
    message = decode_from_owner(encode(Failed(id=1, failure=failure_of(error))).rstrip())
    assert isinstance(message, Failed)
    return error_of(message.failure)


def keywords_of(kind: type[Exception]) -> list[str]:
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_arrives_with_its_class_its_text_and_its_facts(kind: type[HoldfastError]) -> None:
    facts = {name: FACTS[name] for name in keywords_of(kind)}  # A new fact has to be given a type, in here and there.
    error = kind("need 1.50 BTC, spendable 1.20", **facts)

    arrived = sent(error)

    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.exit_code == error.exit_code
    assert {name: getattr(arrived, name) for name in facts} == facts
    assert vars(arrived).keys() == vars(error).keys()


def test_facts_that_are_set_after_the_error_was_made_arrive_too() -> None:
    lost = OutcomeUnknownError("no answer", venue="acme", request="AddOrder")
    lost.intent_id = "grid-7"
    short = FundsShortError("need 26, spendable 10")
    short.verdict = Verdict(code=VerdictCode.FUNDS_SHORT, asset="USD", required=Decimal("26.00"), spendable=Decimal(10))

    arrived, arrived_short = sent(lost), sent(short)

    assert isinstance(arrived, OutcomeUnknownError)
    assert (arrived.intent_id, arrived.outcome) == ("grid-7", Outcome.UNKNOWN)
    assert isinstance(arrived_short, FundsShortError)
    assert arrived_short.verdict == short.verdict
    assert str(arrived_short.verdict.required) == "26.00"


def test_errors_that_state_none_arrive_as_none() -> None:
    arrived = sent(OwnerSilentError("no answer", pid=None, silent_for_s=None))

    assert isinstance(arrived, OwnerSilentError)
    assert (arrived.pid, arrived.silent_for_s) == (None, None)


def test_a_bug_arrives_as_one_and_without_its_words() -> None:
    arrived = sent(KeyError("c2VjcmV0"))

    assert isinstance(arrived, InvariantError)
    assert "c2VjcmV0" not in str(arrived)
    assert "KeyError" in str(arrived)


def test_a_callers_own_mistake_arrives_as_what_it_is() -> None:
    assert type(sent(ValueError("no unit us2"))) is ValueError


class _RefusedByUsError(DeniedError):
    """Of no tree."""


def test_an_error_of_an_unknown_kind_arrives_as_the_nearest_known_one() -> None:
    assert type(sent(_RefusedByUsError("no"))) is DeniedError


def test_attributes_that_are_no_facts_stay_where_they_are() -> None:
    error = RateLimitedError("slow down", venue="acme", request="Balance")
    error.secret = "c2VjcmV0"  # type: ignore[attr-defined]

    assert b"c2VjcmV0" not in encode(Failed(id=1, failure=failure_of(error)))
    assert not hasattr(sent(error), "secret")


def test_a_fact_of_another_type_is_no_fact() -> None:
    failure = failure_of(CredentialParkedError("parked", cause="lockout", retry_after_s=5.0))
    wrong = msgspec.structs.replace(failure, facts={**failure.facts, "retry_after_s": "soon", "__class__": "x"})

    arrived = error_of(wrong)

    assert isinstance(arrived, CredentialParkedError)
    assert (arrived.cause, arrived.retry_after_s) == ("lockout", None)


def test_a_class_that_is_not_ours_is_never_made() -> None:
    failure = msgspec.structs.replace(failure_of(DeniedError("no")), kind="SystemExit")

    assert type(error_of(failure)) is HoldfastError


# Calls


def test_every_call_of_the_protocol_that_suspends_is_in_the_table_but_for_waiting() -> None:
    suspending = {name for name, value in vars(BrokerBackend).items() if inspect.iscoroutinefunction(value)}

    assert suspending - {"changed"} == CALLS.keys()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_call_has_arguments_and_a_result_that_can_be_sent(name: str) -> None:
    call = call_named(name)

    assert call is not None
    assert call.kind is CALLS[name]


@pytest.mark.parametrize(
    "name", ["close", "_journal", "__init__", "supervisor", "balance", "", "place_order", "changed"]
)
def test_what_is_not_in_the_table_cannot_be_called(name: str) -> None:
    assert call_named(name) is None


def test_what_acts_at_the_venue_is_known_to() -> None:
    acts = {name for name, kind in CALLS.items() if kind is CallKind.ACT}

    assert acts == {"place", "cancel", "cancel_all", "close_position"}
    assert all(Call(name).takes_validity for name in ("place", "close_position", "verify"))


def place_arguments(**changes: Any) -> msgspec.Raw:
    ask = {**msgspec.to_builtins(ASK), **changes.pop("ask", {})}
    arguments = {"ask": ask, "intent_id": "i1", "is_reserved": False, "valid_until_s": 5.0, **changes}
    return encode_value({name: value for name, value in arguments.items() if value is not ...})


def test_an_order_is_asked_for_digit_for_digit() -> None:
    found = Call("place").arguments(place_arguments())

    assert found["ask"] == ASK
    assert str(found["ask"].quote_quantity) == "25.5"


@pytest.mark.parametrize(
    "changes",
    [
        {"intent_id": 7},
        {"is_reserved": "yes"},
        {"valid_until_s": "soon"},
        {"is_reserved": ...},
        {"further": 1},
        {"ask": {"symbol": 5}},
        {"ask": {"side": "up"}},
        {"ask": {"quantity": [1]}},
    ],
)
def test_arguments_of_another_shape_are_denied(changes: dict[str, Any]) -> None:
    with pytest.raises(DeniedError, match="place: arguments it does not take"):
        Call("place").arguments(place_arguments(**changes))


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-5", "0", "-0", "1e500", "sNaN", "1" * 70])
def test_an_amount_that_is_none_is_denied(amount: str) -> None:
    with pytest.raises(OrderInputError) as caught:
        Call("place").arguments(place_arguments(ask={"quote_quantity": amount}))
    assert caught.value.field == "quote_quantity"


@pytest.mark.parametrize(
    "ask",
    [
        {"quantity": "1"},
        {"quote_quantity": None},
        {"limit_price": "60000"},
        {"order_type": OrderType.LIMIT.value},
    ],
)
def test_an_order_that_contradicts_itself_is_denied(ask: dict[str, Any]) -> None:
    with pytest.raises(OrderInputError):
        Call("place").arguments(place_arguments(ask=ask))


def test_arguments_that_nest_too_deeply_are_denied() -> None:
    deep = b'{"further":' + b"[" * 20_000 + b"]" * 20_000 + b"}"

    with pytest.raises(DeniedError, match="too deeply"):
        Call("check").arguments(msgspec.Raw(b'{"ask":' + deep + b"}"))


def test_results_arrive_as_they_were() -> None:
    found = Call("place").result(encode_value(order()))
    assert found == order()
    assert str(found.fees["USD"]) == "0.0660"
    assert Call("close_position").result(encode_value(closing())) == closing()
    assert Call("release").result(encode_value(reservation())) == reservation()
    stale = Verdict(code=VerdictCode.BALANCE_STALE, asset="USD", price_age_s=2.5)
    assert Call("verify").result(encode_value(stale)) == stale


def test_a_result_that_is_none_is_said_to_be_our_bug() -> None:
    with pytest.raises(InvariantError, match="cannot be read"):
        Call("place").result(msgspec.Raw(b'{"broker":1}'))
