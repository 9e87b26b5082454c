"""``holdfast backup`` and ``holdfast restore``: a broker's store, copied and put back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, opened, wait
from holdfast.errors import UnknownNameError

__all__ = ["backup", "restore"]


def backup(
    path: Annotated[Path, Parameter(help="Where to write the copy; an existing file is never overwritten.")],
    /,
    *,
    broker: Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write a consistent, checked copy of a broker's store: journal and facts. It holds no secret."""
    if os.path.lexists(path):
        raise UnknownNameError(f"{path} exists; name another file: a backup never overwrites")
    if not path.absolute().parent.is_dir():
        raise UnknownNameError(f"{path.absolute().parent} is no folder; make it first")
    return wait(_backup(str(path.absolute()), broker, common))


async def _backup(path: str, broker: str | None, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        await desk[name].backup(path)
        last_seq = desk[name].status().store.last_seq
    if common.is_json:
        print_json({"schema_version": 1, "broker": name, "path": path, "last_seq": last_seq})
    else:
        sys.stdout.write(f"{path}: {name} up to journal row {last_seq}\n")
    return Exit.OK


def restore(
    path: Annotated[Path | None, Parameter(help="The backup to put in place.")] = None,
    /,
    *,
    broker: Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")] = None,
    start_new: Annotated[
        bool, Parameter(negative="", help="There is no backup: move the damaged store aside and start a new one.")
    ] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Put a backup in the place of a broker's store. The present store is moved aside, never deleted.

    A store that is older than what was already acted on starts halted: `holdfast status` says so.
    """
    if (path is None) is not start_new:
        raise UnknownNameError("name the backup to restore, or say --start-new where there is none")
    if path is not None and not path.is_file():
        raise UnknownNameError(f"{path}: no such file; name the backup to restore")
    return wait(_restore(path, broker, common))


async def _restore(path: Path | None, broker: str | None, common: Common) -> int:
    from holdfast.runtime.restoration import restore_store

    config = load(common.config)
    report = await restore_store(config, only_name(config, broker), path)
    if common.is_json:
        print_json({"schema_version": 1, **msgspec.to_builtins(report)})
        return Exit.OK
    done = "a new store, numbered on" if path is None else "restored"
    sys.stdout.write(f"{report.path}: {done} from journal row {report.last_seq}\n")
    if report.moved_aside is not None:
        say(f"the former store is at {report.moved_aside}")
    if report.halted is not None:
        say(f"{report.broker} starts halted: {report.halted}")
    return Exit.OK
