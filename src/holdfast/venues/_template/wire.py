"""
Their payloads with their field names; numbers stay text until ``core.amounts.parse_amount`` reads them.

A field that is always there is required, so that one that is missing is refused by name; everything else is optional,
and what we do not know is ignored. Source: https://docs.template.example/api/schemas (checked 2026-11-20).
"""

from __future__ import annotations

import msgspec

__all__ = ["BalanceRow"]


class BalanceRow(msgspec.Struct, frozen=True):
    """One asset of the balance call; an example of the shape to give every payload."""

    currency: str
    available: str
    hold: str
