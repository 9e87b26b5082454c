"""
Order operations under way on one stream connection: each is sent once and answered by its number, or not at all.

An answer that is lost with the connection, or later than whoever asked would wait, leaves the order's fate unknown; one
that comes later still is for nobody.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order (checked 2026-11-20)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from holdfast.core.seams import WireError
from holdfast.errors import FaultClass, Outcome, VenueError
from holdfast.venues.okx import errors, orders, wire
from holdfast.venues.okx.errors import After

__all__ = ["OrderRequests", "RefusedError"]


class RefusedError(Exception):
    """
    OKX's clear answer that it did not do what was asked, and what may follow.

    Attributes:
        error: As what it is raised.
        after: What may follow.
    """

    def __init__(self, error: VenueError, after: After) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class OrderRequests:
    """
    What is asked about orders on one connection.

    Args:
        account: The broker's name, for errors.
        number: Gives each request its number.
        write: Hands a request to the connection; raises ``WireError`` where it is gone.
        redact: Takes anything of the credential out of OKX's words.
    """

    def __init__(
        self,
        *,
        account: str,
        number: Callable[[], str],
        write: Callable[[bytes], None],
        redact: Callable[[str], str],
    ) -> None:
        self._account = account
        self._redact = redact
        self._number = number
        self._write = write
        self._waiting: dict[str, tuple[str, asyncio.Future[tuple[wire.Frame, float]]]] = {}

    async def landed(self, *, within_s: float) -> None:
        """Wait until nothing is under way, or *within_s* seconds have passed."""
        answers = [answer for _, answer in self._waiting.values()]
        if answers:
            await asyncio.wait(answers, timeout=within_s)

    async def ask(
        self,
        op: str,
        fields: Mapping[str, object],
        *,
        expires: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> tuple[wire.Frame, float]:
        """
        Send one operation once; suspends until its answer, at most *deadline_s* seconds.

        Args:
            op: OKX's name of it.
            fields: What it is about.
            expires: ``expTime``, where it has one.
            deadline_s: How long to wait.
            before_send: Called in the step in which the connection gets the request; what it raises is raised.

        Returns:
            An answer that is no clear refusal, and our clock when it arrived.

        Raises:
            RefusedError: A refusal.
            VenueError: The answer was lost (UNKNOWN), or nothing left (NEVER_SENT).
        """
        number = self._number()
        request = orders.frame_of(op, fields, number=number, expires=expires)
        before_send()
        answer: asyncio.Future[tuple[wire.Frame, float]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (op, answer)
        try:
            try:
                self._write(request)
            except WireError as error:
                if error.was_sent:
                    raise self._lost(op, str(error)) from None
                raise orders.unsent(str(error), op, self._account) from None
            await asyncio.wait({answer}, timeout=deadline_s)
            if not answer.done():
                raise self._lost(op, f"no answer within {deadline_s:.3g} s", code="deadline")
            frame, at_s = answer.result()
        finally:
            del self._waiting[number]
            if answer.done():
                answer.exception()  # Seen: whoever asked may be gone.
            else:
                answer.cancel()
        self._raise_refusal(frame, op)
        return frame, at_s

    def answered(self, frame: wire.Frame, at_s: float) -> bool:
        """Take an answer; False where it is to nothing that was asked here, or comes too late for anybody."""
        waiting = None if frame.id is None else self._waiting.get(frame.id)
        if waiting is None:
            return False
        op, answer = waiting
        if frame.op in (op, None) and not answer.done():
            answer.set_result((frame, at_s))
        return True

    def end(self, told: str) -> None:
        """The connection is over: nothing that was asked will be answered."""
        for op, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._lost(op, told))

    def _raise_refusal(self, frame: wire.Frame, op: str) -> None:
        if frame.code is None:
            return  # No clear answer at all: its reader says so.
        refusal = orders.refusal_in(frame.code, frame.msg, frame.data)
        if refusal is None:
            return
        code, text = refusal
        error, after = errors.error_of(code, self._redact(text), request=op, account=self._account)
        error = orders.as_doubt(error)
        names_order = isinstance(frame.data, list) and any(
            isinstance(item, dict) and item.get("ordId") for item in frame.data
        )
        if error.outcome is Outcome.REJECTED and names_order and op == "order":
            error = orders.unknown(f"{error}; the refusal names an order", op, self._account, code=error.code)
        raise RefusedError(error, after)

    def _lost(self, op: str, told: str, *, code: str | None = None) -> VenueError:
        return orders.unknown(f"{op}: {told}", op, self._account, fault=FaultClass.NETWORK, code=code)
