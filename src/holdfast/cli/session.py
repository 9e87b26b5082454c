"""Open the configured brokers for one command, and choose among them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from holdfast.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk

__all__ = ["Contact", "chosen_names", "only_name", "opened", "settle", "wait"]

T = TypeVar("T")

Contact = Literal["stream", "rest", "none"]
"""How far a command reaches out: a live stream, REST reads only, or nothing but the store."""


def load(config: Path | None) -> Config:
    """The configuration in force; raises ``ConfigError`` naming everything that is wrong."""
    from holdfast.config import load_config

    return load_config(config)


def chosen_names(config: Config, broker: str | None) -> list[str]:
    """
    The brokers a command is for: the one named, or all.

    Raises:
        UnknownNameError: None has that name.
        ConfigError: None is configured.
    """
    names = list(config.brokers)
    if not names:
        raise ConfigError("no broker is configured: add a [brokers.NAME] table, or start with `holdfast config init`")
    if broker is None:
        return names
    if broker not in names:
        raise UnknownNameError(f"no broker {broker!a}: configured are {', '.join(names)}")
    return [broker]


def only_name(config: Config, broker: str | None) -> str:
    """
    The one broker a command is for.

    Raises:
        UnknownNameError: Several are configured and none is named (exit 2), or none has that name.
    """
    names = chosen_names(config, broker)
    if len(names) > 1:
        raise UnknownNameError(f"several brokers are configured, name one with --broker: {', '.join(names)}")
    return names[0]


@contextlib.asynccontextmanager
async def opened(config: Config, names: list[str], *, contact: Contact, log: bool = False) -> AsyncIterator[Desk]:
    """Own *names* for the block; ``rest`` is quicker than ``stream`` for one answer, ``none`` only reads the store."""
    import holdfast

    async with holdfast.open(config, brokers=names, contact=contact, log=log) as desk:
        yield desk


async def settle(desk: Desk, *, timeout_s: float, live: bool = False) -> None:
    """
    Wait until every broker is ready, with *live* its stream too, or *timeout_s* seconds have passed.

    Never raises for a venue that is not: what came of it is in the figures.
    """
    import asyncio

    from holdfast.errors import NotReadyError

    async def one(broker: Broker) -> None:
        with contextlib.suppress(NotReadyError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await broker.ready(timeout_s=timeout_s)
                if live:
                    await broker.wait_until("live", timeout_s=timeout_s)

    await asyncio.gather(*(one(broker) for broker in desk))


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; Ctrl-C ends it in order."""
    import asyncio

    return asyncio.run(work)
