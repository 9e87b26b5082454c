"""Texts of a venue as they may be shown: one line, and nothing in them that acts on what is around them."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["visible"]

_ACTING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, marks that turn the direction of writing, halves of characters, breaks of lines."""


def visible(text: str) -> str:
    """
    *text* on one line, each character that acts in place of being seen shown by a symbol or by its number.

    Idempotent: a report is shown on several surfaces, and each may call this.
    """
    if text.isprintable():
        return text
    return "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _ACTING:
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
