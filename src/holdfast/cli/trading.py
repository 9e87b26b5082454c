"""``holdfast halt``, ``reduce`` and ``resume``: which orders a broker takes, until somebody says otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, only_name, opened, wait
from holdfast.errors import HaltedError

if TYPE_CHECKING:
    from holdfast.runtime.views import BrokerStatus

__all__ = ["halt", "reduce", "resume"]

Name = Annotated[str | None, Parameter(help="The broker; may be left out where only one is configured.")]
Reason = Annotated[str | None, Parameter(help="Why, for whoever looks at the status.")]

_MEANS: Final = {
    "active": "every order is taken",
    "reducing": "only exits and cancels are taken: sells of what is held",
    "halted": "only cancels are taken",
}


_ACCEPT: Final = "holdfast resume {} --accept-restored"


def halt(broker: Name = None, /, *, reason: Reason = None, common: Common = Common()) -> int:  # noqa: B008
    """
    Take cancels only, at once and until `holdfast resume`, restarts included. Open orders stay where they are.

    Works while the venue is away, and through the process that owns the account.
    """
    return wait(_set("halted", broker, reason, accepts_restored=False, common=common))


def reduce(broker: Name = None, /, *, reason: Reason = None, common: Common = Common()) -> int:  # noqa: B008
    """Take exits and cancels only, at once and until `holdfast resume`, restarts included."""
    return wait(_set("reducing", broker, reason, accepts_restored=False, common=common))


def resume(
    broker: Name = None,
    /,
    *,
    accept_restored: Annotated[
        bool, Parameter(negative="", help="Trade on with a restored store, knowing what it cannot know.")
    ] = False,
    reason: Reason = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """
    Take every order again.

    That an order broke a rule of ours, and halted the broker by itself, ends with it too: look at the event first. A
    broker whose store was restored from an older copy stays halted without --accept-restored: orders of the time that
    the copy does not know of may be open or filled, under ids it has never seen.
    """
    return wait(_set("active", broker, reason, accepts_restored=accept_restored, common=common))


async def _set(
    state: Literal["active", "reducing", "halted"],
    broker: str | None,
    reason: str | None,
    *,
    accepts_restored: bool,
    common: Common,
) -> int:
    config = load(common.config)
    name = only_name(config, broker)
    async with opened(config, [name], contact="none") as desk:
        before = desk[name].status()
        try:
            await desk[name].set_trading_state(state, reason=reason, accepts_restored=accepts_restored)
        except HaltedError:
            say(f"holdfast: hint: compare `holdfast orders` with the venue's own page, then `{_ACCEPT.format(name)}`")
            raise
        after = desk[name].status()
    if common.is_json:
        print_json(
            {
                "schema_version": 1,
                "broker": name,
                "before": before.trading_state.value,
                "trading_state": after.trading_state.value,
                "reason": after.trading_reason,
            }
        )
    else:
        sys.stdout.write(f"{name}: {_sentence(before, after)}\n")
    return Exit.OK


def _sentence(before: BrokerStatus, after: BrokerStatus) -> str:
    state = after.trading_state.value
    was = "" if before.trading_state is after.trading_state else f" (was {before.trading_state.value})"
    return f"{state}{was}: {_MEANS[state]}"
