"""A mapping whose values are made when they are first asked for: a venue lists far more markets than anybody uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Lazily"]

V = TypeVar("V")


class Lazily(dict[str, V], Generic[V]):
    """Makes the value of a key with *make*, once; iterating shows only what was made."""

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> V:
        value = self[key] = self._make(key)
        return value
