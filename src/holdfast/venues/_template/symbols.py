"""
Names in both directions, for assets and instruments. Pure.

Never by splitting: through what the venue lists. Source: https://docs.template.example/api/instruments (checked
2026-11-20).
"""

from __future__ import annotations

from holdfast.core.assets import AssetCode, Symbol
from holdfast.venues._template.questions import ask

__all__ = ["Names"]


class Names:
    """What the venue lists, both ways."""

    def asset(self, venue_symbol: str) -> AssetCode:
        """Our code of the venue's spelling; raises ``UnknownAssetError``."""
        ask(4, "symbols.py", "how does the venue spell assets, and which spellings mean one asset?")

    def venue_symbol(self, symbol: Symbol) -> str:
        """The venue's spelling of our symbol; raises ``UnknownNameError`` that names it."""
        ask(4, "symbols.py", "how does the venue spell instruments, in REST and on its stream?")
