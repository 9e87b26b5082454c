"""Journal rows and intents to SQL values and back, with a checksum over what each row says."""

from __future__ import annotations

import zlib
from typing import Any, Final

from holdfast.core.seams import IntentRow, JournalRow
from holdfast.errors import StoreCorruptError

__all__ = [
    "COLUMNS",
    "INTENT_COLUMNS",
    "INTENT_WIDTH",
    "WIDTH",
    "fact_crc",
    "intent_of",
    "intent_values",
    "row_of",
    "values_of",
]

COLUMNS: Final = "seq, wall_us, kind, asset, total, held, available, source, cause, is_money, crc"
WIDTH: Final = 11

INTENT_COLUMNS: Final = "number, intent_id, client_order_id, is_ended, wall_us, record, crc"
INTENT_WIDTH: Final = 7

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


def _intent_crc(intent_id: str, client_order_id: str, is_ended: int, wall_us: int, record: str) -> int:
    said = "\x1f".join((intent_id, client_order_id, record))
    return zlib.crc32(f"{is_ended} {wall_us} {said}".encode())


def intent_values(intent: IntentRow, number: int) -> tuple[Any, ...]:
    """The columns of an intent at *number*; raises ``TypeError``, ``ValueError`` for what no column can hold."""
    wall_us, is_ended = intent.wall_us, 1 if intent.is_ended else 0
    if type(wall_us) is not int:
        raise TypeError(f"wall_us {wall_us!r} is not an integer")
    intent_id, client_order_id, record = intent.intent_id, intent.client_order_id, intent.record
    crc = _intent_crc(intent_id, client_order_id, is_ended, wall_us, record)
    return (number, intent_id, client_order_id, is_ended, wall_us, record, crc)


def intent_of(values: tuple[Any, ...]) -> IntentRow:
    """
    The intent that these columns hold.

    Raises:
        StoreCorruptError: They are not what was written.
    """
    number, intent_id, client_order_id, is_ended, wall_us, record, crc = values
    try:
        is_whole = _intent_crc(intent_id, client_order_id, is_ended, wall_us, record) == crc
    except TypeError:
        is_whole = False
    if not is_whole:
        raise StoreCorruptError(f"the intent {intent_id!a} (number {number!a}) does not carry its own checksum")
    return IntentRow(
        intent_id=intent_id,
        client_order_id=client_order_id,
        is_ended=bool(is_ended),
        wall_us=wall_us,
        record=record,
    )
