"""Pages of a list, newest first: older or newer than an id, between two times, so many rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from holdfast.simulators.okx.call import Call

__all__ = ["page_of"]

T = TypeVar("T")


def page_of(call: Call, rows: Sequence[T], *, id_of: Callable[[T], str], at_us: Callable[[T], int]) -> list[T]:
    """
    What a call asks for of *rows*, which are newest first.

    ``after`` gives what is older than an id, ``before`` what is newer; ``begin`` and ``end`` are milliseconds and
    inclusive; ``limit`` is at most 100.
    """
    after, before = call.number("after"), call.number("before")
    begin, end = call.number("begin"), call.number("end")
    found = [
        row
        for row in rows
        if (after is None or int(id_of(row)) < after)
        and (before is None or int(id_of(row)) > before)
        and (begin is None or at_us(row) // 1000 >= begin)
        and (end is None or at_us(row) // 1000 <= end)
    ]
    return found[: call.limit()]
