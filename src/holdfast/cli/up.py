"""``holdfast up``: own the configured brokers, in the foreground or as a daemon with an HTTP API and a dashboard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, say
from holdfast.cli.durations import seconds_of
from holdfast.cli.exits import Exit
from holdfast.cli.session import chosen_names, load, wait

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.events import Event
    from holdfast.daemon.daemon import Daemon
    from holdfast.daemon.shapes import ReloadReply
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.open import Mode, Opening

__all__ = ["serving", "stop_requested", "up"]

_PORT_MAX = 65_535


def _port(type_: object, value: int | None) -> None:
    if value is not None and not 0 <= value <= _PORT_MAX:
        raise ValueError(f"{value} is no port: 0 to {_PORT_MAX}, 0 for any that is free")


def up(
    *,
    broker: Annotated[str | None, Parameter(help="Only this broker; all of them when left out.")] = None,
    port: Annotated[
        int | None,
        Parameter(help="Serve API, metrics and dashboard on this port, 0 for any; else daemon.port.", validator=_port),
    ] = None,
    host: Annotated[str | None, Parameter(help="Address to listen on; else daemon.host: this machine.")] = None,
    for_: Annotated[str | None, Parameter(name="--for", help="End by itself after this long: 20s, 5m, 1h.")] = None,
    standby: Annotated[
        bool, Parameter(negative="", help="Where another process owns a broker, attach, and take over when it ends.")
    ] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Own the configured brokers and keep their figures live until SIGTERM or Ctrl-C.

    Bots and commands on this host go through it. With --port, or daemon.port in the configuration, it serves the HTTP
    API, /metrics and the dashboard too, and prints a link that signs a browser in once. SIGHUP reads configuration and
    keys again: brokers that changed are opened anew, and what needs a restart is named. Events are logged on stderr.
    With --output json one line on stdout says where it listens, and one when every broker is ready. Exits with 9 where
    another process owns a broker, unless --standby is given.
    """
    for_s = None if for_ is None else seconds_of(for_)
    return wait(_up(broker, port, host, for_s, "auto" if standby else "own", common))


async def _up(
    broker: str | None, port: int | None, host: str | None, for_s: float | None, mode: Mode, common: Common
) -> int:
    config = load(common.config)
    names = chosen_names(config, broker)

    def read_again() -> Config:
        return load(common.config)

    with stop_requested() as stop:
        listening = serving(
            config, names, port=port, host=host, mode=mode, as_json=common.is_json, read_again=read_again
        )
        async with listening as (desk, daemon):
            announcing = asyncio.create_task(_announce(desk, daemon, as_json=common.is_json))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(for_s):
                    await stop.wait()
            announcing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await announcing
    return Exit.OK


@contextlib.asynccontextmanager
async def serving(
    config: Config,
    names: list[str],
    *,
    port: int | None,
    host: str | None,
    mode: Mode,
    as_json: bool,
    read_again: Callable[[], Config] | None = None,
    log: bool = True,
    on_event: Callable[[Event], object] | None = None,
) -> AsyncIterator[tuple[Desk, Daemon]]:
    """
    Own *names* and serve them over HTTP for the length of the block; a link for a browser is printed.

    Args:
        config: What is in force.
        names: The brokers.
        port: Instead of the configuration's.
        host: Instead of the configuration's.
        mode: As of ``holdfast.open``.
        as_json: One line of JSON on stdout instead of a link on stderr.
        read_again: Reads the configuration anew, for SIGHUP and ``POST /v1/reload``; None where it cannot be.
        log: Write events to stderr.
        on_event: Called with every event from the very first.
    """
    import holdfast
    from holdfast.daemon.access import Role
    from holdfast.daemon.daemon import Daemon

    daemon = Daemon(config, tuple(names), port=port, host=host, say=lambda text: say(f"holdfast: {text}"))
    await daemon.start()
    try:
        if daemon.url is not None:
            code = daemon.access.mint(Role.READ)
            _tell_address(daemon.url, f"{daemon.url}/#code={code}", as_json=as_json)
        opening = holdfast.open(config, mode=mode, brokers=names, contact="stream", log=log, on_event=on_event)
        async with opening as desk:
            daemon.begin(desk)
            if read_again is not None:
                daemon.api.reload = lambda: _reload(opening, daemon, read_again)
            with contextlib.nullcontext() if read_again is None else _on_hangup(daemon):
                try:
                    yield desk, daemon
                finally:
                    # While the brokers are still open: what is under way on them comes to its end.
                    await daemon.end()
    except BaseException:
        await daemon.end()
        raise


def _tell_address(url: str, link: str, *, as_json: bool) -> None:
    if as_json:
        _line({"schema_version": 1, "event": "listening", "url": url, "link": link})
    else:
        say(f"listening on {url}; sign a browser in, once and within a minute:")
        say(f"  {link}")
        say("`holdfast dashboard` makes another link")


def _line(document: dict[str, object]) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


async def _reload(opening: Opening, daemon: Daemon, read_again: Callable[[], Config]) -> ReloadReply:
    from holdfast.daemon.shapes import ReloadReply

    daemon.notices.reloading()
    try:
        report = await opening.reload(read_again())
    finally:
        daemon.notices.ready("running")
    return ReloadReply(
        reopened=list(report.reopened),
        unchanged=list(report.unchanged),
        failed=dict(report.failed),
        needs_restart=list(report.needs_restart),
    )


@contextlib.contextmanager
def _on_hangup(daemon: Daemon) -> Iterator[None]:
    """
    SIGHUP reads configuration and keys again while the block runs; what came of it is said on stderr.

    Where it came because the terminal is gone, the process ends in order instead, as one expects of a closed window.
    """
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        if daemon.api.reload is None:
            return
        try:
            report = await daemon.api.reload()
        except Exception as error:  # The top of a task: what is wrong is said, and the brokers go on as they were.
            say(f"holdfast: nothing was reloaded: {error}")
            return
        for words, names in (
            ("opened anew", report.reopened),
            ("changed, and counts after a restart", report.needs_restart),
        ):
            if names:
                say(f"holdfast: reload: {words}: {', '.join(names)}")
        for name, why in report.failed.items():
            say(f"holdfast: reload: {name} stays as it was: {why}")
        if not (report.reopened or report.needs_restart or report.failed):
            say("holdfast: reload: nothing changed")

    had_terminal = _has_terminal()

    def hang_up() -> None:
        if had_terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
            return
        task = loop.create_task(reload(), name="holdfast reload")
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in under_way:
            task.cancel()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


async def _announce(desk: Desk, daemon: Daemon, *, as_json: bool) -> None:
    await desk.ready(timeout_s=None)
    daemon.notices.status(f"ready: {', '.join(desk.brokers)}")
    if as_json:
        address = {} if daemon.url is None else {"url": daemon.url}
        _line({"schema_version": 1, "event": "ready", "brokers": list(desk.brokers), **address})
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
