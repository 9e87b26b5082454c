"""Journal rows to SQL values and back, with a checksum over what each row says."""

from __future__ import annotations

import zlib
from typing import Any, Final

from holdfast.core.seams import JournalRow
from holdfast.errors import StoreCorruptError

__all__ = ["COLUMNS", "WIDTH", "fact_crc", "row_of", "values_of"]

COLUMNS: Final = "seq, wall_us, kind, asset, total, held, available, source, cause, is_money, crc"
WIDTH: Final = 11

_ABSENT: Final = "\0"


def _crc(seq: int, wall_us: int, is_money: int, texts: tuple[str | None, ...]) -> int:
    # Joining refuses whatever is no text: a number would be stored as one and read back as text.
    said = "\x1f".join([_ABSENT if text is None else text for text in texts])
    return zlib.crc32(f"{seq} {wall_us} {is_money} {said}".encode())


def values_of(row: JournalRow, seq: int) -> tuple[Any, ...]:
    """The columns of a row numbered *seq*; raises ``TypeError``, ``ValueError`` for what no column can hold."""
    wall_us, is_money = row.wall_us, 1 if row.is_money else 0
    if type(wall_us) is not int:
        raise TypeError(f"wall_us {wall_us!r} is not an integer")
    texts = (row.kind, row.asset, row.total, row.held, row.available, row.source, row.cause)
    return (seq, wall_us, *texts, is_money, _crc(seq, wall_us, is_money, texts))


def row_of(values: tuple[Any, ...]) -> JournalRow:
    """
    The row that these columns hold.

    Raises:
        StoreCorruptError: They are not what was written.
    """
    seq, wall_us, *texts, is_money, crc = values
    if _crc(seq, wall_us, is_money, tuple(texts)) != crc:
        raise StoreCorruptError(f"journal row {seq!a} does not carry its own checksum")
    kind, asset, total, held, available, source, cause = texts
    return JournalRow(
        seq=seq,
        wall_us=wall_us,
        kind=kind,
        asset=asset,
        total=total,
        held=held,
        available=available,
        source=source,
        cause=cause,
        is_money=bool(is_money),
    )


def fact_crc(name: str, value: str) -> int:
    """The checksum kept beside a fact."""
    return zlib.crc32(f"{name}\0{value}".encode())
