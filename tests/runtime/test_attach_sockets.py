"""The real sockets: who may reach them, where they lie, what is left of a dead owner, and what a fork keeps."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import ConfigError, UnknownNameError
from holdfast.runtime.attach.connect import place_of
from holdfast.runtime.attach.lines import LocalLine, Peer, Place
from holdfast.runtime.attach.sockets import PATH_MAX, UnixLine, UnixSockets, peer_of
from holdfast.runtime.state_folder import StateFolder, runtime_folder

PLACE = Place(environment="simulated", name="acme-master")


class End:
    """Hears one connection."""

    def __init__(self) -> None:
        self.data = b""
        self.ends: list[str] = []
        self.line: LocalLine | None = None

    def __call__(self, line: LocalLine) -> End:
        self.line = line
        return self

    def received(self, data: bytes) -> None:
        self.data += data

    def lost(self, reason: str) -> None:
        self.ends.append(reason)


@pytest.fixture
def short_path() -> Iterator[Path]:
    # The path that pytest makes is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="hf-") as made:
        yield Path(made).resolve()


@pytest.fixture
def folder(short_path: Path) -> StateFolder:
    return StateFolder.open(short_path / "s")


@pytest.fixture(autouse=True)
def runtime_dir(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = short_path / "r"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    return home


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def served(sockets: UnixSockets, place: Place = PLACE) -> AsyncIterator[tuple[Any, End]]:
    end = End()
    server = sockets.serve(place, end)
    try:
        yield server, end
    finally:
        if end.line is not None:
            end.line.abort()
        server.close()


async def test_the_socket_is_its_users_alone_in_a_folder_of_his_own(folder: StateFolder) -> None:
    async with served(UnixSockets(folder)) as (server, _):
        path = Path(server.address)
        assert path == folder.root / "brokers" / "simulated" / "acme-master" / "owner.sock"
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
    assert not path.exists()


async def test_bytes_go_both_ways_and_the_end_is_told_once(folder: StateFolder) -> None:
    sockets, client = UnixSockets(folder), End()
    async with served(sockets) as (_, server):
        line = sockets.connect(PLACE, client)
        assert line is not None
        assert line.send(b"hello ")
        await until(lambda: server.data == b"hello ")
        assert server.line is not None
        assert server.line.peer == line.peer == Peer(uid=os.geteuid(), pid=os.getpid())
        assert server.line.send(b"the last word")
        server.line.abort()
        server.line.abort()
        await until(lambda: client.ends)
        assert (client.data, client.ends, server.ends) == (b"the last word", ["ended"], [])
        line.abort()
        assert not line.send(b"x")


async def test_what_has_arrived_can_be_read_at_once(folder: StateFolder) -> None:
    sockets, client = UnixSockets(folder), End()
    async with served(sockets) as (_, server):
        line = sockets.connect(PLACE, client)
        assert line is not None
        await until(lambda: server.line)
        assert server.line is not None
        server.line.send(b"accepted")
        line.read_now()
        assert client.data == b"accepted"
        server.line.abort()
        line.read_now()
        assert client.ends == ["ended"]


async def test_what_the_kernel_does_not_take_is_queued_and_counted_and_arrives_whole(folder: StateFolder) -> None:
    sockets, client = UnixSockets(folder), End()
    async with served(sockets) as (_, server):
        line = sockets.connect(PLACE, client)
        assert line is not None
        await until(lambda: server.line)
        assert server.line is not None
        pieces = [bytes([number]) * 100_000 for number in range(30)]
        results = [server.line.send(piece) for piece in pieces]
        assert results[0]
        assert not results[-1]
        assert server.line.queued > 1_000_000
        await until(lambda: len(client.data) == 3_000_000)
        assert client.data == b"".join(pieces)
        assert server.line.queued == 0
        assert server.line.send(b"again")
        line.abort()


async def test_sending_to_somebody_who_is_gone_says_so_after_what_he_said_last(folder: StateFolder) -> None:
    sockets, client = UnixSockets(folder), End()
    async with served(sockets) as (_, server):
        line = sockets.connect(PLACE, client)
        assert line is not None
        await until(lambda: server.line)
        assert server.line is not None
        server.line.send(b"bye")
        server.line.abort()
        assert not line.send(b"are you there?")
        await until(lambda: client.ends)
        assert client.data == b"bye"
        assert len(client.ends) == 1


async def test_nobody_there_is_an_answer_and_a_dead_owners_file_is_nobody(folder: StateFolder) -> None:
    sockets = UnixSockets(folder)
    assert sockets.connect(PLACE, End()) is None
    path = folder.socket_path(environment="simulated", name="acme-master")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    assert sockets.connect(PLACE, End()) is None
    async with served(sockets):  # Whoever holds the lock removes it.
        line = sockets.connect(PLACE, End())
        assert line is not None
        line.abort()


async def test_a_file_that_is_no_socket_is_not_removed(folder: StateFolder, runtime_dir: Path) -> None:
    path = folder.socket_path(environment="simulated", name="acme-master")
    path.write_text("somebody's")
    (runtime_dir / "holdfast").write_text("no folder")
    with pytest.raises(ConfigError):
        UnixSockets(folder).serve(PLACE, End())
    assert path.read_text() == "somebody's"


async def test_a_link_in_the_sockets_place_is_not_followed(folder: StateFolder, short_path: Path) -> None:
    target = short_path / "precious"
    target.write_text("somebody's")
    named = folder.socket_path(environment="simulated", name="acme-master")
    named.symlink_to(target)
    async with served(UnixSockets(folder)) as (server, _):
        assert Path(server.address).parent != named.parent
    assert target.read_text() == "somebody's"
    assert named.is_symlink()


async def test_closing_removes_only_our_own_file(folder: StateFolder) -> None:
    sockets = UnixSockets(folder)
    first = sockets.serve(PLACE, End())
    second = sockets.serve(PLACE, End())  # A successor's, at the same path.
    first.close()
    assert Path(second.address).exists()
    second.abandon()
    assert Path(second.address).exists()
    second.close()
    first.close()


async def test_a_path_that_is_too_long_moves_to_the_runtime_folder(tmp_path: Path, runtime_dir: Path) -> None:
    deep = StateFolder.open(tmp_path / ("d" * 60) / ("e" * 60))
    sockets = UnixSockets(deep)
    named = deep.socket_path(environment="simulated", name="acme-master")
    assert len(os.fsencode(named)) > PATH_MAX
    async with served(sockets) as (server, end):
        path = Path(server.address)
        assert path.parent == runtime_dir / "holdfast"
        assert len(path.stem) == 16
        assert int(path.stem, 16) >= 0
        assert len(os.fsencode(path)) <= PATH_MAX
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
        # Found by name and by the long path alike, also by whoever has another runtime folder.
        os.environ["XDG_RUNTIME_DIR"] = str(tmp_path)
        for place in (PLACE, Place(path=str(named))):
            end.line = None
            line = UnixSockets(deep).connect(place, End())
            assert line is not None
            await until(lambda: end.line)
            line.abort()


async def test_a_place_that_moved_back_is_found_where_it_is(tmp_path: Path, folder: StateFolder) -> None:
    sockets = UnixSockets(folder)
    pointer = folder.broker_folder(environment="simulated", name="acme-master") / "owner.place"
    pointer.write_text("/nowhere/x.sock")
    async with served(sockets):
        assert not pointer.exists()
        line = sockets.connect(PLACE, End())
        assert line is not None
        line.abort()


async def test_a_pointer_into_a_folder_of_somebody_elses_is_not_followed(folder: StateFolder, tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o777)
    pointer = folder.broker_folder(environment="simulated", name="acme-master") / "owner.place"
    pointer.write_text(str(public / "x.sock"))
    with pytest.raises(ConfigError, match="not a private one"):
        UnixSockets(folder).connect(PLACE, End())


def test_the_runtime_folder_is_ours_alone_or_refused(tmp_path: Path) -> None:
    home = tmp_path / "run"
    home.mkdir()
    environ = {"XDG_RUNTIME_DIR": str(home)}
    assert runtime_folder(environ) == home / "holdfast"
    (home / "holdfast").chmod(0o755)
    with pytest.raises(ConfigError, match="open to other users"):
        runtime_folder(environ)
    (home / "holdfast").rmdir()
    (home / "holdfast").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="symbolic link"):
        runtime_folder(environ)
    assert runtime_folder({"XDG_RUNTIME_DIR": "/does/not/exist"}) == Path(f"/tmp/holdfast-{os.geteuid()}")
    assert runtime_folder({}) == Path(f"/tmp/holdfast-{os.geteuid()}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that is another user's")
def test_a_runtime_folder_that_another_user_made_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "holdfast"
    made.mkdir(mode=0o700)
    os.chown(made, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


# Other users


def another(_: socket.socket) -> Peer:
    return Peer(uid=os.geteuid() + 1, pid=1)


async def test_a_connection_of_another_user_is_dropped_unheard(folder: StateFolder) -> None:
    client = End()
    async with served(UnixSockets(folder, peer=another)) as (_, server):
        line = UnixSockets(folder).connect(PLACE, client)
        assert line is not None
        line.send(b'{"say":"hello"}\n')
        await until(lambda: client.ends)
        assert (server.line, server.data, client.data) == (None, b"", b"")


async def test_a_socket_that_another_user_serves_is_not_spoken_to(folder: StateFolder) -> None:
    async with served(UnixSockets(folder)) as (_, server):
        with pytest.raises(ConfigError, match="served by user"):
            UnixSockets(folder, peer=another).connect(PLACE, End())
        await asyncio.sleep(0.01)
        assert server.data == b""


@pytest.mark.processes
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_another_user_of_the_machine_may_not_even_connect(short_path: Path, folder: StateFolder) -> None:
    short_path.chmod(0o755)  # Up to our own folder anybody may come.
    async with served(UnixSockets(folder)) as (server, _):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
                    stranger.connect(server.address)
                said = "connected"
            except BaseException as error:
                said = type(error).__name__
            os.write(writer, said.encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)  # noqa: ASYNC222  # It ends at once.
        assert os.read(reader, 100) == b"PermissionError"
        os.close(reader)


async def test_the_kernel_says_who_is_there() -> None:
    first, second = socket.socketpair(socket.AF_UNIX)
    with first, second:
        assert peer_of(first) == Peer(uid=os.geteuid(), pid=os.getpid())


def test_the_kernel_of_a_mac_says_it_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mac:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert level == 0
            if option == 1:
                return struct.pack("2Ih16I", 0, 501, 1, *range(16))[:size]
            assert option == 2
            return struct.pack("i", 4711)

    monkeypatch.delattr(socket, "SO_PEERCRED")
    assert peer_of(Mac()) == Peer(uid=501, pid=4711)  # type: ignore[arg-type]


# Forks


@pytest.mark.processes
async def test_a_forked_child_keeps_no_socket_of_its_parents(folder: StateFolder) -> None:
    """A child that lives on would keep whoever is attached waiting for an owner that is gone."""
    sockets, client = UnixSockets(folder), End()
    async with served(sockets) as (server, end):
        line = sockets.connect(PLACE, client)
        assert line is not None
        await until(lambda: end.line)
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        try:
            await asyncio.sleep(0.05)
            line.send(b"still ours")
            await until(lambda: end.data == b"still ours")
            assert end.line is not None
            end.line.abort()
            await until(lambda: client.ends)
            server.abandon()  # As if the parent had died, with its child alive.
            assert sockets.connect(PLACE, End()) is None
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)  # noqa: ASYNC222


@pytest.mark.processes
async def test_a_forked_child_that_closes_everything_harms_nobody(folder: StateFolder) -> None:
    sockets, client = UnixSockets(folder), End()
    async with served(sockets) as (server, end):
        line = sockets.connect(PLACE, client)
        assert isinstance(line, UnixLine)
        await until(lambda: end.line)
        child = os.fork()
        if child == 0:
            line.abort()
            server.close()
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222
        assert Path(server.address).exists()
        line.send(b"still here")
        await until(lambda: end.data == b"still here")
        assert client.ends == []
        line.abort()


# Names


def test_what_can_be_connected_to(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "s")
    for environment, name in (("simulated", "one"), ("demo", "two"), ("production", "two")):
        folder.broker_folder(environment=environment, name=name)
    state = {"state_dir": folder.root}
    assert place_of("/a/b.sock", **state)[0] == Place(path="/a/b.sock")
    assert place_of(Path("b.sock"), **state)[0] == Place(path=str(Path.cwd() / "b.sock"))
    assert place_of("unix:/a/b", **state)[0] == Place(path="/a/b")
    assert place_of("unix:///a/b", **state)[0] == Place(path="/a/b")
    assert place_of("one", **state)[0] == Place(environment="simulated", name="one")
    assert place_of("demo/two", **state)[0] == Place(environment="demo", name="two")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("two", ConfigError),
        ("three", UnknownNameError),
        ("production/one", UnknownNameError),
        ("unix://host/a", ConfigError),
        ("unix:a", ConfigError),
        ("http://127.0.0.1:80", ConfigError),
        ("", UnknownNameError),
    ],
)
def test_what_cannot(tmp_path: Path, target: str, error: type[Exception]) -> None:
    folder = StateFolder.open(tmp_path / "s")
    for environment, name in (("simulated", "one"), ("demo", "two"), ("production", "two")):
        folder.broker_folder(environment=environment, name=name)
    with pytest.raises(error):
        place_of(target, state_dir=folder.root)
