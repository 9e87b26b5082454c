"""Checks of the fields of events and faults; every refusal says what is expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import parse_amount
from holdfast.errors import AmountError

__all__ = [
    "FieldRule",
    "FieldRules",
    "amount",
    "anything",
    "check_fields",
    "offset",
    "one_of",
    "seconds",
    "text",
    "texts",
    "whole",
    "yes_no",
]

FieldRule = Callable[[str, Any], Any]
"""Takes a field's name and value, returns the value to use, raises ``ValueError``."""

FieldRules = Mapping[str, FieldRule]


def check_fields(what: str, fields: Mapping[str, Any], rules: FieldRules, *, required: Sequence[str]) -> dict[str, Any]:
    """
    The fields with their values as they are to be used.

    Raises:
        ValueError: Names the field and what is expected of it.
    """
    unknown = sorted(fields.keys() - rules.keys())
    if unknown:
        raise ValueError(f"{what} has no field {unknown[0]!r}; it takes {', '.join(rules) or 'none'}")
    missing = [name for name in required if name not in fields]
    if missing:
        raise ValueError(f"{what} needs {', '.join(missing)}; it takes {', '.join(rules)}")
    return {name: rules[name](f"{what}: {name}", value) for name, value in fields.items()}


def text(name: str, value: Any) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} has to be text, not {value!r}")
    return value


def texts(name: str, value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} has to be a list of texts, not {value!r}")
    return value


def anything(name: str, value: Any) -> Any:
    """Whatever it is; who takes it checks it."""
    return value


def whole(name: str, value: Any) -> int:
    """A whole number, not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} has to be a whole number from 0 on, not {value!r}")
    return value


def yes_no(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} has to be true or false, not {value!r}")
    return value


def seconds(name: str, value: Any) -> float:
    """A duration in seconds, not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(f"{name} has to be seconds, a number from 0 on, not {value!r}")
    return float(value)


def offset(name: str, value: Any) -> float:
    """Seconds that may be negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        raise ValueError(f"{name} has to be seconds, a number, not {value!r}")
    return float(value)


def amount(name: str, value: Any) -> Decimal:
    """An exact amount: decimal text, or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    try:
        return parse_amount(value)
    except AmountError:
        raise ValueError(f'{name} has to be an amount as text, such as "0.25", not {value!r}') from None


def one_of(*choices: str) -> FieldRule:
    """One of these words."""

    def check(name: str, value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{name} has to be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return check
