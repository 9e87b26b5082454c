"""Every defect of every venue."""

from __future__ import annotations

from tests.readiness.at_coinbase import COINBASE
from tests.readiness.at_kraken import KRAKEN
from tests.readiness.at_okx import OKX
from tests.readiness.defect import PERFECT, Defect

__all__ = ["DEFECTS", "PERFECT", "Defect", "of_venue"]

DEFECTS: list[Defect] = [*KRAKEN, *COINBASE, *OKX]
"""In the order of the tables."""


def of_venue(venue: str) -> list[Defect]:
    """The defects of one venue."""
    return [each for each in DEFECTS if each.venue == venue]
