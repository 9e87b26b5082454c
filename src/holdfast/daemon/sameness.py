"""Whether two pictures of one thing say the same, durations having run on in between. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["is_same"]

_SLACK_S: Final = 1.5
"""What a duration may differ by before it is worth telling: a page shows whole seconds and counts on by itself."""

_DOWN: Final = frozenset({"left_s", "retry_after_s", "parked_for_s", "zero_in_s"})
_NO_DURATIONS: Final = frozenset({"start_s", "end_s", "latency_s", "clock_offset_s", "at_us"})


def is_same(before: object, after: object, *, passed_s: float, loose: frozenset[str] = frozenset()) -> bool:
    """
    True where *after* is what *before* has become by *passed_s* seconds going by, and by nothing else.

    Fields that end in ``_s`` are durations: they grow by that time, or shrink where they count down. Fields named in
    *loose* are not compared, except for being known at all.
    """
    if isinstance(after, msgspec.Struct):
        if type(before) is not type(after):
            return False
        for name in after.__struct_fields__:
            old, new = getattr(before, name), getattr(after, name)
            if name in loose:
                if (old is None) is not (new is None):
                    return False
            elif isinstance(new, float) and name.endswith("_s") and name not in _NO_DURATIONS:
                if not isinstance(old, float) or not _has_run(name, old, new, passed_s):
                    return False
            elif name == "latency_s":
                if (old is None) is not (new is None):
                    return False
            elif not is_same(old, new, passed_s=passed_s, loose=loose):
                return False
        return True
    if isinstance(after, tuple):
        return (
            isinstance(before, tuple)
            and len(before) == len(after)
            and all(is_same(old, new, passed_s=passed_s, loose=loose) for old, new in zip(before, after, strict=True))
        )
    return before == after


def _has_run(name: str, old: float, new: float, passed_s: float) -> bool:
    if name in _DOWN:
        return abs(max(0.0, old - passed_s) - new) <= _SLACK_S
    return abs(old + passed_s - new) <= _SLACK_S
