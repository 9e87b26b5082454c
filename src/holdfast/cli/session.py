"""Open the configured brokers for one command, and choose among them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from holdfast.cli.common import say
from holdfast.core.parking import BAD_KEYS
from holdfast.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.seams import JournalRow
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.desk import Desk
    from holdfast.runtime.open import Mode
    from holdfast.runtime.views import BrokerStatus

__all__ = [
    "Contact",
    "chosen_names",
    "is_hopeless",
    "journal_of",
    "load",
    "only_name",
    "opened",
    "settle",
    "tell_trouble",
    "wait",
]

T = TypeVar("T")

Contact = Literal["stream", "rest", "none"]
"""How far a command reaches out: a live stream, REST reads only, or nothing but the store."""


_STOPPED: Final = frozenset(
    {"halted_account_mismatch", "halted_owned_elsewhere", "halted_ownership_lost", "halted_invariant"}
)

_CORRECT_THE_KEY: Final = (
    "correct the key or its secret, restart what uses it, then `holdfast nonce doctor --broker BROKER --retry` opens it"
)

_RESET: Final = "a person holds it open: `holdfast reset-circuit-breaker BROKER` closes it"

_HINTS: Final = (
    (
        "halted_account_mismatch",
        "this store belongs to another account: give the broker another name, or `holdfast restore --start-new`",
    ),
    *((f"credential_{cause}", _CORRECT_THE_KEY) for cause in sorted(BAD_KEYS)),
    (
        "credential_permission_missing",
        "give the key the right that `last error` names, at the venue; the call is tried again within 5 minutes",
    ),
    ("credential_lockout", "wait: the venue asked for silence, and every call would prolong it"),
    ("credential_clock", "set this machine's clock, then `holdfast emergency-repair BROKER` goes on at once"),
    ("credential_", "`holdfast nonce doctor --broker BROKER` tells why and what to do"),
    (
        "halted_restored",
        "figures are read; orders stay closed until `holdfast resume BROKER --accept-restored`: see its --help",
    ),
    ("halted_by_command", "a person halted it: `holdfast resume BROKER` takes orders again"),
    ("halted_", "`holdfast doctor BROKER` tells why and what to do; figures are still read, and orders stay closed"),
    ("trade_isolated", _RESET),
    ("read_isolated", _RESET),
    ("read_breaker", "it heals by itself; `holdfast reset-circuit-breaker BROKER` closes it at once"),
    ("venue_not_loaded", "is the venue reachable from here? `holdfast doctor BROKER` looks"),
    ("store_", "`holdfast doctor BROKER` tells what is wrong with the store and what to do"),
    (
        "balances_",
        "`holdfast force-balance-refresh BROKER` reads them now; `holdfast emergency-repair BROKER` does more",
    ),
    # Behind all that would have an order denied: none is its trial then.
    (
        "trade_breaker",
        "the next order after its break closes it if all is well, `holdfast reset-circuit-breaker BROKER` at once",
    ),
    ("stream_", "`holdfast emergency-repair BROKER` connects it at once, and says what is in the way"),
)
"""What helps, by how a reason begins; the first that fits. BROKER stands for its name."""


def load(config: Path | None) -> Config:
    """The configuration in force; raises ``ConfigError`` naming everything that is wrong."""
    from holdfast.config import load_config

    return load_config(config)


def chosen_names(config: Config, broker: str | None) -> list[str]:
    """
    The brokers a command is for: the one named, or all.

    Raises:
        UnknownNameError: None has that name.
        ConfigError: None is configured.
    """
    names = list(config.brokers)
    if not names:
        raise ConfigError("no broker is configured: add a [brokers.NAME] table, or start with `holdfast config init`")
    if broker is None:
        return names
    if broker not in names:
        raise UnknownNameError(f"no broker {broker!a}: configured are {', '.join(names)}")
    return [broker]


def only_name(config: Config, broker: str | None) -> str:
    """
    The one broker a command is for.

    Raises:
        UnknownNameError: Several are configured and none is named (exit 2), or none has that name.
    """
    names = chosen_names(config, broker)
    if len(names) > 1:
        raise UnknownNameError(f"several brokers are configured, name one: {', '.join(names)}")
    return names[0]


@contextlib.asynccontextmanager
async def opened(
    config: Config, names: list[str], *, contact: Contact, mode: Mode = "auto", log: bool = False
) -> AsyncIterator[Desk]:
    """
    Use *names* for the block: through the process that owns them, or as their owner where there is none.

    For an owner ``rest`` is quicker than ``stream`` for one answer, and ``none`` asks the venue nothing.

    Raises (on entering): What ``holdfast.open`` raises.
    """
    import holdfast

    async with holdfast.open(config, mode=mode, brokers=names, contact=contact, log=log) as desk:
        yield desk


async def journal_of(config: Config, name: str, **query: Any) -> list[JournalRow]:
    """
    The newest rows of a broker's journal, newest first; *query* as for ``Broker.history``.

    Through the process that owns the account, as its owner, or from the store alone where this one has no credential:
    who audits an account needs no key to it.
    """
    try:
        async with opened(config, [name], contact="none") as desk:
            return await desk[name].history(newest_first=True, **query)
    except UnknownNameError:
        raise
    except ConfigError:
        from holdfast.runtime.journal_reading import read_journal

        return await read_journal(config, name, **query)


async def settle(desk: Desk, *, timeout_s: float, live: bool = False) -> None:
    """
    Wait until every broker's figures may be acted on, with *live* its stream too, or *timeout_s* seconds have passed.

    Ends early for a broker that no waiting helps. Never raises for a venue: what came of it is in the figures.
    """
    import asyncio

    from holdfast.errors import NotReadyError

    async def one(broker: Broker) -> None:
        def is_settled(status: BrokerStatus) -> bool:
            if is_hopeless(status):
                return True
            # An account without a single asset shows nothing to judge: then its health tells.
            is_known = status.assets > 0 or status.health.value == "healthy"
            is_fit = is_known and not status.suspects and all(b.is_fit_to_approve for b in broker.balances().values())
            return is_fit and (not live or status.stream.state == "live")

        with contextlib.suppress(NotReadyError):
            await broker.wait_until(is_settled, timeout_s=timeout_s)

    telling = asyncio.create_task(_tell_waiting(", ".join(desk.brokers), timeout_s))
    try:
        await asyncio.gather(*(one(broker) for broker in desk))
    finally:
        telling.cancel()


async def _tell_waiting(names: str, timeout_s: float) -> None:
    """Say to a person, not to a script, that an answer is waited for."""
    import asyncio
    import sys

    await asyncio.sleep(1.0)
    if sys.stderr is not None and sys.stderr.isatty():
        say(f"waiting for {names}, at most {timeout_s:g} s ...")


def is_hopeless(status: BrokerStatus) -> bool:
    """Whether no waiting helps: the credential is parked, or the broker was stopped for good."""
    return status.nonce.parked_cause is not None or not _STOPPED.isdisjoint(status.reasons)


def tell_trouble(broker: Broker) -> None:
    """Say on stderr what is wrong with a broker and what to do; nothing where nothing is."""
    status = broker.status()
    if not status.reasons:
        return
    text = f"holdfast: {status.broker}: {', '.join(status.reasons)}"
    if status.last_error:
        text += f": {status.last_error}"
    say(text)
    for start, hint in _HINTS:
        if any(reason.startswith(start) for reason in status.reasons):
            say(f"holdfast: hint: {hint.replace('BROKER', status.broker)}")
            break


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; Ctrl-C ends it in order."""
    import asyncio

    return asyncio.run(work)
