"""
Values of ours as every face writes them: exact text for money, a word for an enum, ``None`` for what is not known.

Command line and HTTP API say the same thing in the same shape because both take it from here.
"""

from __future__ import annotations

import contextlib
import enum
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import format_amount
from holdfast.core.balances import Balance
from holdfast.core.seams import JournalRow

__all__ = ["amount_text", "balance_row", "document_of", "journal_document"]


def amount_text(amount: Decimal | None) -> str | None:
    """The exact amount as text; ``None`` stays ``None``: unknown is never ``"0"``."""
    return None if amount is None else format_amount(amount)


def document_of(value: Any) -> Any:
    """
    A value of ours as JSON takes it: amounts as exact text without exponent, enums as their words, fields by name.

    ``None`` stays ``None``: unknown is never ``"0"``.
    """
    if isinstance(value, msgspec.Struct):
        return {name: document_of(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Decimal):
        return format_amount(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {name: document_of(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [document_of(each) for each in value]
    return value


def journal_document(row: JournalRow) -> dict[str, Any]:
    """One journal row with its cause as an object."""
    document: dict[str, Any] = msgspec.to_builtins(row)
    with contextlib.suppress(msgspec.DecodeError):
        document["cause"] = msgspec.json.decode(row.cause)
    return document


def balance_row(balance: Balance) -> dict[str, Any]:
    """One balance as the JSON contract states it."""
    return {
        "total": amount_text(balance.total),
        "held": amount_text(balance.held),
        "available": amount_text(balance.available),
        "reserved": amount_text(balance.reserved),
        "spendable": amount_text(balance.spendable),
        "state": balance.state.value,
        "age_s": None if balance.age_s is None else round(balance.age_s, 3),
        "source": None if balance.source is None else balance.source.value,
        "reason": balance.reason,
    }
