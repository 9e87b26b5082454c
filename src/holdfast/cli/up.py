"""``holdfast up``: own the configured brokers in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, say
from holdfast.cli.durations import seconds_of
from holdfast.cli.exits import Exit
from holdfast.cli.session import chosen_names, load, opened, wait

if TYPE_CHECKING:
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.open import Mode

__all__ = ["stop_requested", "up"]


def up(
    *,
    broker: Annotated[str | None, Parameter(help="Only this broker; all of them when left out.")] = None,
    for_: Annotated[str | None, Parameter(name="--for", help="End by itself after this long: 20s, 5m, 1h.")] = None,
    standby: Annotated[
        bool, Parameter(negative="", help="Where another process owns a broker, attach, and take over when it ends.")
    ] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Own the configured brokers and keep their figures live until SIGTERM or Ctrl-C.

    Bots and commands on this host go through it. Events are logged on stderr. With --output json one line on stdout
    says when every broker is ready. Exits with 9 where another process owns one of them, unless --standby is given.
    """
    return wait(_up(broker, None if for_ is None else seconds_of(for_), "auto" if standby else "own", common))


async def _up(broker: str | None, for_s: float | None, mode: Mode, common: Common) -> int:
    config = load(common.config)
    names = chosen_names(config, broker)
    with stop_requested() as stop:
        async with opened(config, names, contact="stream", mode=mode, log=True) as desk:
            announcing = asyncio.create_task(_announce(desk, as_json=common.is_json))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(for_s):
                    await stop.wait()
            announcing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await announcing
    return Exit.OK


async def _announce(desk: Desk, *, as_json: bool) -> None:
    await desk.ready(timeout_s=None)
    if as_json:
        line = {"schema_version": 1, "event": "ready", "brokers": list(desk.brokers)}
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()
    else:
        say(f"ready: {', '.join(desk.brokers)}; Ctrl-C ends it")


@contextlib.contextmanager
def stop_requested() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; the handlers of before are back afterwards."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
