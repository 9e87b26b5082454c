"""Every scenario of every row: importing this module imports the groups."""

from __future__ import annotations

from tests.scenarios.rows import bodies, http, network, stream, times
from tests.scenarios.rows.scenario import SCENARIOS

__all__ = ["MODULES", "SCENARIOS"]

MODULES = (network, http, stream, bodies, times)
"""The modules of the groups."""
