"""
Bytes to values. Pure; whatever cannot be believed is refused by name, and nothing of it is used.

Source: https://docs.template.example/api/schemas (checked 2026-11-20).
"""

from __future__ import annotations

from holdfast.core.balances import Snapshot
from holdfast.venues._template.questions import ask
from holdfast.venues._template.symbols import Names

__all__ = ["balances"]


def balances(body: bytes, names: Names, *, as_of_s: float) -> Snapshot:
    """
    A complete statement of every balance: what is absent is zero, so all pages or none.

    Raises:
        PayloadError: The answer cannot be believed.
    """
    ask(5, "parse.py", "which answer states every balance whole, and which fields are total, held and available there?")
