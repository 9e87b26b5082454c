"""
Calls and errors as values: which methods of a backend may be called from outside, with which types, and what is raised.

Types come from the backend's own protocol, so that both ends agree with it and with each other. A method that is not
in the table does not exist for the socket, whatever the object behind it has.
"""

from __future__ import annotations

import enum
import functools
import importlib
import inspect
from decimal import Decimal
from typing import Any, Final, get_type_hints

import msgspec

from holdfast import errors
from holdfast.core.amounts import parse_amount
from holdfast.core.orders import OrderAsk, OrderType
from holdfast.core.verdicts import Verdict
from holdfast.errors import (
    AmountError,
    DeniedError,
    FaultClass,
    HoldfastError,
    InvariantError,
    OrderInputError,
    Outcome,
)
from holdfast.runtime.attach.protocol import Failure
from holdfast.runtime.backend import BrokerBackend

__all__ = ["CALLS", "Call", "CallKind", "call_named", "error_of", "failure_of"]


class CallKind(enum.StrEnum):
    """What may have happened when the owner took a call and was never heard again."""

    READ = "read"  # Nothing: it may be asked again.
    CLAIM = "claim"  # Something of ours, and nothing at the venue.
    ACT = "act"  # Something at the venue.


CALLS: Final[dict[str, CallKind]] = {
    "probe": CallKind.READ,
    "refresh": CallKind.READ,
    "reset_circuit_breaker": CallKind.CLAIM,
    "isolate": CallKind.CLAIM,
    "restart_stream": CallKind.CLAIM,
    "force_balance_refresh": CallKind.READ,
    "emergency_repair": CallKind.CLAIM,
    "verify_end_to_end": CallKind.CLAIM,
    "readiness_reports": CallKind.READ,
    "note_visit": CallKind.CLAIM,
    "explain": CallKind.READ,
    "history": CallKind.READ,
    "backup": CallKind.CLAIM,
    "symbol_name": CallKind.READ,
    "products": CallKind.READ,
    "candles": CallKind.READ,
    "account_balance": CallKind.READ,
    "positions": CallKind.READ,
    "examine_nonces": CallKind.READ,
    "retry_nonces": CallKind.CLAIM,
    "ratchet_nonces": CallKind.CLAIM,
    "verify": CallKind.CLAIM,
    "place": CallKind.ACT,
    "check": CallKind.READ,
    "release": CallKind.CLAIM,
    "cancel": CallKind.ACT,
    "cancel_all": CallKind.ACT,
    "close_position": CallKind.ACT,
    "order": CallKind.READ,
    "orders": CallKind.READ,
    "resolution": CallKind.READ,
    "reservation": CallKind.READ,
    "set_trading_state": CallKind.CLAIM,
}
"""Every method that may be called through the socket."""


class Call:
    """
    One method as it goes over the socket.

    Attributes:
        name: Of the method.
        kind: What its loss means.
        takes_validity: Whether it is told until when anything may be sent.
    """

    def __init__(self, name: str) -> None:
        method = getattr(BrokerBackend, name)
        hints = get_type_hints(method, localns=_late_names(name))
        fields: list[Any] = []
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            kind = hints[parameter.name]
            if parameter.default is inspect.Parameter.empty:
                fields.append((parameter.name, kind))
            else:
                fields.append((parameter.name, kind, parameter.default))
        made = msgspec.defstruct(f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True)
        self.name = name
        self.kind = CALLS[name]
        self.takes_validity = "valid_until_s" in made.__struct_fields__
        self._fields = made.__struct_fields__
        self._arguments = msgspec.json.Decoder(made)
        self._result = msgspec.json.Decoder(hints["return"])

    def arguments(self, raw: msgspec.Raw) -> dict[str, Any]:
        """
        The keyword arguments that a caller sent.

        Raises:
            DeniedError: They are not those of the method.
            OrderInputError: An amount is none.
        """
        try:
            given = self._arguments.decode(raw)
        except RecursionError:
            raise DeniedError(f"{self.name}: arguments are nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DeniedError(f"{self.name}: arguments it does not take: {error}"[:300]) from None
        found = {name: getattr(given, name) for name in self._fields}
        for name, value in found.items():
            if isinstance(value, OrderAsk):
                _check_ask(value)
            elif isinstance(value, Decimal):
                _check_amount(name, value)
        return found

    def result(self, raw: msgspec.Raw) -> Any:
        """
        What the owner returned.

        Raises:
            InvariantError: It is not what the method returns: the other end is not of our version after all.
        """
        try:
            return self._result.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvariantError(f"the owner's answer to {self.name} cannot be read: {error}"[:300]) from None


@functools.cache
def call_named(name: str) -> Call | None:
    """The call of that name, or None: there is none."""
    return Call(name) if name in CALLS else None


_LATE: Final[dict[str, tuple[str, str]]] = {
    "emergency_repair": ("holdfast.core.repair", "RepairReport"),
    "verify_end_to_end": ("holdfast.core.readiness", "ReadinessReport"),
    "readiness_reports": ("holdfast.core.readiness", "ReadinessReport"),
    "symbol_name": ("holdfast.core.symbols", "SymbolName"),
    "products": ("holdfast.core.products", "ProductList"),
    "candles": ("holdfast.core.candles", "CandleSeries"),
    "account_balance": ("holdfast.core.valuation", "AccountBalanceDetailed"),
    "positions": ("holdfast.core.positions", "PositionList"),
    "close_position": ("holdfast.runtime.closing", "Closing"),
    **dict.fromkeys(
        ("examine_nonces", "retry_nonces", "ratchet_nonces"), ("holdfast.runtime.nonce_doctor", "NonceReport")
    ),
}


def _late_names(name: str) -> dict[str, Any]:
    """Types that are not loaded before somebody asks for what returns them."""
    home = _LATE.get(name)
    return {} if home is None else {home[1]: getattr(importlib.import_module(home[0]), home[1])}


def _check_ask(ask: OrderAsk) -> None:
    """What ``Broker`` has made sure of before it asks a backend; from a socket nobody has."""
    for name in ("quantity", "quote_quantity", "limit_price"):
        value = getattr(ask, name)
        if value is not None:
            _check_amount(name, value)
    if (ask.quantity is None) is (ask.quote_quantity is None):
        raise OrderInputError("exactly one of quantity and quote_quantity is needed", field="quantity")
    if (ask.limit_price is None) is (ask.order_type is OrderType.LIMIT):
        raise OrderInputError("a limit order has a price, and no other order does", field="price")


def _check_amount(name: str, value: Decimal) -> None:
    try:
        parse_amount(str(value))
    except AmountError as error:
        raise OrderInputError(f"{name}: {error}", field=name) from None
    if value <= 0:
        raise OrderInputError(f"{name}: {value} is not above zero", field=name)


# Errors

_FACTS: Final[dict[str, Any]] = {
    "account": str | None,
    "capability": str,
    "cause": str,
    "checks": tuple[str, ...],
    "code": str | None,
    "fault": FaultClass,
    "field": str,
    "held_for_s": float | None,
    "host": str | None,
    "intent_id": str | None,
    "outcome": Outcome,
    "pid": int | None,
    "reason": str,
    "request": str,
    "retry_after_s": float | None,
    "silent_for_s": float | None,
    "state": str,
    "symbol": str,
    "venue": str,
}
"""The facts that errors carry, by the attribute's name: what is not in here stays where it is."""

_PLAIN: Final[dict[str, type[Exception]]] = {"ValueError": ValueError}
"""What a caller's own mistake raises beside our tree."""


def failure_of(error: Exception) -> Failure:
    """*error* as a value. What is neither ours nor a caller's mistake is a bug, and is said to be one."""
    kind = next((cls.__name__ for cls in type(error).__mro__ if _class_named(cls.__name__) is cls), None)
    if kind is None:
        text = f"a bug of holdfast in the owner ended this call ({type(error).__name__}); the owner's log has more"
        return Failure(kind="InvariantError", message=text)
    facts = {
        name: msgspec.to_builtins(value)
        for name, value in vars(error).items()
        if name in _FACTS and not name.startswith("_")
    }
    verdict = getattr(error, "verdict", None)
    return Failure(
        kind=kind,
        message=str(error)[:4000],
        verdict=verdict if isinstance(verdict, Verdict) else None,
        facts=facts,
    )


def error_of(failure: Failure) -> Exception:
    """The error that *failure* is the value of, to be raised here."""
    kind = _class_named(failure.kind) or HoldfastError
    # Constructors differ, and their texts are made already: the facts are set as they were read.
    error = kind.__new__(kind, failure.message)
    error.args = (failure.message,)
    if issubclass(kind, HoldfastError):
        for name, parameter in inspect.signature(kind.__init__).parameters.items():
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                setattr(error, name, None if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, value in failure.facts.items():
            if name in _FACTS:
                try:
                    setattr(error, name, msgspec.convert(value, _FACTS[name]))
                except msgspec.ValidationError:
                    continue  # A fact of another kind is no fact; the message still says it.
        if failure.verdict is not None and isinstance(error, DeniedError):
            error.verdict = failure.verdict
    return error


def _class_named(name: str) -> type[Exception] | None:
    if name in errors.__all__:
        found = getattr(errors, name)
        if isinstance(found, type) and issubclass(found, HoldfastError):
            return found
    return _PLAIN.get(name)
