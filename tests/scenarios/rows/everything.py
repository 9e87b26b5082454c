"""Every scenario of every row: importing this module imports the groups."""

from __future__ import annotations

from tests.scenarios.rows import http, network, stream
from tests.scenarios.rows.scenario import SCENARIOS

__all__ = ["MODULES", "SCENARIOS"]

MODULES = (network, http, stream)
"""The modules of the groups."""
