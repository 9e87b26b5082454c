"""
Order requests under way on one stream connection: each is sent once and answered by its number, or not at all.

An answer that is lost with the connection, or later than whoever asked would wait, leaves the order's fate unknown; one
that comes later still is for nobody. The token that orders carry is kept here too: one that the venue refuses is never
used again.

Source: https://docs.kraken.com/exchange/guides/websockets/authentication (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Final

from holdfast.core.seams import Clock, WireError
from holdfast.errors import FaultClass
from holdfast.venues.kraken import errors, orders, wire
from holdfast.venues.kraken.errors import After

__all__ = ["OrderRequests"]

# Whether a token lives as long as the connection or 900 s, the pages disagree. Once one has died of age, the next ones
# are replaced before they can.
_TOKEN_LIFE_S: Final = 900.0
_TOKEN_RENEWED_S: Final = 780.0


class OrderRequests:
    """
    What is asked about orders on one connection.

    Args:
        clock: For ages.
        account: The broker's name, for errors.
        number: Gives each request its number.
        write: Hands a request to the connection; raises ``WireError`` where it is gone.
        need_token: Called when there is no good token any more.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        account: str,
        number: Callable[[], int],
        write: Callable[[bytes], None],
        need_token: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._account = account
        self._number = number
        self._write = write
        self._need_token = need_token
        self._loop = asyncio.get_running_loop()
        self._token: str | None = None
        self._token_at_s = 0.0
        self._renewal: asyncio.TimerHandle | None = None
        self.tokens_age = False
        """Whether a token has died of age: each is replaced in time from then on."""
        self._waiting: dict[int, tuple[str, asyncio.Future[tuple[wire.Frame, float]]]] = {}

    # The token

    @property
    def has_token(self) -> bool:
        return self._token is not None

    def take_token(self, token: str) -> None:
        """Use a fresh one from now on."""
        self._token = token
        self._token_at_s = self._clock.now_s()
        if self._renewal is not None:
            self._renewal.cancel()
        self._renewal = self._loop.call_later(_TOKEN_RENEWED_S, self._renew) if self.tokens_age else None

    def _renew(self) -> None:
        self._token = None
        self._need_token()

    # Requests

    async def ask(
        self, method: str, params: Mapping[str, str], *, deadline_s: float, before_send: Callable[[], None] | None
    ) -> tuple[wire.Frame, float]:
        """
        Send one request once; suspends until its answer, at most *deadline_s* seconds.

        Args:
            method: Kraken's name of it.
            params: Its params but the token, as JSON text.
            deadline_s: How long to wait.
            before_send: Called in the step in which the connection gets the request; what it raises is raised.

        Returns:
            An answer that is no clear refusal, and our clock when it arrived.

        Raises:
            VenueError: A refusal; or the answer was lost (UNKNOWN), or nothing left (NEVER_SENT).
        """
        token = self._token
        if token is None:
            raise orders.unsent("the connection takes no orders now", method, self._account)
        number = self._number()
        request = orders.request_text(method, {**params, "token": json.dumps(token)}, req_id=number)
        if before_send is not None:
            before_send()
        answer: asyncio.Future[tuple[wire.Frame, float]] = self._loop.create_future()
        self._waiting[number] = (method, answer)
        try:
            try:
                self._write(request)
            except WireError as error:
                if error.was_sent:
                    raise self._lost(method, str(error)) from None
                raise orders.unsent(str(error), method, self._account) from None
            await asyncio.wait({answer}, timeout=deadline_s)
            if not answer.done():
                raise self._lost(method, f"no answer within {deadline_s:.3g} s", code="deadline")
            frame, at_s = answer.result()
        finally:
            del self._waiting[number]
            if answer.done():
                answer.exception()  # Seen: whoever asked may be gone.
            else:
                answer.cancel()
        self._raise_refusal(frame, method, token)
        return frame, at_s

    def answered(self, frame: wire.Frame, at_s: float) -> bool:
        """Take an answer; False where it is to nothing that was asked here, or comes too late for anybody."""
        waiting = None if frame.req_id is None else self._waiting.get(frame.req_id)
        if waiting is None:
            return False
        method, answer = waiting
        if frame.method == method and not answer.done():
            answer.set_result((frame, at_s))
        return True

    def end(self, told: str) -> None:
        """The connection is over: nothing that was asked will be answered."""
        if self._renewal is not None:
            self._renewal.cancel()
        for method, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._lost(method, told))

    def _raise_refusal(self, frame: wire.Frame, method: str, token: str) -> None:
        if frame.success is not False or not frame.error or frame.result:
            return  # An acknowledgement, or no clear answer at all: its reader says which.
        told = frame.error.replace(token, "(our token)")  # A venue that repeats it must not get it into our logs.
        wall_s = self._clock.wall_us() / 1e6
        error, after = errors.error_of([told], request=method, account=self._account, wall_s=wall_s)
        if after is After.NEW_TOKEN and token == self._token:
            if self._clock.now_s() - self._token_at_s >= _TOKEN_LIFE_S:
                self.tokens_age = True
            self._renew()
        raise orders.as_doubt(error)

    def _lost(self, method: str, told: str, *, code: str | None = None) -> Exception:
        return orders.unknown(f"{method}: {told}", method, self._account, fault=FaultClass.NETWORK, code=code)
