"""
Their rate limits as data, kept by counters that processes may share.

Source: https://docs.template.example/api/limits (checked 2026-11-20).
"""

from __future__ import annotations

from typing import Final

__all__ = ["CALLS_PER_S"]

CALLS_PER_S: Final = 5.0
"""Signed calls of one key; answer step 7 with the venue's own figures, and spend them before each call leaves."""
