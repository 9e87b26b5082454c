"""``holdfast audit``: who acted on an account, when, how, and what changed."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.cli.acting import Name
from holdfast.cli.common import Common, journal_document, print_json
from holdfast.cli.exits import Exit
from holdfast.cli.history import wall_us_of
from holdfast.cli.session import journal_of, load, only_name, wait

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["audit"]


def audit(
    broker: Name = None,
    /,
    *,
    since: Annotated[str | None, Parameter(help="Only since: 90s, 15m, 2h, 7d, or 2026-11-20[T10:00].")] = None,
    limit: Annotated[int, Parameter(help="At most so many, the newest.", validator=Number(gte=1))] = 100,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Show who repaired, reset, refreshed, isolated, halted, released by force or examined, and what that changed.

    Oldest first: the time, the user and the process, what was typed, and how it stood before and after. Kept in the
    journal, beside what was changed and as long. Nothing is asked of the venue, and no API key is needed.
    """
    return wait(_audit(broker, since, limit, common))


async def _audit(broker: str | None, since: str | None, limit: int, common: Common) -> int:
    since_wall_us = None if since is None else wall_us_of(since, now=datetime.datetime.now(datetime.UTC))
    config = load(common.config)
    name = only_name(config, broker)
    rows = await journal_of(config, name, kind="audit", since_wall_us=since_wall_us, limit=limit)
    documents = [journal_document(row) for row in reversed(rows)]
    if common.is_json:
        acts = [{"seq": each["seq"], "at": _at(each["wall_us"]), **_facts(each)} for each in documents]
        print_json({"schema_version": 1, "broker": name, "acts": acts})
    else:
        sys.stdout.writelines(f"{line}\n" for each in documents for line in _lines(each))
        if not documents:
            sys.stdout.write(f"{name}: nothing on record\n")
    return Exit.OK


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    facts = dict(document["cause"])
    return {"act": facts.pop("cause", None), **facts}


def _at(wall_us: int) -> str:
    return datetime.datetime.fromtimestamp(wall_us / 1_000_000, datetime.UTC).isoformat(timespec="milliseconds")


def _lines(document: dict[str, Any]) -> Iterator[str]:
    facts = _facts(document)
    yield f"{_at(document['wall_us'])}  {facts.pop('act')}: {_plain(facts.pop('outcome', ''))}"
    who = f"user {_user(facts.pop('uid', None))}, process {facts.pop('pid', None)}"
    yield f"    by {who}: {_plain(facts.pop('command', None) or 'not told')}"
    before, after = facts.pop("before", None), facts.pop("after", None)
    yield from (f"    {line}" for line in _changes(before or {}, after or {}))
    for name, value in facts.items():
        if value not in (None, {}, []):
            yield f"    {name}: {_shown(value)}"


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What differs, by name; what stands where nothing does needs no line."""
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from (f"{name}.{line}" for line in _changes(was, now))
        elif was != now:
            yield f"{name}: {_shown(was)} → {_shown(now)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "none" if value is None else _plain(str(value))


def _plain(text: str) -> str:
    """Nothing that moves a cursor: a command line is whatever somebody typed."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _user(uid: int | None) -> str:
    """The user's name, where this machine knows it."""
    if uid is None:
        return "unknown"
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return str(uid)
