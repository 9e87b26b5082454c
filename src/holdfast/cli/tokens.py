"""``holdfast tokens``: the bearers that programs show to the HTTP API."""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say
from holdfast.cli.durations import seconds_of
from holdfast.cli.exits import Exit
from holdfast.cli.session import load
from holdfast.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from holdfast.daemon.access import TokenFile

__all__ = ["create", "list_", "revoke"]

Name = Annotated[str, Parameter(help="What it is called: the program or person that has it.")]


def _tokens(common: Common) -> TokenFile:
    from holdfast.daemon.access import TokenFile
    from holdfast.daemon.places import tokens_path
    from holdfast.runtime.state_folder import StateFolder

    try:
        state_dir = load(common.config).state_dir
    except ConfigError:
        if common.config is not None:
            raise
        state_dir = None  # A token may be made before there is a configuration.
    return TokenFile(tokens_path(StateFolder.open(state_dir)))


def _now_us() -> int:
    return time.time_ns() // 1000


def create(
    name: Name,
    /,
    *,
    role: Annotated[
        Literal["read", "trade", "operate"],
        Parameter(help="read: figures and the record; trade: orders too; operate: breakers, halts and repairs too."),
    ] = "read",
    for_: Annotated[
        str | None, Parameter(name="--for", help="How long it counts: 12h, 30d; for good if unset.")
    ] = None,
    file: Annotated[
        Path | None, Parameter(help="Write it to this new file, mode 0600, instead of printing it.")
    ] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Make a token for the HTTP API and print it, once: only its hash is kept.

    It counts at once, for every daemon of this state folder. Exits with 3 where the name is taken.
    """
    from holdfast.daemon.access import Role

    tokens = _tokens(common)
    lasts_s = None if for_ is None else seconds_of(for_)
    if file is not None and file.exists():
        raise ConfigError(f"{file} is there already: name a new file")
    token = tokens.create(name, Role(role), wall_us=_now_us(), lasts_s=lasts_s)
    if file is not None:
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(token + "\n")
        say(f"token {name} ({role}) written to {file}")
    elif common.is_json:
        print_json({"schema_version": 1, "name": name, "role": role, "token": token})
    else:
        sys.stdout.write(token + "\n")
        say(f"this is token {name} ({role}), and it is not shown again; HOLDFAST_TOKEN_FILE names a file that holds it")
    return Exit.OK


def list_(*, common: Common = Common()) -> int:  # noqa: B008
    """Every token and browser session that counts, by name, with its role; never the token itself."""
    now_us = _now_us()
    found = [each for each in _tokens(common).tokens() if not each.is_expired(wall_us=now_us)]
    if common.is_json:
        rows = [
            {
                "name": each.name,
                "role": each.role.value,
                "is_session": each.is_session,
                "created_us": each.created_us,
                "expires_us": each.expires_us,
            }
            for each in found
        ]
        print_json({"schema_version": 1, "tokens": rows})
        return Exit.OK
    for each in found:
        until = "for good" if each.expires_us is None else f"until {_at(each.expires_us)}"
        kind = "browser session" if each.is_session else "token"
        sys.stdout.write(f"{each.name}  {each.role.value}  {kind}  since {_at(each.created_us)}  {until}\n")
    if not found:
        say("no token: `holdfast tokens create NAME --role read` makes one")
    return Exit.OK


def revoke(name: Name, /, *, common: Common = Common()) -> int:  # noqa: B008
    """
    End a token or a browser session. It counts at once; streams that are open with it end within seconds.

    Exits with 2 where none is called so.
    """
    if not _tokens(common).revoke(name, wall_us=_now_us()):
        raise UnknownNameError(f"no token {name!a}: `holdfast tokens list` names them")
    say(f"token {name} counts no more")
    return Exit.OK


def _at(wall_us: int) -> str:
    return datetime.datetime.fromtimestamp(wall_us / 1e6, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
