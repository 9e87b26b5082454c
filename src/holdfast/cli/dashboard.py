"""``holdfast dashboard``: a link that signs a browser in once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, wait
from holdfast.errors import ConfigError, OwnerSilentError

if TYPE_CHECKING:
    from holdfast.daemon.places import DaemonNote

__all__ = ["dashboard"]


def dashboard(
    *,
    role: Annotated[
        Literal["read", "operate"], Parameter(help="operate: the page's buttons work too, for whoever has the link.")
    ] = "read",
    open_: Annotated[
        bool, Parameter(name="--open", negative="", help="Open it in this machine's browser as well.")
    ] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Print a link to the dashboard of the daemon that runs here. It works once, within a minute.

    Asks the daemon over its unix socket, so it needs no token. Exits with 9 where no daemon serves a port: start one
    with `holdfast up --port 8717`.
    """
    return wait(_dashboard(role, open_, common))


async def _dashboard(role: str, opens: bool, common: Common) -> int:
    from holdfast.daemon.places import daemons_in
    from holdfast.runtime.state_folder import StateFolder

    try:
        state_dir = load(common.config).state_dir
    except ConfigError:
        if common.config is not None:
            raise
        state_dir = None
    found = daemons_in(StateFolder.open(state_dir))
    serving = [note for note in found if note.url is not None]
    if not serving:
        what = "the daemon here serves no port" if found else "no daemon runs here"
        raise OwnerSilentError(f"{what}: `holdfast up --port 8717` does", pid=None, silent_for_s=None)
    note = serving[0]
    link = await _link(note, role)
    if common.is_json:
        print_json({"schema_version": 1, "url": link["url"], "role": role, "expires_in_s": link["expires_in_s"]})
    else:
        sys.stdout.write(f"{link['url']}\n")
        others = ", ".join(str(each.url) for each in serving[1:])
        say(f"daemon {note.pid}: {', '.join(note.brokers)}; works once, for {link['expires_in_s']:g} s")
        if others:
            say(f"other daemons of this state folder serve at {others}")
    if opens:
        import webbrowser

        webbrowser.open(link["url"])
    return Exit.OK


async def _link(note: DaemonNote, role: str) -> dict[str, Any]:
    import aiohttp

    connector = aiohttp.UnixConnector(path=note.socket)
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post("http://localhost/v1/links", json={"role": role}) as answer,
        ):
            document: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OwnerSilentError(
            f"daemon {note.pid} does not answer: {type(error).__name__}", pid=note.pid, silent_for_s=None
        ) from None
    if answer.status != 200:
        raise OwnerSilentError(
            f"daemon {note.pid} made no link: {document['error']['message']}", pid=note.pid, silent_for_s=None
        )
    return document
