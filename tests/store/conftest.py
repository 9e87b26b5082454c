from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from holdfast.core.events import Event
from holdfast.store.sqlite import SqliteStore
from tests.store.disks import Disk
from tests.store.rows import NOON_US


class Mark:
    """A mark that survives its store, as a file would."""

    def __init__(self, value: int | None = None) -> None:
        self.value = value
        self.is_closed = False
        self.error: Exception | None = None

    def read(self) -> int | None:
        return self.value

    def write(self, value: int) -> None:
        if self.error is not None:
            raise self.error
        assert value >= (self.value or 0)
        self.value = value

    def close(self) -> None:
        self.is_closed = True


class OpenStore(Protocol):
    def __call__(self, path: str | Path = ..., **settings: Any) -> Awaitable[SqliteStore]: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "holdfast.db"


@pytest.fixture
def mark() -> Mark:
    return Mark()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def open_store(path: Path, events: list[Event]) -> Any:
    """Opens a store at *path*; what is still open is closed at the end."""
    opened: list[SqliteStore] = []

    async def open_one(at: str | Path = path, **settings: Any) -> SqliteStore:
        settings = {"wall_us": lambda: NOON_US, "emit": events.append, "broker": "main", **settings}
        store = await SqliteStore.open(at, **settings)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def disk() -> type[Disk]:
    """A disk of this test's own."""
    return type("TestDisk", (Disk,), {})


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


Opened = Callable[..., Awaitable[SqliteStore]]
