"""The blocking form attaches as the other does: two desks in two threads of one process, over a real socket."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.core.balances import BalanceState
from holdfast.errors import OwnedElsewhereError, OwnerSilentError
from holdfast.runtime.attach.connect import connect_blocking
from holdfast.runtime.attach.sockets import UnixSockets
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.parts import Parts
from holdfast.runtime.state_folder import StateFolder
from holdfast.testing import FakeVenue, MemoryOwners, memory_config, memory_parts


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hf-") as made:
        yield Path(made).resolve()


def parts(folder: Path, owners: MemoryOwners) -> Parts:
    made: dict[str, Any] = {"clock": SystemClock(), "venue": FakeVenue(), "owners": owners}
    sockets = UnixSockets(StateFolder.open(folder / "s"))
    return memory_parts(sockets=sockets, store_path=folder / "one.db", **made)


def test_a_synchronous_bot_owns_attaches_takes_over_and_connects(folder: Path) -> None:
    owners = MemoryOwners()
    config = memory_config()
    with holdfast.open_blocking(config, mode="own", parts=parts(folder, owners)) as owner:
        owner.ready(timeout_s=10)
        with (
            pytest.raises(OwnedElsewhereError),
            holdfast.open_blocking(config, mode="own", parts=parts(folder, owners)),
        ):
            pass
        with holdfast.open_blocking(config, parts=parts(folder, owners)) as second:
            second.ready(timeout_s=10)
            figures = [desk["acme-master"].balance("USD") for desk in (owner, second)]
            assert figures[0].total == figures[1].total
            assert second["acme-master"].refresh().is_ok
            with connect_blocking("acme-master", state_dir=folder / "s") as third:
                assert third["acme-master"].balance("USD").total == figures[0].total
            owner.close()
            assert second["acme-master"].refresh().is_ok  # By its own means: it owns the account now.
            assert second["acme-master"].balance("USD").state in (BalanceState.LIVE, BalanceState.FRESH)


def test_a_synchronous_bot_is_told_that_nobody_is_there(folder: Path) -> None:
    began_s = time.monotonic()
    config = holdfast.Config(brokers=memory_config().brokers, lane=type(memory_config().lane)(wait_s=0.3))
    attaching = holdfast.open_blocking(config, mode="attach", parts=parts(folder, MemoryOwners()))
    with pytest.raises(OwnerSilentError), attaching:
        pass
    assert time.monotonic() - began_s < 2
