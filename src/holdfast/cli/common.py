"""What commands share: the common options, the choice of brokers, and output."""

from __future__ import annotations

import contextlib
import enum
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from holdfast.core.amounts import format_amount
from holdfast.core.balances import Balance
from holdfast.core.seams import JournalRow

__all__ = ["Common", "amount_text", "balance_row", "document_of", "journal_document", "print_json", "say", "seconds"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options every command takes."""

    config: Annotated[
        Path | None,
        Parameter(help="Configuration file; else HOLDFAST_CONFIG, ./holdfast.toml, your config folder."),
    ] = None
    output: Annotated[
        Literal["table", "json"], Parameter(help="How to print: a table for people, JSON for scripts.")
    ] = "table"

    @property
    def is_json(self) -> bool:
        """True where a script reads us."""
        return self.output == "json"


def print_json(document: Any) -> None:
    """One JSON document on stdout; amounts must already be text."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of diagnostics on stderr; dropped where there is none."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


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


def seconds(type_: object, value: float) -> None:
    """Refuse what is no waiting time; for cyclopts."""
    if not 0 <= value <= 86_400:  # NaN compares false.
        raise ValueError(f"{value} is not between 0 and 86400 seconds")


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
