"""
Put a broker's store back: from a backup, or as a new one beside a damaged one.

What comes back is older than what was already acted on, so it starts *halted*; the present store is moved aside, never
deleted. Nobody may own the account meanwhile.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from holdfast.config import Config
from holdfast.core.seams import StoreStatus
from holdfast.errors import UnknownNameError
from holdfast.runtime.credentials import read_credential
from holdfast.runtime.journal_mark import JournalMark
from holdfast.runtime.ownership import OwnerLock, broker_fingerprint
from holdfast.runtime.parts import venue_called
from holdfast.runtime.state_folder import StateFolder

__all__ = ["RestoreReport", "restore_store"]


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a restore did. ``moved_aside`` is where the former store went, None where there was none.

    ``halted`` is the reason the restored store starts halted, None where nothing was missed.
    """

    broker: str
    path: str
    moved_aside: str | None
    last_seq: int
    halted: str | None


async def restore_store(config: Config, name: str, backup: str | os.PathLike[str] | None) -> RestoreReport:
    """
    Replace *name*'s store by *backup*, or by a new one where *backup* is None. Suspends.

    Raises:
        UnknownNameError: No such broker.
        OwnedElsewhereError: A process owns the account; stop it first.
        StoreError: The backup cannot be used, or the store cannot be written; nothing was changed.
        ConfigError: The credential, which names the account's lock, cannot be read.
    """
    from holdfast.store.sqlite import SqliteStore
    from holdfast.store.sqlite.copies import quarantine, restore

    broker = config.brokers.get(name)
    if broker is None:
        raise UnknownNameError(f"no broker {name!a}: configured are {', '.join(config.brokers)}")
    folder = StateFolder.open(config.state_dir)
    credential = read_credential(broker, venue_called(broker.venue), config=config)
    place = {"environment": broker.environment, "name": broker.name}
    path = folder.database_path(**place)
    wall_us = time.time_ns() // 1000
    by_name = broker_fingerprint(environment=broker.environment, name=name)
    with (
        OwnerLock.take(folder.owner_lock_path(by_name), broker=name),
        OwnerLock.take(folder.owner_lock_path(credential.fingerprint), broker=name),
    ):
        mark = JournalMark.open(folder.journal_mark_path(**place))
        if backup is None:
            aside = quarantine(path, wall_us=wall_us)
        else:
            aside = restore(backup, path, wall_us=wall_us, journal_mark=mark)
        # Opened once, so that what was put in place is proved to be usable while nobody else can have it.
        store = await SqliteStore.open(
            path,
            wall_us=lambda: time.time_ns() // 1000,
            broker=name,
            journal_mark=mark,
            on_damage="refuse" if backup is not None else "quarantine",
        )
        try:
            status: StoreStatus = store.status()
        finally:
            await store.close()
    return RestoreReport(
        broker=name,
        path=str(path),
        moved_aside=None if aside is None else str(Path(aside)),
        last_seq=status.last_seq,
        halted=status.halted,
    )
