"""
Readiness by a broker's name: through the process that owns it, as its owner for the moment, or of what there is.

A broker whose credential cannot be used, or whose store cannot be opened, is measured all the same: what needs no key
is asked of the venue, and everything else is lost with the cause named. An owner that does not answer is no
measurement.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from holdfast.core.readiness import Finding, ReadinessReport
from holdfast.core.readiness.causes import fix_of
from holdfast.core.readiness.judging import earned, lost
from holdfast.core.seams import Priority, Turn
from holdfast.core.venue_time import VenueTime
from holdfast.errors import ConfigError, DeniedError, HoldfastError, StoreError
from holdfast.runtime.credentials import CredentialAbsentError
from holdfast.runtime.readiness.run import Verification
from holdfast.runtime.readiness.running import kept
from holdfast.runtime.readiness.subject import Subject

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from holdfast.config import BrokerConfig, Config
    from holdfast.core.events import Event
    from holdfast.core.venue import VenueClient
    from holdfast.runtime.parts import Parts

__all__ = ["verify"]


async def verify(
    config: Config,
    name: str,
    *,
    timeout_s: float = 180.0,
    parts: Parts | None = None,
    tell: Callable[[Event], None] | None = None,
) -> ReadinessReport:
    """
    Measure the readiness of the broker *name* of *config*. Suspends.

    Args:
        config: What was loaded.
        name: Of a broker in it.
        timeout_s: Bound of the whole, seconds.
        parts: Other makers of clock, wires and stores than the real ones; for tests.
        tell: Hears every event meanwhile, ``readiness.progressed`` among them, whichever process makes the checks.

    Raises:
        OwnerSilentError: The process that owns the account does not answer.
        OwnedElsewhereError: Another account's owner holds what is needed.
    """
    from holdfast.runtime.open import open as open_desk

    try:
        async with open_desk(config, brokers=[name], contact="stream", parts=parts) as desk:
            with contextlib.ExitStack() as stack:
                if tell is not None:
                    stack.enter_context(desk.on_event(tell))
                return await desk[name].verify_end_to_end(timeout_s=timeout_s)
    except (ConfigError, StoreError) as error:
        problem = error
    return await _of_what_there_is(
        config, config.brokers[name], problem, timeout_s=timeout_s, parts=parts, tell=tell or _ignore
    )


async def _of_what_there_is(
    config: Config,
    broker: BrokerConfig,
    problem: HoldfastError,
    *,
    timeout_s: float,
    parts: Parts | None,
    tell: Callable[[Event], None],
) -> ReadinessReport:
    from holdfast.runtime.open import site_of
    from holdfast.runtime.parts import real_parts

    parts = parts or real_parts(config)
    venue = parts.venue(broker.venue)
    http, client = None, None
    lost_already = _lost_to(problem, _stage(broker, parts), broker.name)
    try:
        site = site_of(broker, venue)
        offered: dict[str, object] = {
            "must_be_simulator": broker.environment == "simulated",
            "environment": broker.environment,
            "region": broker.region,
            "exchange": broker.exchange,
            "venue_time": VenueTime(parts.clock),
            "read_deadline_s": broker.reading.read_deadline_s,
            "random": parts.randomness,
        }
        http = parts.http(broker)
        client = _client(venue, http, parts, broker, site.rest_url, offered)
        surroundings = parts.surroundings(broker, venue.facts, site.rest_url)
        subject = Subject(
            name=broker.name,
            venue=broker.venue,
            environment=broker.environment,
            surroundings=surroundings,
            clock=parts.clock,
            emit=tell,
            client=client,
            lost=lost_already,
        )
        report = await Verification(subject, timeout_s=timeout_s).run()
        return kept(report, surroundings.shelf)
    finally:
        if client is not None:
            await client.close()
        if http is not None:
            await http.close()


def _client(
    venue: Any, http: Any, parts: Parts, broker: BrokerConfig, rest_url: str, offered: dict[str, object]
) -> VenueClient:
    made: VenueClient = venue.client(
        http=http,
        lane=_NoLane(),
        credential=None,
        clock=parts.clock,
        emit=_ignore,
        rest_url=rest_url,
        account=broker.name,
        options={name: value for name, value in offered.items() if name in venue.facts.options},
    )
    return made


Stage = Literal["absent", "malformed", "usable"]


def _stage(broker: BrokerConfig, parts: Parts) -> Stage:
    """How far the credential is there."""
    try:
        parts.credential(broker, parts.venue(broker.venue))
    except CredentialAbsentError:
        return "absent"
    except ConfigError:
        return "malformed"
    return "usable"


def _lost_to(problem: HoldfastError, stage: Stage, name: str) -> dict[str, Finding]:
    """What is lost to what kept the broker from being opened."""
    told = lost(f"{type(problem).__name__}: {problem}", fix_of(problem, broker=name))
    if stage == "absent":
        return {"credentials.present": told}
    there = earned("Every part of it was found.")
    if stage == "malformed":
        return {"credentials.present": there, "credentials.form": told}
    fine = earned("Found, and well-formed; the broker could not be opened with it.")
    return {"credentials.present": there, "credentials.form": fine, "credentials.accepted": told}


class _NoLane:
    """The lane of a client that signs nothing."""

    def turn(self, *, priority: Priority, wait_s: float | None = None) -> AbstractAsyncContextManager[Turn]:
        raise DeniedError("without a credential nothing is signed")


def _ignore(_: object) -> None:
    pass
