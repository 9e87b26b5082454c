"""How far a broker's journal had come, in a small file beside its database, so that an older copy gives itself away."""

from __future__ import annotations

import os
from typing import Final

from holdfast.errors import StoreCorruptError, StoreError
from holdfast.runtime.marks import MarkFile

__all__ = ["JournalMark"]

_NONE_YET: Final = b"journal 0"


class JournalMark:
    """
    One rising number for ``SqliteStore``; made by ``open``, closed by the store.

    Written after each commit and left to the operating system to bring to the disk: a killed process loses nothing, and
    a power loss can only leave the mark behind the journal, which is no reason to doubt it.
    """

    def __init__(self, file: MarkFile) -> None:
        self._file = file
        self._is_read = False

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> JournalMark:
        """Open the file, or make it where it is missing; raises ``StoreError``. Does not suspend."""
        return cls(MarkFile.open(path, first=_NONE_YET))

    def read(self) -> int | None:
        """The largest number written, or None when none ever was; raises ``StoreError`` when it cannot be told."""
        payload = self._file.read().payload
        self._is_read = True
        word, _, digits = payload.partition(b" ")
        if word != b"journal" or not digits.isdigit():
            raise StoreCorruptError(f"{self._file.path} is no journal's mark; it was left as it is")
        return int(digits) or None

    def write(self, value: int) -> None:
        """Remember *value*; raises ``StoreError`` when it could not."""
        if not self._is_read:
            self.read()
        try:
            self._file.write(b"journal %d" % value, sync=_leave_to_the_system)
        except StoreError:
            self._is_read = False
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _leave_to_the_system(_: int) -> None:
    pass
