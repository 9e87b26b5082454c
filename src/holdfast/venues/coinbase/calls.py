"""
How a call reaches Coinbase: each with a token of its own, within its rate, asked again where that can help.

Tokens need no order, so several calls may be under way; the lane gives turns by priority and keeps everybody away from
a parked credential. Tokens are signed by the venue's clock, which is asked for its time before the first of them, every
ten minutes, and whenever one is refused. What may follow a failure is decided in ``errors.py``, and what it proves of
an order in ``orders.py``.

Sources: https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication ·
https://github.com/coinbase/coinbase-advanced-py/issues/132 for tokens that are refused at random (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from holdfast.core.credentials import Credential
from holdfast.core.events import event
from holdfast.core.limits import DecayingCounter, own_counter
from holdfast.core.parking import BAD_KEY
from holdfast.core.seams import Clock, Emit, HttpReply, HttpRequest, HttpWire, Lane, Priority, Randomness, WireError
from holdfast.core.venue import ServerTime, VenueClock
from holdfast.core.venue_time import VenueTime
from holdfast.errors import (
    BadCredentialError,
    ClosedError,
    ConfigError,
    FaultClass,
    HoldfastError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.coinbase import errors, limits, orders, parse
from holdfast.venues.coinbase.errors import After
from holdfast.venues.coinbase.settings import Settings
from holdfast.venues.coinbase.sign import HOST, Signer

__all__ = ["PAGE_PATIENCE_S", "Call", "Calls", "Query"]

_BASE: Final = "/api/v3/brokerage"
_SIMULATOR_HEADER: Final = "x-holdfast-simulator"
_USER_AGENT: Final = "holdfast"

_ATTEMPTS: Final = 3
_LEAST_S: Final = 0.05  # With less time left nothing leaves.
_NO_TIME: Final = "no_time"
_PAUSE_S: Final = (0.25, 1.0)  # Before the second and the third attempt; each is stretched by up to half.
_COMPARE_EVERY_S: Final = 600.0

PAGE_PATIENCE_S: Final = 30.0
"""How long a later page waits for room: giving up on it would have what was read so far read again."""

Query = Sequence[tuple[str, str]]
"""Names and values of a query, in order; a name may repeat."""


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    error: VenueError | PayloadError
    after: After
    reply: HttpReply | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request: ``name`` is its path without ids, for errors and for what a key may not do."""

    name: str
    path: str
    method: str = "GET"
    query: Query = ()
    body: bytes = b""


class _Flight:
    """One call's bytes: *before_send* is called in the step in which the wire gets them, and may still stop them."""

    def __init__(self, before_send: Callable[[], None] | None = None) -> None:
        self._before_send = before_send
        self.was_handed_over = False

    def leave(self) -> None:
        """Raises what *before_send* raises."""
        if self._before_send is not None:
            self._before_send()
        self.was_handed_over = True


class _Deadline:
    """One read's time, counted from the moment it is first asked about: waiting for the lane is not part of it."""

    def __init__(self, clock: Clock, within_s: float) -> None:
        self._clock = clock
        self._within_s = within_s
        self._ends_s: float | None = None

    def left_s(self) -> float:
        now_s = self._clock.now_s()
        if self._ends_s is None:
            self._ends_s = now_s + self._within_s
        return self._ends_s - now_s


class Calls:
    """
    One credential's calls. Reads are asked at most three times within ``read_deadline_s``, on network and venue faults
    only, and once more with a fresh token where one was refused; commands once.

    Refused tokens park the credential for five minutes only where three in a row over half a minute say so. A missing
    right silences only the call that needs it, for five minutes.
    """

    def __init__(
        self,
        *,
        http: HttpWire,
        lane: Lane,
        credential: Credential | None,
        signer: Signer | None,
        clock: Clock,
        emit: Emit,
        rest_url: str,
        account: str,
        settings: Settings,
    ) -> None:
        self._http = http
        self._lane = lane
        self._credential = credential
        self._signer = signer
        self._clock = clock
        self._emit = emit
        self._rest_url = rest_url.rstrip("/")
        self._account = account
        self._settings = settings
        self._random: Randomness = settings.random or random.Random()  # noqa: S311  # Jitter, not a secret.
        self.venue_time: VenueClock = settings.venue_time or VenueTime(clock)
        now_s = clock.now_s()
        make_counter = settings.counter or own_counter
        self._private_counter = make_counter(
            maximum=limits.PRIVATE.maximum, decay_per_s=limits.PRIVATE.decay_per_s, now_s=now_s
        )
        self._hour_counter = make_counter(
            maximum=limits.HOUR.maximum, decay_per_s=limits.HOUR.decay_per_s, now_s=now_s, name="hour"
        )
        self._public_counter = DecayingCounter(
            maximum=limits.PUBLIC.maximum, decay_per_s=limits.PUBLIC.decay_per_s, now_s=now_s
        )
        self._is_proved = False
        self._is_closed = False
        self._compared_s: float | None = None
        self._refused = 0  # Tokens refused in a row, and when the first of them was.
        self._refused_since_s = now_s
        self._missing: dict[str, tuple[float, PermissionMissingError]] = {}

    def close(self) -> None:
        """Refuse further calls."""
        self._is_closed = True

    async def server_time(self) -> ServerTime:
        """Coinbase's clock; also proves whether a simulator or Coinbase answers."""
        reply = await self.public("time")
        return ServerTime(
            venue_time_s=parse.venue_time_s(reply.body),
            resolution_s=0.001,
            sent_s=reply.sent_s,
            received_s=reply.received_s,
            wall_us=self._clock.wall_us(),
        )

    async def stream_token(self) -> str:
        """A token for one frame of the stream; good for two minutes, and a secret. Suspends for the lane."""
        self._check_signed("subscribe")
        await self._keep_time()
        async with self._lane.turn(priority=Priority.TOKEN):
            return self._token(None, None)

    # The clock

    async def _keep_time(self) -> None:
        """
        Compare clocks before the first token and every ten minutes.

        Where that fails later on the last comparison counts: a clock does not run off within an hour.
        """
        now_s = self._clock.now_s()
        if self._compared_s is not None and now_s - self._compared_s < _COMPARE_EVERY_S and self._is_proved:
            return
        try:
            await self.compare_clocks()
        except (VenueError, PayloadError):
            if self._compared_s is None or not self._is_proved:
                raise

    async def compare_clocks(self) -> None:
        """Ask Coinbase for its time and sign by it from now on. Suspends."""
        time = await self.server_time()
        self.venue_time.hear(time)
        self._compared_s = self._clock.now_s()

    # Calls

    async def public(self, name: str, *, path: str | None = None, query: Query = ()) -> HttpReply:
        url = f"{self._rest_url}{_BASE}/{path or name}{f'?{urlencode(query)}' if query else ''}"
        deadline = _Deadline(self._clock, self._settings.read_deadline_s)
        # Coinbase keeps these answers for a second unless it is asked not to.
        headers = {"User-Agent": _USER_AGENT, "Cache-Control": "no-cache"}

        async def attempt() -> HttpReply | _Failure:
            until_s = self._clock.now_s() + self._settings.read_deadline_s
            await self._admit([self._public_counter], name, headroom=0.0, until_s=until_s)
            self._public_counter.spend(1.0, now_s=self._clock.now_s())
            asked = HttpRequest(method="GET", url=url, headers=headers, is_repeatable=True)
            return await self._send(asked, name, deadline, _Flight(), account=None)

        return await self._until_answered(attempt, deadline)

    async def private(self, call: Call, priority: Priority, *, patience_s: float | None = None) -> HttpReply:
        self._check_signed(call.name)
        self._refuse_missing_right(call.name)
        await self._keep_time()
        deadline = _Deadline(self._clock, self._settings.read_deadline_s)

        async def attempt() -> HttpReply | _Failure:
            return await self._in_turn(call, _Flight(), deadline, priority=priority, patience_s=patience_s)

        return await self._until_answered(attempt, deadline)

    async def command(
        self,
        call: Call,
        *,
        priority: Priority,
        deadline_s: float,
        before_send: Callable[[], None] | None = None,
        valid_until_us: int | None = None,
    ) -> HttpReply:
        """One attempt at something that changes what the venue holds; every failure says what it proves."""
        self._check_signed(call.name)
        if priority is not Priority.CANCEL:
            self._refuse_missing_right(call.name)
        try:
            await self._keep_time()
        except (VenueError, PayloadError) as error:
            raise orders.unsent(f"the venue is not proved: {error}", call.name, self._account, cause=error) from error
        flight = _Flight(before_send)
        deadline = _Deadline(self._clock, deadline_s)
        try:
            answer = await self._in_turn(call, flight, deadline, priority=priority, valid_until_us=valid_until_us)
        except HoldfastError as error:
            if flight.was_handed_over and not isinstance(error, VenueError):
                raise orders.unknown(f"{call.name}: {error}", call.name, self._account) from error
            raise
        if isinstance(answer, _Failure):
            raise orders.proven(answer.error, answer.reply, request=call.name, account=self._account)
        return answer

    async def _in_turn(
        self,
        call: Call,
        flight: _Flight,
        deadline: _Deadline,
        *,
        priority: Priority,
        patience_s: float | None = None,
        valid_until_us: int | None = None,
    ) -> HttpReply | _Failure:
        """One signed call in the lane."""
        counters = [self._private_counter, self._hour_counter]
        headroom = limits.HEADROOM[priority]
        until_s = self._clock.now_s() + (patience_s or self._settings.read_deadline_s)
        while True:
            if priority is not Priority.CANCEL:  # A cancel waits for no count of ours; the venue may refuse it.
                await self._admit(counters, call.name, headroom=headroom, until_s=until_s)
            async with self._lane.turn(priority=priority) as turn:
                # While we waited for the lane others may have used the room we saw.
                now_s = self._clock.now_s()
                if priority is not Priority.CANCEL and any(
                    counter.wait_s(1.0, now_s=now_s, headroom=headroom) for counter in counters
                ):
                    continue
                answer = await self._send_signed(call, deadline, flight, valid_until_us=valid_until_us)
                if isinstance(answer, _Failure) and isinstance(answer.error, BadCredentialError):
                    cause = await turn.park(BAD_KEY, for_s=limits.PROBE_AFTER_S)
                    self._emit(
                        event("credential.parked", broker=self._account, cause=cause, for_s=limits.PROBE_AFTER_S)
                    )
                return answer

    async def _send_signed(
        self, call: Call, deadline: _Deadline, flight: _Flight, *, valid_until_us: int | None
    ) -> HttpReply | _Failure:
        path = f"{_BASE}/{call.path}"
        headers = {
            "Authorization": f"Bearer {self._token(f'{call.method} {HOST}{path}', valid_until_us)}",
            "User-Agent": _USER_AGENT,
        }
        if call.body:
            headers["Content-Type"] = "application/json"
        asked = HttpRequest(
            method=call.method,
            url=f"{self._rest_url}{path}{f'?{urlencode(call.query)}' if call.query else ''}",
            headers=headers,
            body=call.body,
        )
        now_s = self._clock.now_s()
        self._private_counter.spend(1.0, now_s=now_s)
        self._hour_counter.spend(1.0, now_s=now_s)
        answer = await self._send(asked, call.name, deadline, flight, account=self._account)
        now_s = self._clock.now_s()
        if not isinstance(answer, _Failure):
            self._refused = 0
            self._missing.pop(call.name, None)
            return answer
        error = answer.error
        if isinstance(error, RateLimitedError):
            quiet_s = error.retry_after_s
            self._private_counter.refused(
                now_s=now_s, quiet_s=limits.QUIET_AFTER_REFUSAL_S if quiet_s is None else quiet_s
            )
        if isinstance(error, PermissionMissingError):
            self._missing[call.name] = (now_s + limits.PROBE_AFTER_S, error)
        if answer.after is After.NEW_TOKEN:
            return self._token_refused(call.name, answer, now_s=now_s)
        if isinstance(error, VenueError) and error.outcome is Outcome.REJECTED:
            self._refused = 0  # It was a person with rights who was refused.
        return answer

    def _token(self, uri: str | None, valid_until_us: int | None) -> str:
        assert self._signer is not None
        return self._signer.token(
            now_us=self.venue_time.now_us(), nonce=secrets.token_hex(16), uri=uri, valid_until_us=valid_until_us
        )

    def _token_refused(self, name: str, answer: _Failure, *, now_s: float) -> _Failure:
        """
        One more refused token. It may be a throttle, or a fault at the edge: three in a row over half a minute are not.

        The clock is compared before the next one.
        """
        self._compared_s = None
        if not self._refused:
            self._refused_since_s = now_s
        self._refused += 1
        for_s = now_s - self._refused_since_s
        if self._refused < limits.REFUSALS or for_s < limits.REFUSED_FOR_S:
            return answer
        error = errors.refused_for_good(name, self._account, times=self._refused, for_s=for_s)
        return _Failure(error=error, after=After.NOT_AGAIN, reply=answer.reply)

    async def _until_answered(
        self, attempt: Callable[[], Awaitable[HttpReply | _Failure]], deadline: _Deadline
    ) -> HttpReply:
        has_new_token = False
        attempts = 0
        before: _Failure | None = None
        while True:
            answer = await attempt()
            attempts += 1
            if not isinstance(answer, _Failure):
                return answer
            if before is not None and _is_out_of_time(answer):
                raise before.error  # What came of the attempt that did leave.
            before = answer
            if answer.after is After.NEW_TOKEN and not has_new_token:
                has_new_token = True
                await self.compare_clocks()
                continue
            if answer.after is not After.AGAIN or attempts >= _ATTEMPTS:
                raise answer.error
            pause_s = _PAUSE_S[attempts - 1] * (1 + self._random.random() / 2)
            asked_s = getattr(answer.error, "retry_after_s", None) or 0.0
            if max(pause_s, asked_s) >= deadline.left_s():
                raise answer.error
            await asyncio.sleep(max(pause_s, asked_s))

    async def _admit(self, counters: Sequence[DecayingCounter], name: str, *, headroom: float, until_s: float) -> None:
        """Wait until every counter has room, or refuse at once where that is later than *until_s*."""
        while True:
            now_s = self._clock.now_s()
            wait_s = max(counter.wait_s(1.0, now_s=now_s, headroom=headroom) for counter in counters)
            if wait_s <= 0:
                return
            if now_s + wait_s > until_s:
                raise RateLimitedError(
                    f"coinbase: {name} was not sent; our rate limit has no room for {wait_s:.1f} s",
                    venue="coinbase",
                    request=name,
                    account=self._account,
                    outcome=Outcome.NEVER_SENT,
                    retry_after_s=wait_s,
                )
            await asyncio.sleep(wait_s)

    async def _send(
        self, asked: HttpRequest, name: str, deadline: _Deadline, flight: _Flight, *, account: str | None
    ) -> HttpReply | _Failure:
        if self._is_closed:
            raise ClosedError("coinbase: the client was closed")
        left_s = deadline.left_s()
        if left_s < _LEAST_S:
            return self._out_of_time(name, account)
        flight.leave()
        try:
            reply = await self._http.request(asked, deadline_s=left_s)
        except WireError as fault:
            return self._of_wire(fault, name, account)
        reply = self._cleaned(reply, asked)
        self._check_simulator(reply, name, is_proof=False)
        if not 200 <= reply.status < 300:
            error, after = errors.of_status(
                reply.status,
                reply.body,
                request=name,
                account=account,
                wait_s=errors.retry_after_s(reply.headers) if reply.status in (429, 503) else None,
            )
            if account is None and isinstance(error, RateLimitedError):
                self._public_counter.refused(
                    now_s=self._clock.now_s(), quiet_s=error.retry_after_s or limits.QUIET_AFTER_REFUSAL_S
                )
            return _Failure(error=error, after=after, reply=reply)
        if reply.body.lstrip()[:1] != b"{":
            kind = reply.headers.get("content-type", "no content type")
            told = f"{name}: HTTP {reply.status} with {len(reply.body)} bytes of {ascii(kind)[:60]} that are no answer"
            return _Failure(error=PayloadError(told), after=After.NOT_AGAIN)
        self._check_simulator(reply, name, is_proof=True)
        if account is not None and _is_cached(reply):
            return _Failure(
                error=PayloadError(f"{name}: the answer came out of a cache (Age header)"), after=After.NOT_AGAIN
            )
        return reply

    def _cleaned(self, reply: HttpReply, asked: HttpRequest) -> HttpReply:
        """*reply* without our token and our key's name, which a venue may repeat: they must not get into our logs."""
        if self._credential is None:
            return reply
        body = reply.body
        for part in (asked.headers.get("Authorization", "").removeprefix("Bearer "), self._credential.key):
            body = body.replace(part.encode(), b"***") if part else body
        return reply if body == reply.body else msgspec.structs.replace(reply, body=body)

    def _out_of_time(self, name: str, account: str | None) -> _Failure:
        """Waiting has used the time up. What left now would fail by itself, and the venue has no part in that."""
        error = VenueError(
            f"coinbase: {name} was not sent; nothing is left of its time",
            venue="coinbase",
            request=name,
            account=account,
            outcome=Outcome.NEVER_SENT,
            fault=FaultClass.REQUEST,
            code=_NO_TIME,
        )
        return _Failure(error=error, after=After.NOT_AGAIN)

    def _of_wire(self, error: WireError, name: str, account: str | None) -> _Failure:
        if error.kind in ("too_large", "encoding"):
            return _Failure(error=PayloadError(f"{name}: {error}"), after=After.NOT_AGAIN)
        # TLS that fails once fails again; everything else of the network may be better in a moment.
        after = After.NOT_AGAIN if error.kind == "tls" else After.AGAIN
        kind = OutcomeUnknownError if error.was_sent else VenueUnreachableError
        return _Failure(
            error=kind(f"coinbase {name}: {error}", venue="coinbase", request=name, account=account, code=error.kind),
            after=after,
        )

    def _check_signed(self, name: str) -> None:
        if self._signer is None or self._credential is None:
            raise ConfigError(f"coinbase: {name} needs a credential, and {self._account} has none")

    def _check_simulator(self, reply: HttpReply, name: str, *, is_proof: bool) -> None:
        """
        Refuse to go on where a simulator answers in Coinbase's place, or the other way round.

        A gateway's error page proves nothing about what stands behind it, so the header's absence counts only on a
        real answer; its presence counts always.
        """
        is_simulator = _SIMULATOR_HEADER in reply.headers
        if is_simulator and not self._settings.must_be_simulator:
            raise ConfigError(
                f'{self._rest_url} is a simulator, and {self._account} is not configured as environment = "simulated"'
            )
        if is_proof:
            if self._settings.must_be_simulator and not is_simulator:
                self._is_proved = False
                raise ConfigError(
                    f"{self._rest_url} answered {name} without the simulator's header; "
                    f'{self._account} is configured as environment = "simulated"'
                )
            self._is_proved = True

    def _refuse_missing_right(self, name: str) -> None:
        until_s, error = self._missing.get(name, (0.0, None))
        if error is not None:
            left_s = until_s - self._clock.now_s()
            if left_s > 0:
                raise PermissionMissingError(
                    f"coinbase: {name} was not sent; the key lacks the right for it ({error.code})",
                    venue="coinbase",
                    request=name,
                    account=self._account,
                    outcome=Outcome.NEVER_SENT,
                    code=error.code,
                    retry_after_s=left_s,
                )


def _is_out_of_time(answer: _Failure) -> bool:
    return isinstance(answer.error, VenueError) and answer.error.code == _NO_TIME


def _is_cached(reply: HttpReply) -> bool:
    age = reply.headers.get("age", "").strip()
    return age.isascii() and age.isdigit() and age.strip("0") != ""
