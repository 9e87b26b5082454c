"""A broker's journal by itself: what was kept can be read without the key that it was kept under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.runtime.ownership import broker_fingerprint

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.seams import JournalRow
    from holdfast.runtime.parts import Parts

__all__ = ["read_journal"]


async def read_journal(
    config: Config,
    name: str,
    *,
    asset: str | None = None,
    after_seq: int = 0,
    since_wall_us: int | None = None,
    limit: int = 1000,
    kind: str | None = None,
    parts: Parts | None = None,
) -> list[JournalRow]:
    """
    The newest *limit* rows of the broker *name* of *config*, newest first. Suspends; needs no credential.

    Only while no process owns the account: an owner reads its own journal. Arguments as for ``Broker.history``.

    Raises:
        OwnedElsewhereError: A process owns the account.
        StoreError: The journal cannot be opened or read.
        ConfigError: The state folder cannot be used.
    """
    from holdfast.runtime.parts import real_parts

    parts = parts or real_parts(config)
    broker = config.brokers[name]
    held = parts.own(broker, broker_fingerprint(environment=broker.environment, name=broker.name))
    try:
        store = await parts.store(broker, _ignore)
        try:
            return await store.history(
                asset=asset, after_seq=after_seq, since_wall_us=since_wall_us, limit=limit, newest_first=True, kind=kind
            )
        finally:
            await store.close()
    finally:
        held.release()


def _ignore(_: object) -> None:
    pass
