"""
Hostile edits to one place of a JSON text, every other byte kept.

A decode and encode round trip would repair exactly what a client has to survive (spacing, number forms, duplicate
keys, order), so the text is scanned for the places of its values and cut and pasted. This is not a JSON parser: it
reads what simulated venues write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

__all__ = ["MUTATIONS", "Place", "mutate", "places"]

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SCALAR: Final = re.compile(r"[^\s,\]}]+")
_AMOUNT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_BLANK: Final = " \t\r\n"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where one value stands in a text; ``begin`` is where its member starts, the key included."""

    path: tuple[str, ...]
    begin: int
    start: int
    end: int
    in_array: bool

    def is_named(self, field: str) -> bool:
        """Whether *field*, dotted, is the right end of this value's path."""
        parts = tuple(field.split("."))
        return self.path[-len(parts) :] == parts


def places(text: str) -> list[Place]:
    """
    The place of every value in *text*, outermost first.

    Raises:
        ValueError: *text* is not JSON as far as can be seen.
    """
    found: list[Place] = []
    end = _scan(text, _skip(text, 0), (), None, False, found)
    if _skip(text, end) != len(text):
        raise ValueError("text goes on after its value")
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _scan(text: str, at: int, path: tuple[str, ...], begin: int | None, in_array: bool, found: list[Place]) -> int:
    slot = len(found)
    start = at
    found.append(Place(path=path, begin=start, start=start, end=start, in_array=in_array))
    if at >= len(text):
        raise ValueError("text ends inside a value")
    opener = text[at]
    if opener in "{[":
        closer = "}" if opener == "{" else "]"
        at = _skip(text, at + 1)
        index = 0
        while text[at : at + 1] != closer:
            member = at
            name = str(index)
            if opener == "{":
                key = _STRING.match(text, at)
                if key is None:
                    raise ValueError("a member without a name")
                name = key.group()[1:-1]
                at = _skip(text, key.end())
                if text[at : at + 1] != ":":
                    raise ValueError("a name without a value")
                at = _skip(text, at + 1)
            at = _skip(text, _scan(text, at, (*path, name), member, opener == "[", found))
            index += 1
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
            elif text[at : at + 1] != closer:
                raise ValueError("text ends inside a value")
        at += 1
    else:
        token = (_STRING if opener == '"' else _SCALAR).match(text, at)
        if token is None:
            raise ValueError("not a value")
        at = token.end()
    found[slot] = Place(path=path, begin=start if begin is None else begin, start=start, end=at, in_array=in_array)
    return at


_Edit = Callable[[str, Place, "list[Place]", "str | None"], "str | None"]


def _replaced(text: str, place: Place, literal: str) -> str:
    return text[: place.start] + literal + text[place.end :]


def _as(word: str) -> _Edit:
    """The word, quoted exactly where the value was quoted."""

    def edit(text: str, place: Place, _all: list[Place], _value: str | None) -> str:
        return _replaced(text, place, f'"{word}"' if text[place.start] == '"' else word)

    return edit


def _literally(literal: str) -> _Edit:
    def edit(text: str, place: Place, _all: list[Place], _value: str | None) -> str:
        return _replaced(text, place, literal)

    return edit


def _plain(text: str, place: Place) -> str:
    return text[place.start : place.end].strip('"')


def _keep_quotes(text: str, place: Place, plain: str) -> str:
    return _replaced(text, place, f'"{plain}"' if text[place.start] == '"' else plain)


def _retype(text: str, place: Place, _all: list[Place], _value: str | None) -> str | None:
    plain = _plain(text, place)
    if _AMOUNT.match(plain) is None:
        return None
    return _replaced(text, place, plain if text[place.start] == '"' else f'"{plain}"')


def _exponent(text: str, place: Place, _all: list[Place], _value: str | None) -> str | None:
    plain = _plain(text, place)
    return _keep_quotes(text, place, format(Decimal(plain), "E")) if _AMOUNT.match(plain) else None


def _negative(text: str, place: Place, _all: list[Place], _value: str | None) -> str | None:
    plain = _plain(text, place)
    return _keep_quotes(text, place, f"-{plain.lstrip('-')}") if _AMOUNT.match(plain) else None


def _set(text: str, place: Place, _all: list[Place], value: str | None) -> str:
    return _replaced(text, place, value or "null")


def _nest(text: str, place: Place, _all: list[Place], value: str | None) -> str:
    depth = int(value or 100_000)
    return _replaced(text, place, "[" * depth + "]" * depth)


def _rename(text: str, place: Place, _all: list[Place], value: str | None) -> str | None:
    key = _STRING.match(text, place.begin)
    if place.begin == place.start or key is None:
        return None
    return f'{text[: place.begin]}"{value}"{text[key.end() :]}'


def _remove(text: str, place: Place, _all: list[Place], _value: str | None) -> str | None:
    if not place.path:
        return None
    before, after = text[: place.begin], text[place.end :]
    if after.lstrip(_BLANK).startswith(","):
        return before + after.lstrip(_BLANK)[1:].lstrip(_BLANK)
    shorter = before.rstrip(_BLANK)
    return (shorter[:-1] if shorter.endswith(",") else before) + after


def _duplicate_key(text: str, place: Place, _all: list[Place], _value: str | None) -> str | None:
    if place.begin == place.start:
        return None
    key, value = text[place.begin : place.start], text[place.start : place.end]
    second = _AMOUNT.sub("0", value.strip('"'))  # Another amount, so that taking the last one shows.
    again = f'"{second}"' if value.startswith('"') else second
    return f"{text[: place.end]},{key}{again}{text[place.end :]}"


def _duplicate_row(text: str, place: Place, every: list[Place], _value: str | None) -> str | None:
    around = [other for other in every if other.path and other.start <= place.start and place.end <= other.end]
    rows = [other for other in around if other.in_array] or around[-2:-1] or around
    if not rows:
        return None
    row = rows[-1]
    return f"{text[: row.end]},{text[row.begin : row.end]}{text[row.end :]}"


MUTATIONS: Final[dict[str, _Edit]] = {
    "nan": _as("NaN"),
    "infinity": _as("Infinity"),
    "minus_infinity": _as("-Infinity"),
    "big_exponent": _as("1e400"),
    "giant_exponent": _as("1E+50000000"),
    "empty": _literally('""'),
    "inner_blank": _literally('"1 0"'),
    "outer_blank": _literally('" 1 "'),
    "newline": _literally('"1\\n"'),
    "underscore": _literally('"1_000"'),
    "comma": _literally('"1,5"'),
    "plus_sign": _literally('"+1"'),
    "foreign_digits": _literally('"١٢٣"'),
    "null": _literally("null"),
    "true": _literally("true"),
    "nested": _literally('{"amount":"1"}'),
    "giant": _as("1" + "0" * 30),
    "tiny": _as("0." + "0" * 29 + "1"),
    "many_digits": _as("1234567890123456789.012345678901234567891"),
    "negative": _negative,
    "exponent": _exponent,
    "retype": _retype,
    "set": _set,
    "nest": _nest,
    "rename": _rename,
    "remove": _remove,
    "duplicate_key": _duplicate_key,
    "duplicate_row": _duplicate_row,
}
"""Every mutation by name."""


def mutate(text: str, how: str, *, field: str | None, value: str | None, rng: Random) -> str | None:
    """
    *text* with one place changed, or None where it has no such place.

    Args:
        how: A name of ``MUTATIONS``.
        field: The member to change, dotted from the right; the first that fits. None takes a random amount that is
            not at the top of the text.
        value: What ``set``, ``rename`` and ``nest`` need.
        rng: Picks the amount where *field* is None.
    """
    try:
        every = places(text)
    except (ValueError, RecursionError):  # No JSON any more, or nested past reading by an earlier rule.
        return None
    if field is not None:
        fitting = [place for place in every if place.path and place.is_named(field)][:1]
    else:
        fitting = [p for p in every if len(p.path) > 1 and _AMOUNT.match(text[p.start : p.end].strip('"'))]
    if not fitting:
        return None
    return MUTATIONS[how](text, rng.choice(fitting), every, value)
