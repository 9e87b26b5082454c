from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import StoreCorruptError, StoreError
from holdfast.runtime.journal_mark import JournalMark


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.mark"


def test_a_new_mark_says_nothing(path: Path) -> None:
    mark = JournalMark.open(path)

    assert mark.read() is None
    mark.close()


def test_the_newest_number_is_there_after_reopening(path: Path) -> None:
    mark = JournalMark.open(path)
    for number in (1, 2, 500, 12_345_678_901):
        mark.write(number)
        assert mark.read() == number
    mark.close()

    again = JournalMark.open(path)
    assert again.read() == 12_345_678_901
    again.close()


def test_a_torn_write_leaves_the_number_before(path: Path) -> None:
    mark = JournalMark.open(path)
    mark.write(1)
    before = path.read_bytes()
    mark.write(2)
    after = path.read_bytes()
    mark.close()
    torn = next(index for index in range(len(after)) if after[index] != before[index])
    path.write_bytes(after[:torn] + b"\xff" * 40 + after[torn + 40 :])

    mark = JournalMark.open(path)

    assert mark.read() == 1
    mark.close()


def test_a_mark_that_is_damaged_is_never_taken_for_none(path: Path) -> None:
    JournalMark.open(path).close()
    path.write_bytes(b"\xff" * path.stat().st_size)

    mark = JournalMark.open(path)

    with pytest.raises(StoreCorruptError):
        mark.read()
    mark.close()


def test_another_kind_of_mark_is_refused(path: Path) -> None:
    JournalMark.open(path).close()
    content = path.read_bytes()
    from holdfast.runtime.marks import MarkFile

    path.unlink()
    MarkFile.open(path, first=b'{"nonce": 1}').close()
    assert path.read_bytes() != content

    mark = JournalMark.open(path)
    with pytest.raises(StoreCorruptError, match="no journal's mark"):
        mark.read()
    mark.close()


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    path.symlink_to(tmp_path / "victim")

    with pytest.raises(StoreError):
        JournalMark.open(path)

    assert (tmp_path / "victim").read_text() == "precious"


def test_a_failed_write_is_followed_by_one_that_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = JournalMark.open(path)
    mark.write(1)

    def fail(fd: int, data: bytes, offset: int) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", fail)
        with pytest.raises(StoreError):
            mark.write(2)
    mark.write(3)

    assert mark.read() == 3
    mark.close()
