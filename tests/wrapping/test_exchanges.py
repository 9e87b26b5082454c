"""What is read off an exchange object before anything is sent: its venue, its place, its key, and what each call is."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import ccxt
import pytest

import holdfast
from holdfast import errors
from holdfast.core.seams import Priority
from holdfast.errors import ConfigError
from holdfast.runtime.parts import venue_called
from holdfast.wrapping.acts import parking_of
from holdfast.wrapping.exchanges import call_of, target_of
from holdfast.wrapping.refusals import as_ccxt

SECRET = base64.b64encode(b"0123456789abcdef" * 4).decode()


def kraken(**more: Any) -> Any:
    return ccxt.kraken({"apiKey": "REALKEYREALKEYREALKEYREALKEYREALKEYREALKEYREALKEYREALKEY", "secret": SECRET, **more})


def at(url: str) -> dict[str, Any]:
    return {"urls": {"api": {"public": url, "private": url}}}


def test_a_venues_own_address_is_production() -> None:
    found = target_of(kraken(), venue_called("kraken"))

    assert (found.environment, found.rest_url, found.ws_url) == ("production", None, None)


def test_an_address_of_this_host_is_a_simulator_with_its_stream_beside_it() -> None:
    found = target_of(kraken(**at("http://127.0.0.1:18080/")), venue_called("kraken"))

    assert (found.environment, found.rest_url) == ("simulated", "http://127.0.0.1:18080")
    assert found.ws_url == "ws://127.0.0.1:18080/v2"


def test_any_other_address_is_refused_before_a_key_is_sent_there() -> None:
    with pytest.raises(ConfigError, match=r"evil\.example, which is no production address of kraken"):
        holdfast.wrap(kraken(**at("https://evil.example")))


def test_a_real_key_is_never_taken_to_a_simulator() -> None:
    with pytest.raises(ConfigError, match="a real key is never sent to a simulator"):
        holdfast.wrap(kraken(**at("http://127.0.0.1:18080")))


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        (object(), "takes an exchange object of ccxt"),
        (ccxt.kraken(), "no apiKey and no secret"),
        (ccxt.kraken({"apiKey": "k"}), "no secret"),
        (ccxt.binance({"apiKey": "k", "secret": "s"}), "no adapter for ccxt's 'binance'"),
    ],
)
def test_what_cannot_be_wrapped_is_refused_by_name(exchange: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        holdfast.wrap(exchange)


def test_the_secret_stays_where_ccxt_has_it() -> None:
    wrapped = holdfast.wrap(kraken())

    assert SECRET not in repr(wrapped._bond.__dict__)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(wrapped._bond)


def test_nothing_is_made_before_the_first_call() -> None:
    wrapped = holdfast.wrap(kraken())

    assert wrapped._bond._engine is None


@pytest.mark.parametrize(
    ("path", "api", "is_signed", "may_repeat", "priority"),
    [
        ("Ticker", ["public"], False, True, Priority.HISTORY),
        ("Ticker", "public", False, True, Priority.HISTORY),
        ("BalanceEx", ["private"], True, True, Priority.BALANCE),
        ("OpenOrders", "private", True, True, Priority.HISTORY),
        ("GetWebSocketsToken", ["private"], True, True, Priority.TOKEN),
        ("AddOrder", ["private"], True, False, Priority.ORDER),
        ("CancelOrder", ["private"], True, False, Priority.CANCEL),
        ("Withdraw", ["private"], True, False, Priority.ORDER),
        ("ANewCallOfKrakens", ["private"], True, False, Priority.ORDER),
    ],
)
def test_calls_are_told_apart(path: str, api: Any, is_signed: bool, may_repeat: bool, priority: Priority) -> None:
    call = call_of(kraken(), path, api, "POST")

    assert (call.is_signed, call.may_repeat, call.priority) == (is_signed, may_repeat, priority)


def test_elsewhere_the_method_tells_whether_asking_twice_is_harmless() -> None:
    okx = ccxt.okx()

    assert call_of(okx, "account/balance", ["private"], "GET").may_repeat
    assert not call_of(okx, "trade/order", ["private"], "POST").may_repeat
    assert call_of(okx, "trade/cancel-order", ["private"], "POST").priority is Priority.CANCEL


def test_ccxts_own_repetition_is_off_for_what_must_not_be_sent_twice() -> None:
    wrapped = holdfast.wrap(kraken())
    order, read = (call_of(wrapped, name, ["private"], "POST") for name in ("AddOrder", "BalanceEx"))

    assert wrapped._parameters(order, {"pair": "X", "maxRetriesOnFailure": 3})["maxRetriesOnFailure"] == 0
    assert wrapped._parameters(read, {"maxRetriesOnFailure": 3}) == {"maxRetriesOnFailure": 3}
    wrapped.options["maxRetriesOnFailure"] = 2
    with pytest.raises(ccxt.NotSupported, match="twice"):
        wrapped._parameters(order, [{"pair": "X"}])


ERRORS = [
    (errors.FundsShortError("x"), ccxt.InsufficientFunds),
    (errors.BalanceStaleError("x"), ccxt.ExchangeNotAvailable),
    (errors.BreakerOpenError("x", retry_after_s=1.0), ccxt.ExchangeNotAvailable),
    (errors.CredentialParkedError("x", cause="bad_key", retry_after_s=None), ccxt.AuthenticationError),
    (errors.CredentialParkedError("x", cause="lockout", retry_after_s=9.0), ccxt.DDoSProtection),
    (errors.HaltedError("x"), ccxt.ManualInteractionNeeded),
    (errors.OrderInputError("x", field="price"), ccxt.InvalidOrder),
    (errors.OwnerSilentError("x", pid=1, silent_for_s=2.0), ccxt.ExchangeNotAvailable),
    (errors.MaintenanceError("x", venue="kraken", account=None, request="AddOrder"), ccxt.OnMaintenance),
    (errors.UnknownNameError("x"), ccxt.BadSymbol),
    (errors.ConfigError("x"), ccxt.ExchangeError),
    (errors.StoreError("x"), ccxt.ExchangeError),
]


@pytest.mark.parametrize(("ours", "theirs"), ERRORS, ids=[type(ours).__name__ for ours, _ in ERRORS])
def test_refusals_are_ccxts_classes(ours: errors.HoldfastError, theirs: type[BaseException]) -> None:
    told = as_ccxt(ours, exchange_id="kraken")

    assert type(told) is theirs
    assert "kraken x" in str(told)


def test_only_what_provably_was_not_sent_is_retryable() -> None:
    # A bot's retry loop takes OperationFailed for "try again": an outcome that is not known must not be one.
    from holdfast.wrapping.refusals import OrderInDoubtError

    assert not issubclass(OrderInDoubtError, ccxt.OperationFailed)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ccxt.InvalidNonce("EAPI:Invalid nonce"), "invalid_nonce"),
        (ccxt.AuthenticationError("EAPI:Invalid key"), "bad_key"),
        (ccxt.ExchangeError("EGeneral:Temporary lockout"), "lockout"),
        (ccxt.PermissionDenied("EGeneral:Permission denied"), None),
        (ccxt.InsufficientFunds("EOrder:Insufficient funds"), None),
        (ccxt.RequestTimeout("slow"), None),
    ],
)
def test_what_closes_the_key_for_every_process_of_the_host(error: ccxt.BaseError, cause: str | None) -> None:
    parking = parking_of(error)

    assert (None if parking is None else parking[0]) == cause
