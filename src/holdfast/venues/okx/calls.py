"""
OKX's calls as they leave and come back: signed with the venue's time, each in its turn and its window.

There is no nonce: several calls may be under way, and the lane gives each its turn by priority only. What may follow a
failure is decided in ``errors.py``. Nothing here knows what an answer means.

Sources: https://www.okx.com/docs-v5/en/#overview-rest-authentication ·
https://www.okx.com/docs-v5/en/#overview-demo-trading-services (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from holdfast.core.credentials import Credential
from holdfast.core.events import event
from holdfast.core.seams import (
    Clock,
    Emit,
    HttpReply,
    HttpRequest,
    HttpWire,
    Lane,
    Priority,
    Randomness,
    Turn,
    WireError,
)
from holdfast.core.venue import ServerTime, VenueClock
from holdfast.core.venue_time import VenueTime
from holdfast.errors import (
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
from holdfast.venues.okx import errors, limits, orders, parse
from holdfast.venues.okx.errors import After
from holdfast.venues.okx.paces import Paces
from holdfast.venues.okx.settings import Settings
from holdfast.venues.okx.sign import Signer, timestamp_of

__all__ = ["Calls"]

_SIMULATOR_HEADER: Final = "x-holdfast-simulator"
_USER_AGENT: Final = "holdfast"
_ROOT: Final = "/api/v5/"

_LEAST_S: Final = 0.05  # With less time left nothing leaves.
_NO_TIME: Final = "no_time"
_PAUSE_S: Final = (0.25, 1.0)  # Before the second and the third attempt; each is stretched by up to half.

_CLOCK_EVERY_S: Final = 600.0
_CLOCK_LATEST_S: Final = 1200.0  # An order waits for it only where no read has done it.
_CLOCK_PARKED_S: Final = 60.0


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    error: VenueError | PayloadError
    after: After
    reply: HttpReply | None = None


class _Flight:
    """
    One call: whether it was handed to the wire.

    *before_send* of an order is called in the step in which the wire gets it, and is how a call may still be stopped.
    """

    def __init__(self, before_send: Callable[[], None] | None = None) -> None:
        self._before_send = before_send
        self.was_handed_over = False

    def leave(self) -> None:
        """Raises what *before_send* raises."""
        if self._before_send is not None:
            self._before_send()
        self.was_handed_over = True


class _Deadline:
    """One read's time, counted from the moment it is first asked about: waiting for a turn is not part of it."""

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
    One credential's calls.

    Reads are asked at most three times within ``read_deadline_s``, on network and venue faults only; commands once. A
    time that is refused has the clocks compared and a read asked once more. A refused key parks the credential for five
    minutes; a missing right silences only the call that needs it.
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
        self._passphrase = None if credential is None else credential.reveal_passphrase()
        self._clock = clock
        self._emit = emit
        self._rest_url = rest_url.rstrip("/")
        self._account = account
        self._settings = settings
        self._random: Randomness = settings.random or random.Random()  # noqa: S311  # Jitter, not a secret.
        self._time: VenueClock = settings.venue_time or VenueTime(clock)
        self._compared_s = float("-inf")
        self._comparing = asyncio.Lock()
        self._paces = Paces(settings.counter, clock=clock)
        self._is_proved = False
        self._is_closed = False
        self._missing: dict[str, tuple[float, PermissionMissingError]] = {}

    def close(self) -> None:
        """Refuse further calls. What is under way ends with the wire, which belongs to whoever made it."""
        self._is_closed = True

    def redact(self, text: str) -> str:
        """A venue's words without anything of the credential that it may have echoed."""
        return text if self._credential is None else self._credential.redact(text)

    def now_us(self) -> int:
        """UTC microseconds on OKX's clock, as well as it is known."""
        return self._time.now_us()

    # The stream

    async def login(self) -> dict[str, str]:
        """
        What a stream logs in with, good for 30 seconds; a secret. Suspends for a turn, and to compare clocks.

        Raises:
            DeniedError: The credential is parked, or has no turn.
        """
        self._check_signed("login")
        await self._keep_time()
        async with self._lane.turn(priority=Priority.TOKEN):
            assert self._signer is not None
            assert self._credential is not None
            seconds = str(self._time.now_us() // 1_000_000)
            return {
                "apiKey": self._credential.key,
                "passphrase": self._passphrase or "",
                "timestamp": seconds,
                "sign": self._signer.sign_login(seconds),
            }

    async def admit_order(self, inst_id: str, *, is_cancel: bool) -> None:
        """Take a place in the window that REST and stream share. Suspends; raises ``RateLimitedError`` when full."""
        request = "trade/cancel-order" if is_cancel else "trade/order"
        await self._admit(request, inst_id, is_post=True, until_s=self._until_s(None))
        self._paces.spend(request, inst_id, is_post=True)

    def refused_order(self, inst_id: str, error: VenueError, *, is_cancel: bool) -> None:
        """The stream was refused for its rate: the window that REST shares is full."""
        request = "trade/cancel-order" if is_cancel else "trade/order"
        quiet_s = error.retry_after_s or limits.QUIET_AFTER_REFUSAL_S
        self._paces.refused(request, inst_id, is_post=True, quiet_s=quiet_s, code=error.code)

    # Time

    async def server_time(self) -> ServerTime:
        """OKX's clock, to the millisecond; also proves whether a simulator or OKX answers."""
        reply = await self.public("public/time")
        time_s = parse.venue_time_s(reply.body)
        return ServerTime(
            venue_time_s=time_s,
            resolution_s=0.001,
            sent_s=reply.sent_s,
            received_s=reply.received_s,
            wall_us=self._clock.wall_us(),
        )

    async def compare_clocks(self) -> None:
        """Ask OKX for its time and count on from it. Suspends."""
        self._time.hear(await self.server_time())
        self._compared_s = self._clock.now_s()

    async def _keep_time(self, *, every_s: float = _CLOCK_EVERY_S) -> None:
        """Before a signature: the clocks were compared lately."""
        if not self._wants_time(every_s):
            return
        async with self._comparing:
            if self._wants_time(every_s):
                await self.compare_clocks()

    def _wants_time(self, every_s: float) -> bool:
        now_s = self._clock.now_s()
        return not self._is_proved or self._time.is_due(now_s) or now_s - self._compared_s >= every_s

    # Calls

    async def public(self, request: str, /, **fields: str) -> HttpReply:
        target = _target(request, fields)
        deadline = _Deadline(self._clock, self._settings.read_deadline_s)

        async def attempt() -> HttpReply | _Failure:
            await self._admit(request, None, is_post=False, until_s=self._until_s(None))
            self._paces.spend(request, None, is_post=False)
            headers = {"User-Agent": _USER_AGENT, **self._environment_headers()}
            asked = HttpRequest(method="GET", url=self._rest_url + target, headers=headers, is_repeatable=True)
            answer = await self._send(asked, request, deadline, _Flight(), account=None)
            if isinstance(answer, _Failure) and isinstance(answer.error, RateLimitedError):
                quiet_s = answer.error.retry_after_s or limits.QUIET_AFTER_REFUSAL_S
                self._paces.refused(request, None, is_post=False, quiet_s=quiet_s)
            return answer

        return await self._until_answered(attempt, deadline)

    async def private(
        self,
        request: str,
        fields: Mapping[str, str],
        *,
        priority: Priority,
        inst_id: str | None = None,
        patience_s: float | None = None,
    ) -> HttpReply:
        self._check_signed(request)
        self._refuse_missing_right(request)
        await self._keep_time()
        deadline = _Deadline(self._clock, self._settings.read_deadline_s)
        target = _target(request, fields)
        was_compared = False

        async def attempt() -> HttpReply | _Failure:
            nonlocal was_compared
            answer = await self._in_turn(
                "GET", request, target, b"", _Flight(), deadline, priority=priority, inst_id=inst_id,
                patience_s=patience_s, parks_clock=was_compared,
            )  # fmt: skip
            if isinstance(answer, _Failure) and answer.after is After.CLOCK and not was_compared:
                was_compared = True
                await self.compare_clocks()
                return await self._in_turn(
                    "GET", request, target, b"", _Flight(), deadline, priority=priority, inst_id=inst_id,
                    patience_s=patience_s, parks_clock=True,
                )  # fmt: skip
            return answer

        return await self._until_answered(attempt, deadline)

    async def command(
        self,
        request: str,
        fields: Mapping[str, object],
        *,
        priority: Priority,
        deadline_s: float,
        before_send: Callable[[], None] | None = None,
        inst_id: str | None = None,
        expires: str | None = None,
    ) -> HttpReply:
        """One attempt at something that changes what OKX holds; every failure says what it proves."""
        self._check_signed(request)
        if priority is not Priority.CANCEL:
            self._refuse_missing_right(f"POST {request}")
        try:
            await self._keep_time(every_s=_CLOCK_LATEST_S)
        except (VenueError, PayloadError) as error:
            raise orders.unsent(f"the venue is not proved: {error}", request, self._account, cause=error) from error
        flight = _Flight(before_send)
        deadline = _Deadline(self._clock, deadline_s)
        try:
            answer = await self._in_turn(
                "POST",
                request,
                _ROOT + request,
                orders.body_of(fields),
                flight,
                deadline,
                priority=priority,
                inst_id=inst_id,
                expires=expires,
            )
        except HoldfastError as error:
            if flight.was_handed_over and not isinstance(error, VenueError):
                raise orders.unknown(f"{request}: {error}", request, self._account) from error
            raise
        if not isinstance(answer, _Failure):
            return answer
        if answer.after is After.CLOCK:
            self._compared_s = float("-inf")  # The next call compares the clocks first.
        reply = answer.reply
        raise orders.proven(
            answer.error,
            status=None if reply is None else reply.status,
            body=b"" if reply is None else reply.body,
            request=request,
            account=self._account,
        )

    async def _in_turn(
        self,
        method: str,
        request: str,
        target: str,
        body: bytes,
        flight: _Flight,
        deadline: _Deadline,
        *,
        priority: Priority,
        inst_id: str | None = None,
        expires: str | None = None,
        patience_s: float | None = None,
        parks_clock: bool = False,
    ) -> HttpReply | _Failure:
        """One signed call in its turn, from its place in the window to the reply."""
        is_post = method == "POST"
        until_s = self._until_s(patience_s)
        while True:
            await self._admit(request, inst_id, is_post=is_post, until_s=until_s)
            async with self._lane.turn(priority=priority) as turn:
                # While we waited for a turn others may have used the place we saw.
                if self._paces.wait_s(request, inst_id, is_post=is_post):
                    continue
                self._paces.spend(request, inst_id, is_post=is_post)
                asked = self._signed(method, target, body, expires=expires)
                answer = await self._send(asked, request, deadline, flight, account=self._account)
                if not isinstance(answer, _Failure):
                    self._missing.pop(_right(method, request), None)
                    return answer
                if isinstance(answer.error, RateLimitedError):
                    quiet_s = answer.error.retry_after_s or limits.QUIET_AFTER_REFUSAL_S
                    self._paces.refused(request, inst_id, is_post=is_post, quiet_s=quiet_s, code=answer.error.code)
                if isinstance(answer.error, PermissionMissingError):
                    until = self._clock.now_s() + limits.MISSING_RIGHT_S
                    self._missing[_right(method, request)] = (until, answer.error)
                if answer.after is After.BAD_KEY or (answer.after is After.CLOCK and parks_clock):
                    await self._park(turn, answer)
                return answer

    def _signed(self, method: str, target: str, body: bytes, *, expires: str | None) -> HttpRequest:
        assert self._signer is not None
        assert self._credential is not None
        timestamp = timestamp_of(self._time.now_us())
        headers = {
            "OK-ACCESS-KEY": self._credential.key,
            "OK-ACCESS-SIGN": self._signer.sign(timestamp, method=method, target=target, body=body),
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-PASSPHRASE": self._passphrase or "",
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
            **self._environment_headers(),
        }
        if expires is not None:
            headers["expTime"] = expires
        return HttpRequest(method=method, url=self._rest_url + target, headers=headers, body=body)

    def _environment_headers(self) -> dict[str, str]:
        """On public calls too: without it demo keys are shown live instruments, whose codes differ."""
        return {"x-simulated-trading": "1"} if self._settings.is_demo else {}

    def _until_s(self, patience_s: float | None) -> float:
        return self._clock.now_s() + (patience_s or self._settings.read_deadline_s)

    def _check_signed(self, request: str) -> None:
        if self._signer is None or self._credential is None:
            raise ConfigError(f"okx: {request} needs a credential, and {self._account} has none")

    async def _park(self, turn: Turn, answer: _Failure) -> None:
        """Close the credential to everybody where the refusal says that going on makes it worse."""
        for_s = _CLOCK_PARKED_S if answer.after is After.CLOCK else limits.PROBE_AFTER_S
        cause = await turn.park(errors.cause_of(answer.error), for_s=for_s)
        self._emit(event("credential.parked", broker=self._account, cause=cause, for_s=for_s))

    async def _until_answered(
        self, attempt: Callable[[], Awaitable[HttpReply | _Failure]], deadline: _Deadline
    ) -> HttpReply:
        before: _Failure | None = None
        for pause_s in (*_PAUSE_S, None):
            answer = await attempt()
            if not isinstance(answer, _Failure):
                return answer
            if before is not None and _is_out_of_time(answer):
                raise before.error  # What came of the attempt that did leave.
            before = answer
            if answer.after is not After.AGAIN or pause_s is None:
                raise answer.error
            pause_s *= 1 + self._random.random() / 2
            asked_s = getattr(answer.error, "retry_after_s", None) or 0.0
            if max(pause_s, asked_s) >= deadline.left_s():
                raise answer.error
            await asyncio.sleep(max(pause_s, asked_s))
        raise AssertionError("unreachable")

    async def _admit(self, request: str, inst_id: str | None, *, is_post: bool, until_s: float) -> None:
        """Wait until its window has room, or refuse at once where that is later than *until_s*."""
        while (wait_s := self._paces.wait_s(request, inst_id, is_post=is_post)) > 0:
            if self._clock.now_s() + wait_s > until_s:
                raise RateLimitedError(
                    f"okx: {request} was not sent; our rate limit has no room for {wait_s:.1f} s",
                    venue="okx",
                    request=request,
                    account=self._account,
                    outcome=Outcome.NEVER_SENT,
                    retry_after_s=wait_s,
                )
            await asyncio.sleep(wait_s)

    async def _send(
        self, asked: HttpRequest, request: str, deadline: _Deadline, flight: _Flight, *, account: str | None
    ) -> HttpReply | _Failure:
        if self._is_closed:
            raise ClosedError("okx: the client was closed")
        left_s = deadline.left_s()
        if left_s < _LEAST_S:
            return self._out_of_time(request, account)
        flight.leave()
        try:
            reply = await self._http.request(asked, deadline_s=left_s)
        except WireError as fault:
            return self._of_wire(fault, request, account)
        self._check_simulator(reply, request, is_proof=False)
        verdict = parse.verdict_of(reply.body)
        wall_s = self._clock.wall_us() / 1e6
        asked_to_wait_s = errors.retry_after_s(reply.headers.get("retry-after"), wall_s=wall_s)
        refusal = None if verdict is None else orders.refusal_in(verdict.code, verdict.msg, verdict.data)
        if refusal is not None:
            code, text = refusal
            error, after = errors.error_of(
                code, self.redact(text), request=request, account=account, asked_to_wait_s=asked_to_wait_s
            )
            return _Failure(error=error, after=after, reply=reply)
        if not 200 <= reply.status < 300:
            error, after = errors.error_of_status(
                reply.status, request=request, account=account, asked_to_wait_s=asked_to_wait_s
            )
            return _Failure(error=error, after=after, reply=reply)
        if verdict is None:
            kind = reply.headers.get("content-type", "no content type")
            told = (
                f"{request}: HTTP {reply.status} with {len(reply.body)} bytes of {ascii(kind)[:60]} that are no answer"
            )
            return _Failure(error=PayloadError(told), after=After.NOT_AGAIN)
        self._check_simulator(reply, request, is_proof=True)
        if account is not None and _is_cached(reply):
            return _Failure(
                error=PayloadError(f"{request}: the answer came out of a cache (Age header)"), after=After.NOT_AGAIN
            )
        return reply

    def _out_of_time(self, request: str, account: str | None) -> _Failure:
        """Waiting has used the time up. What left now would fail by itself, and the venue has no part in that."""
        error = VenueError(
            f"okx: {request} was not sent; nothing is left of its time",
            venue="okx",
            request=request,
            account=account,
            outcome=Outcome.NEVER_SENT,
            fault=FaultClass.REQUEST,
            code=_NO_TIME,
        )
        return _Failure(error=error, after=After.NOT_AGAIN)

    def _of_wire(self, error: WireError, request: str, account: str | None) -> _Failure:
        if error.kind in ("too_large", "encoding"):
            return _Failure(error=PayloadError(f"{request}: {error}"), after=After.NOT_AGAIN)
        # TLS that fails once fails again; everything else of the network may be better in a moment.
        after = After.NOT_AGAIN if error.kind == "tls" else After.AGAIN
        kind = OutcomeUnknownError if error.was_sent else VenueUnreachableError
        return _Failure(
            error=kind(f"okx {request}: {error}", venue="okx", request=request, account=account, code=error.kind),
            after=after,
        )

    def _check_simulator(self, reply: HttpReply, request: str, *, is_proof: bool) -> None:
        """
        Refuse to go on where a simulator answers in OKX's place, or the other way round.

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
                    f"{self._rest_url} answered {request} without the simulator's header; "
                    f'{self._account} is configured as environment = "simulated"'
                )
            self._is_proved = True

    def _refuse_missing_right(self, right: str) -> None:
        until_s, error = self._missing.get(right, (0.0, None))
        if error is not None:
            left_s = until_s - self._clock.now_s()
            if left_s > 0:
                raise PermissionMissingError(
                    f"okx: {right} was not sent; the key lacks the right for it ({error.code})",
                    venue="okx",
                    request=right.rpartition(" ")[2],
                    account=self._account,
                    outcome=Outcome.NEVER_SENT,
                    code=error.code,
                    retry_after_s=left_s,
                )


def _target(request: str, fields: Mapping[str, str]) -> str:
    """Path and query as they are signed and sent, built once."""
    if not fields:
        return _ROOT + request
    query = "&".join(f"{name}={quote(text, safe=',')}" for name, text in fields.items())
    return f"{_ROOT}{request}?{query}"


def _right(method: str, request: str) -> str:
    return request if method == "GET" else f"{method} {request}"


def _is_out_of_time(answer: _Failure) -> bool:
    return isinstance(answer.error, VenueError) and answer.error.code == _NO_TIME


def _is_cached(reply: HttpReply) -> bool:
    age = reply.headers.get("age", "").strip()
    return age.isascii() and age.isdigit() and age.strip("0") != ""
