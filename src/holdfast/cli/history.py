"""``holdfast history``: the journal, read without asking the venue anything."""

from __future__ import annotations

import datetime
import re
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.cli.common import Common, journal_document, print_json
from holdfast.cli.exits import Exit
from holdfast.cli.session import journal_of, load, only_name, wait
from holdfast.errors import UnknownNameError

__all__ = ["history"]

_AGO = re.compile(r"(\d+)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def history(
    *,
    broker: Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")] = None,
    asset: Annotated[str | None, Parameter(help="Only this asset.")] = None,
    since: Annotated[str | None, Parameter(help="Only rows since: 90s, 15m, 2h, 7d, or 2026-11-20[T10:00].")] = None,
    after: Annotated[int, Parameter(help="Only rows after this sequence number.")] = 0,
    limit: Annotated[int, Parameter(help="At most so many rows, the newest.", validator=Number(gte=1))] = 100,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Print the journal: every accepted change with its cause, oldest first.

    Nothing is asked of the venue, and no API key is needed.
    """
    return wait(_history(broker, asset, since, after, limit, common))


async def _history(
    broker: str | None, asset: str | None, since: str | None, after: int, limit: int, common: Common
) -> int:
    since_wall_us = None if since is None else wall_us_of(since, now=datetime.datetime.now(datetime.UTC))
    config = load(common.config)
    name = only_name(config, broker)
    rows = await journal_of(config, name, asset=asset, after_seq=after, since_wall_us=since_wall_us, limit=limit)
    rows.reverse()
    if common.is_json:
        print_json({"schema_version": 1, "broker": name, "rows": [journal_document(row) for row in rows]})
    else:
        from holdfast.cli.journal_lines import print_history

        print_history(rows)
    return Exit.OK


def wall_us_of(text: str, *, now: datetime.datetime) -> int:
    """
    A point in time, UTC microseconds: ``2h`` is two hours before *now*, else ISO 8601 (UTC where no zone is given).

    Raises:
        UnknownNameError: It is neither (exit 2).
    """
    ago = _AGO.match(text)
    if ago is not None:
        moment = now - datetime.timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    else:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise UnknownNameError(f"not a time: {text!a}; expected 90s, 15m, 2h, 7d or 2026-11-20T10:00") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
    return round(moment.timestamp() * 1_000_000)
