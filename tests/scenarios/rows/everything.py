"""Every scenario of every row: importing this module imports the groups."""

from __future__ import annotations

from tests.scenarios.rows import bodies, credentials, http, limits, network, sockets, stream, times, venue
from tests.scenarios.rows.scenario import SCENARIOS

__all__ = ["MODULES", "SCENARIOS"]

MODULES = (network, http, stream, bodies, times, limits, credentials, venue, sockets)
"""The modules of the groups."""
