"""What commands share that act on an account by a person's word: progress, records not kept, exit codes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from holdfast.cli.common import say
from holdfast.cli.exits import Exit
from holdfast.cli.session import is_hopeless

if TYPE_CHECKING:
    from holdfast.core.events import Event
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.views import BrokerStatus, RefreshReport

__all__ = ["Name", "code_of_refresh", "code_of_status", "progress_told", "tell_unrecorded"]

Name = Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")]


@contextlib.contextmanager
def progress_told(desk: Desk, name: str) -> Iterator[None]:
    """Say each step of what *name* does on stderr as it ends, whichever process does it."""

    def hear(event: Event) -> None:
        fields = event.fields
        if event.name == "repair.progressed" and fields.get("broker") == name:
            say(f"holdfast: {name}: {fields.get('step')}: {fields.get('state')}{_detail(fields)}")

    with desk.on_event(hear):
        yield


def _detail(fields: dict[str, object]) -> str:
    """What is going on, and what went wrong; what is over and well is in the answer."""
    text, state = str(fields.get("text") or ""), fields.get("state")
    return f": {text}" if state in ("begun", "failed", "left") and text else ""


def tell_unrecorded(name: str, record: str | None) -> None:
    """Say on stderr that what was done does not stand in the journal, and why."""
    if record is not None:
        say(f"holdfast: {name}: this was done, and is not on record: {record}")


def code_of_status(status: BrokerStatus) -> int:
    """The exit code for a broker that may not act: 0 where it may."""
    if is_hopeless(status):
        return Exit.RATE_LIMITED if status.nonce.parked_cause == "lockout" else Exit.CONFIG
    return Exit.OK if status.is_available else Exit.VENUE_UNAVAILABLE


def code_of_refresh(refresh: RefreshReport, status: BrokerStatus) -> int:
    """The exit code for what a forced refresh came to."""
    if refresh.is_ok:
        return Exit.OK
    if is_hopeless(status):
        return code_of_status(status)
    if refresh.error is None:
        return Exit.STALE_OR_UNKNOWN  # Answered, and a second, different read does not agree yet.
    return Exit.RATE_LIMITED if refresh.fault == "rate_limit" else Exit.VENUE_UNAVAILABLE
