"""What commands share: the common options, the choice of brokers, and output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from holdfast.runtime.documents import amount_text, balance_row, document_of, journal_document

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


def seconds(type_: object, value: float) -> None:
    """Refuse what is no waiting time; for cyclopts."""
    if not 0 <= value <= 86_400:  # NaN compares false.
        raise ValueError(f"{value} is not between 0 and 86400 seconds")
