"""Durable marks: what survives torn writes, dead disks and meddling, and what is refused instead of guessed."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreVersionError,
)
from holdfast.runtime.marks import PAGE, MarkFile


class Disk:
    """A ``Sync`` that counts, and fails on demand."""

    def __init__(self) -> None:
        self.synced = 0
        self.error: int | None = None

    def __call__(self, fd: int) -> None:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        os.fdatasync(fd)
        self.synced += 1


def opened(path: Path, *, first: bytes = b"first") -> MarkFile:
    mark = MarkFile.open(path, first=first)
    mark.read()
    return mark


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.mark"


def test_missing_file_begins_with_the_first_record(path: Path) -> None:
    reading = MarkFile.open(path, first=b"first").read()

    assert (reading.payload, reading.sequence, reading.is_damaged) == (b"first", 1, False)


def test_new_file_is_private_and_nothing_else_is_left_beside_it(path: Path) -> None:
    opened(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_last_record_is_found_again(path: Path) -> None:
    mark = opened(path)
    for number in range(5):
        mark.write(b"record %d" % number)
    mark.close()

    assert MarkFile.open(path, first=b"first").read().payload == b"record 4"


def test_record_is_synced_before_write_returns(path: Path) -> None:
    disk = Disk()
    mark = opened(path)

    mark.write(b"one", sync=disk)

    assert disk.synced == 1


def test_record_can_be_read_by_a_person(path: Path) -> None:
    opened(path).write(b'{"mark":42}')

    assert b'{"mark":42}\n' in path.read_bytes()
    assert path.read_bytes().startswith(b"holdfast mark 1 ")


def test_two_that_make_the_same_file_agree_on_one(path: Path) -> None:
    barrier = threading.Barrier(8)
    inodes: list[int] = []

    def make(number: int) -> None:
        barrier.wait()
        inodes.append(os.fstat(MarkFile.open(path, first=b"by %d" % number).fd).st_ino)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(inodes) == 8
    assert len(set(inodes)) == 1
    assert list(path.parent.iterdir()) == [path]


@given(records=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), cut=st.integers(0, 200))
@settings(max_examples=60)
def test_write_torn_anywhere_leaves_the_record_before_it(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], cut: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "some.mark"
    mark = opened(path)
    for record in records:
        mark.write(record)
    before = path.read_bytes()
    mark.write(b"x" * 50)
    after = path.read_bytes()
    mark.close()
    slot = PAGE * ((len(records) + 1) % 2)
    torn = after[: slot + cut] + before[slot + cut :]
    path.write_bytes(torn)

    reading = MarkFile.open(path, first=b"never").read()

    end = after.index(b"x" * 50) + 50  # The line break after it is for people.
    if torn[slot:end] == after[slot:end]:
        assert reading.payload == b"x" * 50
    else:
        assert reading.payload == records[-1]
        # A tear that changed nothing is none; any other shows, so that its reader can keep a margin.
        assert reading.is_damaged == (torn != before)


@pytest.mark.parametrize("slot", [0, 1])
def test_flipped_bit_is_noticed_and_the_other_slot_stands(path: Path, slot: int) -> None:
    mark = opened(path)
    mark.write(b"older")
    mark.write(b"newer")
    raw = bytearray(path.read_bytes())
    raw[slot * PAGE + 80] ^= 0x10
    path.write_bytes(raw)

    reading = MarkFile.open(path, first=b"never").read()

    assert reading.payload == (b"older" if slot == 0 else b"newer")
    assert reading.is_damaged


def test_next_write_goes_over_the_damaged_slot(path: Path) -> None:
    mark = opened(path)
    mark.write(b"older")
    mark.write(b"newer")
    raw = bytearray(path.read_bytes())
    raw[80] ^= 0x10
    path.write_bytes(raw)
    again = opened(path)

    again.write(b"newest")

    reading = MarkFile.open(path, first=b"never").read()
    assert (reading.payload, reading.is_damaged) == (b"newest", False)


@pytest.mark.parametrize(
    "content", [b"", bytes(4 * PAGE), b"not ours at all", b"holdfast mark 1 00", os.urandom(3 * PAGE)]
)
def test_file_without_a_sound_slot_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(StoreCorruptError, match="not taken for empty"):
        MarkFile.open(path, first=b"first").read()

    assert path.read_bytes() == content


def test_both_slots_damaged_is_refused(path: Path) -> None:
    mark = opened(path)
    mark.write(b"one")
    raw = bytearray(path.read_bytes())
    raw[77] ^= 1
    raw[PAGE + 77] ^= 1
    path.write_bytes(raw)

    with pytest.raises(StoreCorruptError):
        mark.read()


def test_record_of_a_newer_holdfast_is_refused(path: Path) -> None:
    import hashlib

    opened(path)
    prefix = b"holdfast mark 2 %020d %05d " % (9, 3)
    digest = hashlib.blake2b(prefix + b"new", digest_size=16).hexdigest().encode()
    raw = bytearray(path.read_bytes())
    raw[PAGE : PAGE + 90] = (prefix + digest + b"\nnew\n").ljust(90, b"\0")
    path.write_bytes(raw)

    with pytest.raises(StoreVersionError, match="newer holdfast"):
        MarkFile.open(path, first=b"first").read()


@pytest.mark.parametrize(
    ("code", "error"), [(errno.EIO, StoreError), (errno.ENOSPC, StoreFullError), (errno.EROFS, StoreReadOnlyError)]
)
def test_failed_sync_is_an_error_and_the_record_counts_as_lost(path: Path, code: int, error: type[StoreError]) -> None:
    disk = Disk()
    mark = opened(path)
    mark.write(b"kept", sync=disk)
    disk.error = code

    with pytest.raises(error, match=r"some\.mark could not be written"):
        mark.write(b"lost", sync=disk)

    assert mark.peek().payload == b"kept"


def test_failed_sync_is_not_followed_by_a_write_that_believes(path: Path) -> None:
    disk = Disk()
    mark = opened(path)
    disk.error = errno.EIO
    with pytest.raises(StoreError):
        mark.write(b"lost", sync=disk)
    disk.error = None

    with pytest.raises(StoreError, match="not read since its last failure"):
        mark.write(b"blind", sync=disk)

    mark.read()
    mark.write(b"seen", sync=disk)
    assert mark.peek().payload == b"seen"


def test_record_after_a_failed_sync_leaves_the_last_durable_one_alone(path: Path) -> None:
    disk = Disk()
    mark = opened(path)
    mark.write(b"durable", sync=disk)
    durable = path.read_bytes()[PAGE : 2 * PAGE]
    disk.error = errno.EIO
    for _ in range(3):
        with pytest.raises(StoreError):
            mark.write(b"lost", sync=disk)
        mark.read()

    assert path.read_bytes()[PAGE : 2 * PAGE] == durable


def test_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    path.symlink_to(target)

    with pytest.raises(StoreError, match="symbolic link"):
        MarkFile.open(path, first=b"first")


def test_folder_or_pipe_in_the_files_place_is_refused(path: Path) -> None:
    os.mkfifo(path, 0o600)

    with pytest.raises(StoreError, match="not a regular file"):
        MarkFile.open(path, first=b"first")


def test_file_that_others_may_write_is_refused(path: Path) -> None:
    opened(path)
    path.chmod(0o666)

    with pytest.raises(StoreError, match="written by other users"):
        MarkFile.open(path, first=b"first")


def test_missing_folder_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        MarkFile.open(tmp_path / "nowhere" / "some.mark", first=b"first")


def test_replaced_or_removed_file_is_no_longer_current(path: Path) -> None:
    mark = opened(path)
    assert mark.is_current()

    path.unlink()
    assert not mark.is_current()

    opened(path)
    assert not mark.is_current()


def test_record_too_long_for_its_slot_is_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="longer than"):
        opened(path).write(b"x" * 4000)


def test_descriptor_is_not_inherited_by_programs(path: Path) -> None:
    assert not os.get_inheritable(opened(path).fd)
