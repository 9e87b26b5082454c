"""
What a configuration has to know of a venue, read from its folder's ``venue.toml``: its adapter is not loaded for it.

The adapter states the same facts in code; a test of the folders compares the two.
"""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

__all__ = ["KNOWN_VENUES", "VenueTraits", "traits_of"]

_FOLDERS: Final = Path(__file__).parent.parent / "venues"


def _known() -> tuple[str, ...]:
    """Folders that begin with an underscore are no venues: the template is one."""
    names = (path.parent.name for path in _FOLDERS.glob("[a-z]*/venue.toml"))
    # The first adapter is the example of every message and page.
    return tuple(sorted(names, key=lambda name: (name != "kraken", name)))


KNOWN_VENUES: Final = _known()
"""Ids of the venues this version has an adapter for."""


class VenueTraits(msgspec.Struct, frozen=True, kw_only=True):
    """
    A venue's facts, as ``venue.toml`` tells them; see ``holdfast.core.venue.VenueFacts``.

    ``environments`` are those with addresses of the venue's own; ``lacks`` has the reason for every capability that it
    does not offer; ``dead_man_s`` the least and largest timeout of its dead-man switch, seconds, None where there is
    none.
    """

    id: str
    name: str
    sequence: str
    environments: tuple[str, ...]
    regions: tuple[str, ...]
    validity_s: float
    validity_max_s: float
    dead_man_s: tuple[int, int] | None
    lacks: dict[str, str]
    is_of_many: bool = False  # It stands for several exchanges, and a broker says which.

    @property
    def has_nonces(self) -> bool:
        """Whether its signed calls carry a number that has to rise."""
        return self.sequence == "increasing_per_key"


@functools.cache
def traits_of(venue: str) -> VenueTraits | None:
    """The facts of a venue; None where there is no adapter of that name. Reads one small file, once."""
    if venue not in KNOWN_VENUES:
        return None
    raw: dict[str, Any] = tomllib.loads((_FOLDERS / venue / "venue.toml").read_text("utf-8"))
    orders = raw.get("orders", {})
    dead_man = orders.get("dead_man_s")
    return VenueTraits(
        id=raw["venue"]["id"],
        name=raw["venue"]["name"],
        sequence=raw["venue"]["sequence"],
        environments=tuple(raw["addresses"].get("environments", ("production",))),
        regions=tuple(raw["addresses"].get("regions", ())),
        validity_s=float(orders.get("validity_s", 5.0)),
        validity_max_s=float(orders.get("validity_max_s", 55.0)),
        dead_man_s=None if dead_man is None else (dead_man[0], dead_man[1]),
        is_of_many=raw["venue"].get("wire") == "ccxt",
        lacks={name: each["exempt"] for name, each in raw["capabilities"].items() if isinstance(each, dict)},
    )
