"""
Chance that a seed replays.

Every random choice of a simulated venue comes from a named stream of its seed: drawing more from one stream never
changes what another gives.
"""

from __future__ import annotations

import hashlib
import random

__all__ = ["Dice", "bytes_for", "number_for"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def bytes_for(seed: int, *names: object) -> bytes:
    """64 bytes that depend on the seed and the names only; the way to secrets and fixed noise."""
    return hashlib.sha512("\0".join(("holdfast simulator", str(seed), *map(str, names))).encode()).digest()


def number_for(seed: int, *names: object, below: int) -> int:
    """A whole number of 0 .. *below* - 1 that depends on the seed and the names only."""
    return int.from_bytes(bytes_for(seed, *names)[:8], "big") % below


class Dice:
    """One named stream of chance."""

    __slots__ = ("_random",)

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}/{name}")  # noqa: S311 - a replay is wanted, not secrecy

    def below(self, bound: int) -> int:
        """A whole number of 0 .. *bound* - 1."""
        return self._random.randrange(bound)

    def raw(self, count: int) -> bytes:
        """*count* bytes."""
        return self._random.randbytes(count)

    def between(self, low: float, high: float) -> float:
        """A duration between *low* and *high* seconds."""
        return self._random.uniform(low, high)

    def letters(self, count: int) -> str:
        """*count* characters of an id: capitals and digits."""
        bits = self._random.getrandbits(5 * count)
        return "".join([_LETTERS[bits >> 5 * i & 31] for i in range(count)])
