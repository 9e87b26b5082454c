"""One owner per account: others are told who, a dead one is gone at once, a paused one keeps it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.errors import ClosedError, ConfigError, OwnedElsewhereError
from holdfast.runtime.ownership import OwnerLock, account_fingerprint

NOW_US = 1_700_000_000_000_000

_HOLD = """
import sys
from holdfast.runtime.ownership import OwnerLock
lock = OwnerLock.take(sys.argv[1], broker="kraken-master")
print("held", flush=True)
sys.stdin.read()
"""

_TRY = """
import sys
from holdfast.errors import HoldfastError
from holdfast.runtime.ownership import OwnerLock
try:
    OwnerLock.take(sys.argv[1])
except HoldfastError as error:
    print(type(error).__name__, error.pid, error)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "owner-0123456789abcdef.lock"


@pytest.fixture
async def owner(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that holds the lock at *path*."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _HOLD, str(path), stdin=-1, stdout=-1)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    yield process
    if process.returncode is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    await process.wait()


# Within one process


def test_the_file_says_who_holds_it(path: Path) -> None:
    with OwnerLock.take(path, broker="kraken-master", wall_us=lambda: NOW_US) as lock:
        lock.check()
        assert lock.is_held
        assert json.loads(path.read_text()) == {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "broker": "kraken-master",
            "since": "2023-11-14T22:13:20+00:00",
        }

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_owner_in_the_same_process_is_told_so(path: Path) -> None:
    with OwnerLock.take(path, broker="a"):
        with pytest.raises(OwnedElsewhereError, match="in this process already, as broker a") as caught:
            OwnerLock.take(path, broker="b")

        assert caught.value.pid == os.getpid()
        assert caught.value.exit_code == 9


def test_a_released_lock_is_free_and_its_file_stays(path: Path) -> None:
    lock = OwnerLock.take(path)
    lock.release()
    lock.release()

    assert path.exists()
    assert path.read_text() == ""
    assert not lock.is_held
    with pytest.raises(ClosedError, match="released"):
        lock.check()
    OwnerLock.take(path).release()


def test_a_lock_that_nobody_refers_to_is_still_held(path: Path) -> None:
    OwnerLock.take(path)

    with pytest.raises(OwnedElsewhereError):
        OwnerLock.take(path)


def test_accounts_and_venues_have_locks_of_their_own() -> None:
    names = {account_fingerprint(venue=venue, account=account) for venue in ("kraken", "okx") for account in ("1", "2")}

    assert len(names) == 4
    assert {len(name) for name in names} == {16}
    # The parts cannot be shifted into each other.
    assert account_fingerprint(venue="a", account="bc") != account_fingerprint(venue="ab", account="c")


# The file


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim)

    with pytest.raises(ConfigError, match="symbolic link"):
        OwnerLock.take(path)

    assert victim.read_text() == "precious"


@pytest.mark.parametrize("what", ["folder", "fifo"])
def test_what_is_no_file_is_refused_without_waiting(path: Path, what: str) -> None:
    if what == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)

    with pytest.raises(ConfigError):
        OwnerLock.take(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        OwnerLock.take(tmp_path / "nowhere" / "owner-1.lock")


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_lock_file_that_is_taken_away_ends_the_ownership(path: Path, is_replaced: bool) -> None:
    lock = OwnerLock.take(path)
    path.unlink()
    if is_replaced:
        path.write_text("")

    with pytest.raises(ClosedError, match="another process may own"):
        lock.check()

    lock.release()


def test_a_lock_file_removed_while_it_is_being_taken_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file without a name would exclude nobody."""
    flock = fcntl.flock
    is_removed = False

    def remove_first(fd: int, how: int) -> None:
        nonlocal is_removed
        if not is_removed:
            path.unlink()
            is_removed = True
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with OwnerLock.take(path) as lock:
        lock.check()

        with pytest.raises(OwnedElsewhereError):
            OwnerLock.take(path)


def test_what_a_dead_owner_wrote_does_not_matter(path: Path) -> None:
    path.write_text('{"pid": 1, "host": "elsewhere", "broker": "old", "since": "2020"}' * 50)

    with OwnerLock.take(path) as lock:
        assert json.loads(path.read_text())["pid"] == os.getpid() == lock.holder.pid


# Between processes


@pytest.mark.processes
async def test_the_loser_is_told_pid_host_and_how_to_go_on(owner: asyncio.subprocess.Process, path: Path) -> None:
    with pytest.raises(OwnedElsewhereError) as caught:
        OwnerLock.take(path, broker="mine")

    error = caught.value
    assert (error.pid, error.host, error.exit_code) == (owner.pid, socket.gethostname(), 9)
    assert f"process {owner.pid} on {socket.gethostname()} since " in str(error)
    assert "as broker kraken-master" in str(error)
    assert "stop it" in str(error)


@pytest.mark.processes
async def test_a_killed_owners_lock_is_free_at_once(owner: asyncio.subprocess.Process, path: Path) -> None:
    owner.kill()
    await owner.wait()
    assert json.loads(path.read_text())["pid"] == owner.pid

    OwnerLock.take(path).release()


@pytest.mark.processes
async def test_a_paused_owner_keeps_its_account(owner: asyncio.subprocess.Process, path: Path) -> None:
    owner.send_signal(signal.SIGSTOP)

    with pytest.raises(OwnedElsewhereError) as caught:
        OwnerLock.take(path)

    assert caught.value.pid == owner.pid


@pytest.mark.processes
async def test_an_owner_that_has_not_said_yet_who_it_is_still_owns(
    owner: asyncio.subprocess.Process, path: Path
) -> None:
    path.write_text("")

    with pytest.raises(OwnedElsewhereError, match="did not say") as caught:
        OwnerLock.take(path)

    assert caught.value.pid is None


@pytest.mark.processes
async def test_the_words_of_a_dead_predecessor_are_waited_out(owner: asyncio.subprocess.Process, path: Path) -> None:
    """Between a new owner's lock and its first word the file still names the old one."""
    right = path.read_text()
    gone = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220 - it only has to have lived.
    await asyncio.to_thread(gone.wait)
    path.write_text(json.dumps({**json.loads(right), "pid": gone.pid}))
    asyncio.get_running_loop().call_later(0.01, path.write_text, right)

    with pytest.raises(OwnedElsewhereError) as caught:
        await asyncio.to_thread(OwnerLock.take, path)

    assert caught.value.pid == owner.pid


@pytest.mark.processes
async def test_another_process_ends_with_exit_code_9(path: Path) -> None:
    with OwnerLock.take(path, broker="mine"):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _TRY, str(path), stdout=-1)
        said, _ = await process.communicate()

    assert process.returncode == 9
    assert said.decode().startswith(f"OwnedElsewhereError {os.getpid()} ")


@pytest.mark.processes
async def test_a_started_program_does_not_inherit_the_lock(path: Path) -> None:
    lock = OwnerLock.take(path)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; sys.stdin.read()", stdin=-1, close_fds=False
    )
    lock.release()

    OwnerLock.take(path).release()

    child.kill()
    await child.wait()


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_owns_nothing_and_takes_nothing_away(path: Path) -> None:
    lock = OwnerLock.take(path)
    told, tell = os.pipe()

    child = os.fork()
    if not child:
        try:
            lock.check()
        except ClosedError:
            lock.release()
            os.write(tell, b"y")
            signal.pause()
        os._exit(1)

    try:
        assert os.read(told, 1) == b"y"
        # The child's release let nothing go.
        lock.check()
        with pytest.raises(OwnedElsewhereError):
            OwnerLock.take(path)
        # And a child that lives on does not keep what its parent let go.
        lock.release()
        OwnerLock.take(path).release()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
        os.close(tell)


@pytest.mark.processes
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_another_user_can_neither_take_nor_read_it(tmp_path: Path) -> None:
    from holdfast.runtime.state_folder import StateFolder

    folder = StateFolder.open(tmp_path / "state")
    path = folder.owner_lock_path("ab12")
    script = (
        "import os, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "for how in (os.O_RDONLY, os.O_RDWR | os.O_CREAT):\n"
        "    try:\n"
        "        os.open(sys.argv[1], how)\n"
        "    except PermissionError as error:\n"
        "        print(error.errno)\n"
    )
    with OwnerLock.take(path):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), stdout=-1)
        said, _ = await process.communicate()

    assert said.split() == [b"13", b"13"]
