"""
JSON that may decide about money: decoded strictly, or not at all.

Ordinary decoders keep the last of two equal keys, accept ``NaN``, round numbers through binary floats and follow
nesting as deep as it goes. This one refuses duplicate keys and non-numbers, hands every number over as the exact text
it was written with (so ``1.50`` and ``"1.50"`` read alike), and bounds what a hostile answer can make us allocate.
It is the careful way, not the fast one: a venue's hot parsers prove that an answer has its usual form by cheaper
means and come here with everything else.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from holdfast.errors import PayloadError

__all__ = ["MAX_VALUES", "decode_strictly"]

MAX_VALUES: Final = 300_000
"""Most values, keys apart, that one answer may hold: about 30 MiB once decoded."""

T = TypeVar("T")


def decode_strictly(body: bytes, shape: type[T], /) -> T:
    """
    *body* as *shape*, a type that ``msgspec.convert`` understands.

    Fields for numbers that matter must be ``str``: they get the number's exact text, whether the sender wrote a JSON
    number or a string. Fields of type ``int``, ``float`` or ``bool`` take either form too. Unknown fields are ignored,
    but must be well-formed.

    Raises:
        PayloadError: Not UTF-8, not JSON, half of a surrogate pair, a duplicate key, NaN or Infinity, nested too deep,
            too many values, or not of this shape; the text names the place.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadError(f"not UTF-8 at byte {error.start}") from None
    # One comma or bracket per value at least; strings that hold commas only make the estimate too careful.
    if len(body) > MAX_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise PayloadError(f"more than {MAX_VALUES} values")
    try:
        tree = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            # Half of a surrogate pair is no character: it could neither be written down nor sent on.
            json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise PayloadError("half of a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise PayloadError(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise PayloadError("nested too deep") from None
    try:
        return msgspec.convert(tree, shape, strict=False)
    except msgspec.ValidationError as error:
        raise PayloadError(f"not of the expected shape: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise PayloadError(f"duplicate key {ascii(key)[:80]}")
            seen.add(key)
    return members


def _refuse_constant(word: str) -> NoReturn:
    raise PayloadError(f"{word} is not a number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=str, parse_int=str, parse_constant=_refuse_constant
)
