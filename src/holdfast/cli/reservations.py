"""``holdfast reservations``: what is claimed, why, and how to let a claim go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, document_of, journal_document, print_json, say
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, opened, wait
from holdfast.errors import ReservationStateError

if TYPE_CHECKING:
    from holdfast.core.seams import JournalRow
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.views import ReservationView

__all__ = ["list_", "release", "show"]

Name = Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")]
Intent = Annotated[str, Parameter(help="The intent id, as `holdfast reservations` lists it.")]

_FORCED: Final = (
    "its order may be at the venue. Releasing a reservation cancels nothing: an order that is there can still be filled"
    ", with money that the next approval may promise to another one"
)
_PAGE: Final = 1000
_PAGES: Final = 100


def list_(*, broker: Name = None, common: Common = Common()) -> int:  # noqa: B008
    """List every live reservation: what is claimed, for which order, and what it still takes off spendable."""
    return wait(_list(broker, common))


async def _list(broker: str | None, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        views = desk[name].reservations()
    if common.is_json:
        print_json({"schema_version": 1, "broker": name, "reservations": [document_of(view) for view in views]})
    else:
        from holdfast.cli.order_tables import print_reservations

        print_reservations(name, views)
    return Exit.OK


def show(intent: Intent, /, *, broker: Name = None, common: Common = Common()) -> int:  # noqa: B008
    """Show one reservation, ended ones included, and each of its changes with its cause, from the journal."""
    return wait(_show(intent, broker, common))


async def _show(intent: str, broker: str | None, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        view = await desk[name].reservation(intent)
        rows = await changes_of(desk[name], view)
    if common.is_json:
        changes = [journal_document(row) for row in rows]
        print_json({"schema_version": 1, "reservation": document_of(view), "changes": changes})
    else:
        from holdfast.cli.order_tables import print_reservation

        print_reservation(view, rows)
    return Exit.OK


async def changes_of(broker: Broker, view: ReservationView) -> list[JournalRow]:
    """The journal's rows about one intent, oldest first; those the journal no longer keeps are missing. Suspends."""
    found: list[JournalRow] = []
    after = 0
    for _ in range(_PAGES):
        rows = await broker.history(after_seq=after, since_wall_us=view.created_us, limit=_PAGE)
        found += [row for row in rows if _is_about(row, view.intent_id)]
        if len(rows) < _PAGE:
            break
        after = rows[-1].seq or 0
    return found


def _is_about(row: JournalRow, intent_id: str) -> bool:
    if intent_id not in row.cause:  # Most rows are figures: a look at the text spares decoding them.
        return False
    try:
        cause = msgspec.json.decode(row.cause, type=dict[str, Any])
    except msgspec.DecodeError:
        return False
    return cause.get("intent_id") == intent_id


def release(
    intent: Intent,
    /,
    *,
    force: Annotated[
        bool, Parameter(negative="", help="Release it although it is in doubt and its order may be at the venue.")
    ] = False,
    broker: Name = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Give a reservation's money back.

    One of which nothing was sent is simply released. One in doubt is released by evidence; without it only by --force:
    its money would be promised again while its order may be filled. The money of an order that is open comes back by
    `holdfast orders cancel`. Exits with 2 where the state does not allow it.
    """
    return wait(_release(intent, force, broker, common))


async def _release(intent: str, force: bool, broker: str | None, common: Common) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        try:
            view = await desk[name].release_reservation(intent, force=force)
        except ReservationStateError as error:
            if "in_doubt" in error.state:
                say(f"holdfast: {_FORCED}")
                say("holdfast: hint: wait for the evidence; --force releases the money without it")
            elif "open" in error.state:
                say(f"holdfast: hint: `holdfast orders cancel {intent}` gives back what is not filled")
            raise
    if common.is_json:
        print_json({"schema_version": 1, "reservation": document_of(view)})
    else:
        from holdfast.cli.order_tables import print_reservation

        print_reservation(view, [])
    if view.cause == "forced":
        say(f"holdfast: {_FORCED}")
    return Exit.OK
