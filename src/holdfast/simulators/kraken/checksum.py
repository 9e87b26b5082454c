"""
The checksum of the book: CRC32 over the ten best prices of each side.

Source: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2 (checked 2026-11-20).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

__all__ = ["book_checksum"]


def book_checksum(asks: Sequence[tuple[str, str]], bids: Sequence[tuple[str, str]]) -> int:
    """
    The checksum of price and quantity texts in full precision, best first on both sides.

    Each text loses its point and then its leading zeros; the asks come first.
    """
    return zlib.crc32("".join((*_digits(asks[:10]), *_digits(bids[:10]))).encode())


def _digits(levels: Iterable[tuple[str, str]]) -> Iterable[str]:
    for level in levels:
        for text in level:
            yield text.replace(".", "").lstrip("0")
