"""
One ccxt object behind one lane: how a call of an exchange leaves, and what its failure is called.

ccxt signs and sends by itself. Of ours it has the turn, one request at a time and in the order of their numbers, the
deadline, and an object that repeats nothing: a request is made once, and ccxt's retries are off.

https://docs.ccxt.com/#/README?id=exchange-properties and ?id=overriding-the-nonce (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import ccxt
import ccxt.async_support

from holdfast.core.credentials import Credential
from holdfast.core.events import event
from holdfast.core.parking import LOCKOUT, PROBE_EVERY_S
from holdfast.core.seams import Clock, Emit, Lane, Priority
from holdfast.core.venue import Capability
from holdfast.errors import (
    BadCredentialError,
    ConfigError,
    FaultClass,
    LockoutError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    RateLimitedError,
    UnsupportedError,
    VenueError,
)
from holdfast.venues.through_ccxt import limits
from holdfast.venues.through_ccxt.errors import error_of

__all__ = ["Calls", "exchange_class", "is_unlike_ccxt"]

T = TypeVar("T")

_MS: Final = 1_000_000_000_000
_US: Final = 1_000_000_000_000_000


def exchange_class(name: str) -> Any:
    """
    ccxt's asynchronous class of an exchange.

    Raises:
        ConfigError: ccxt has none of that id; names what is near.
    """
    if name not in ccxt.exchanges:
        near = difflib.get_close_matches(name.lower(), ccxt.exchanges, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; its ids are at https://docs.ccxt.com"
        raise ConfigError(f"exchange {name[:60]!a}: ccxt {ccxt.__version__} has none of that id{hint}")
    return getattr(ccxt.async_support, name)


def is_unlike_ccxt(error: BaseException) -> bool:
    """Whether an exception is none that a ccxt call tells about its exchange: a bug, or the end of the task."""
    return not isinstance(error, ccxt.BaseError | ValueError | TypeError | KeyError | AttributeError | IndexError)


class Calls:
    """
    The exchange object and the ways to ask it.

    Args:
        exchange: ccxt's id of the exchange.
        credential: Its key; without one unsigned calls only.
        lane: The key's lane.
        clock: Time.
        emit: Takes events.
        account: The broker's name.
        rest_url: A simulator's address; None for ccxt's own.
        read_deadline_s: Bound of one read.
        silence: Awaited before every unsigned call: raises while the venue asks for silence. Signed ones meet the lane.
    """

    def __init__(
        self,
        *,
        exchange: str,
        credential: Credential | None,
        lane: Lane,
        clock: Clock,
        emit: Emit,
        account: str,
        rest_url: str | None,
        read_deadline_s: float,
        silence: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._silence = silence
        self._kind = _counted(exchange_class(exchange))
        self._options = _options(credential, read_deadline_s)
        self._rest_url = rest_url
        self._exchange: Any = None
        self._credential = credential
        self._lane = lane
        self._clock = clock
        self._emit = emit
        self._account = account
        self.read_deadline_s = read_deadline_s
        self._quiet_until_s = clock.now_s()
        self.fingerprint = "none" if credential is None else credential.fingerprint

    @property
    def exchange(self) -> Any:
        """ccxt's object, made when it is first used: it wants a running loop."""
        if self._exchange is None:
            self._exchange = made = self._kind(dict(self._options))
            made.number = str  # Numbers are text: nothing passes through a float.
            made.options["maxRetriesOnFailure"] = 0
            if self._rest_url is not None:
                made.urls = {**made.urls, "api": _all_at(made.urls["api"], self._rest_url)}
        return self._exchange

    def check_has(self, name: str, capability: Capability) -> None:
        """Raise ``UnsupportedError`` where this exchange has no such call in ccxt."""
        if not self.exchange.has.get(name):
            raise UnsupportedError(
                f"{self.exchange.id} has no {name} in ccxt {ccxt.__version__}",
                capability=capability.value,
            )

    async def public(self, name: str, work: Callable[[Any], Awaitable[T]]) -> T:
        """
        An unsigned call. Suspends for ``read_deadline_s``; raises ``VenueError`` and ``PayloadError``.

        Raises:
            CredentialParkedError: The venue asked for silence on this key; nothing was sent.
        """
        if self._silence is not None:
            await self._silence()
        self._check_quiet(name)
        return await self._bounded(name, work, self.read_deadline_s)

    async def private(self, name: str, work: Callable[[Any], Awaitable[T]], *, priority: Priority) -> T:
        """A signed read in a turn of the lane, once. Suspends; raises what ``public`` and ``Lane.turn`` raise."""
        self._check_signed(name)
        self._check_quiet(name)
        return await self._in_turn(name, work, priority, self.read_deadline_s, lambda: None)

    async def command(
        self,
        name: str,
        work: Callable[[Any], Awaitable[T]],
        *,
        priority: Priority,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> T:
        """
        Something that changes the account, once, in a turn. *before_send* is called in the step that begins it.

        Raises:
            VenueError: ``outcome`` says what may have happened; unknown where ccxt could not read the answer.
        """
        self._check_signed(name)
        self._check_quiet(name)
        try:
            return await self._in_turn(name, work, priority, deadline_s, before_send)
        except PayloadError as error:
            raise self._unknown(name, str(error)) from error

    async def renew(self) -> None:
        """Let the next call go over a connection of its own. Suspends."""
        if self._exchange is not None:
            await self._exchange.close()

    async def close(self) -> None:
        """Close ccxt's connections. Suspends."""
        await self.renew()
        self._exchange = None

    async def _in_turn(
        self,
        name: str,
        work: Callable[[Any], Awaitable[T]],
        priority: Priority,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> T:
        async def take_turn() -> T:
            async with self._lane.turn(priority=priority) as turn:
                exchange = self.exchange
                exchange.holdfast_nonce = nonce_us = await turn.take()
                before_send()
                try:
                    return await self._bounded(name, work, deadline_s)
                except VenueError as error:
                    if isinstance(error, LockoutError) and "lockout" in str(error).lower():
                        # ccxt has one class for a lockout and for a plain rate limit; only the first is a silence.
                        cause = await turn.park(LOCKOUT, for_s=limits.LOCKOUT_S)
                        self._emit(
                            event("credential.parked", broker=self._account, cause=cause, for_s=limits.LOCKOUT_S)
                        )
                    elif isinstance(error, LockoutError | RateLimitedError):
                        self._quiet_until_s = self._clock.now_s() + limits.QUIET_AFTER_REFUSAL_S
                    elif isinstance(error, BadCredentialError):
                        cause = await turn.park("bad_key", for_s=limits.PROBE_AFTER_S)
                        self._emit(event("credential.parked", broker=self._account, cause=cause, for_s=PROBE_EVERY_S))
                    raise
                finally:
                    exchange.holdfast_nonce = None
                    # A coarser unit than ours must not see the same number twice.
                    left_us = nonce_us // 1000 * 1000 + 1000 - self._clock.wall_us()
                    if 0 < left_us <= 1_000_000:
                        await asyncio.sleep(left_us / 1e6)

        flying = asyncio.get_running_loop().create_task(take_turn(), name=f"through_ccxt {name}")
        # Whoever is cancelled leaves at once; what was sent keeps the lane until its answer is there.
        flying.add_done_callback(_seen)
        return await asyncio.shield(flying)

    async def _bounded(self, name: str, work: Callable[[Any], Awaitable[T]], deadline_s: float) -> T:
        try:
            async with asyncio.timeout(deadline_s):
                return await work(self.exchange)
        except TimeoutError:
            raise self._unknown(name, f"no answer within {deadline_s:g} s") from None
        except Exception as error:
            if is_unlike_ccxt(error):
                raise
            raise error_of(error, request=name, account=self._account, told=self._cleaned(error)) from None

    def _unknown(self, name: str, why: str) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"{name}: {why}",
            venue="through_ccxt",
            request=name,
            account=self._account,
            outcome=Outcome.UNKNOWN,
            fault=FaultClass.NETWORK,
        )

    def _cleaned(self, error: BaseException) -> str:
        told = str(error)[:500]
        return told if self._credential is None else self._credential.redact(told)

    def _check_signed(self, name: str) -> None:
        if self._credential is None:
            raise ConfigError(f"through_ccxt: {name} needs a credential, and {self._account} has none")

    def _check_quiet(self, name: str) -> None:
        left_s = self._quiet_until_s - self._clock.now_s()
        if left_s > 0:
            raise RateLimitedError(
                f"{name} was not sent: the exchange refused for too many calls, quiet for {left_s:.0f} s more",
                venue="through_ccxt",
                request=name,
                account=self._account,
                outcome=Outcome.NEVER_SENT,
                retry_after_s=left_s,
            )


def _counted(kind: Any) -> Any:
    """*kind*, with the lane's number in place of its clock, in the unit that the exchange counts in."""

    class Counted(kind):  # type: ignore[misc]
        holdfast_nonce: int | None = None

        def nonce(self) -> Any:
            own = super().nonce()
            number = self.holdfast_nonce
            if number is None or not isinstance(own, int):
                return own
            return number if own >= _US else number // 1_000 if own >= _MS else number // 1_000_000

    Counted.__name__ = kind.__name__
    return Counted


def _options(credential: Credential | None, deadline_s: float) -> dict[str, Any]:
    options: dict[str, Any] = {"enableRateLimit": True, "timeout": int(deadline_s * 1000)}
    if credential is not None:
        options |= {"apiKey": credential.key, "secret": credential.reveal_secret()}
        if credential.reveal_passphrase() is not None:
            options["password"] = credential.reveal_passphrase()
    return options


def _all_at(places: Any, url: str) -> Any:
    """Every address of an exchange, at the simulator's."""
    if isinstance(places, dict):
        return {name: _all_at(place, url) for name, place in places.items()}
    return url


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # Seen: whoever asked for it may be gone.
