"""Watches a desk while its venue misleads it: what was shown, what was named, what it cost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

import holdfast
from holdfast.core.amounts import format_amount
from holdfast.core.events import Event
from holdfast.errors import HoldfastError
from holdfast.runtime.local import LocalBroker

__all__ = ["Named", "Picture", "Witness", "peak_mib", "resident_mib"]

_NAMING: Final = ("answer.refused", "read.failed", "stream.gapped", "stream.lost", "answer.suspected")


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """
    Every figure as it was shown at one moment.

    ``figures`` is asset to total, held and available; ``as_of_s`` when each was true, our clock.
    """

    figures: dict[str, tuple[str | None, str | None, str | None]]
    as_of_s: dict[str, float | None]
    states: dict[str, str]

    def digest(self) -> str:
        """One hash over figures and their times: equal means that nothing moved."""
        told = repr((sorted(self.figures.items()), sorted(self.as_of_s.items())))
        return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the client said of a bad answer: the event with its reason, or a read's error with its class."""

    what: str
    word: str
    text: str = ""


class Witness:
    """
    Notes what one broker says.

    Attributes:
        named: Everything it named since ``forget``.
        at_naming: What was shown in the step in which it first named something.
    """

    def __init__(self, desk: holdfast.Desk, broker: holdfast.Broker) -> None:
        backend = broker._backend
        assert isinstance(backend, LocalBroker)  # It owns the account: what it reads is done in this process.
        self._supervisor = backend.supervisor
        self._broker = broker
        self._clock = self._supervisor._clock
        self._heard = asyncio.Event()
        self.named: list[Named] = []
        self.at_naming: Picture | None = None
        desk.on_event(self._on_event)
        reader = self._supervisor._reader
        failed = reader.failed

        def noting(read: str, error: HoldfastError) -> None:
            failed(read, error)
            self._note(Named(what=read, word=type(error).__name__, text=str(error)))

        reader.failed = noting  # type: ignore[method-assign]  # The events of a failure do not tell its class.

    def _on_event(self, event: Event) -> None:
        if event.name not in _NAMING:
            return
        fields = event.fields
        word = fields.get("reason") or fields.get("fault") or fields.get("channel") or ""
        text = fields.get("detail") or fields.get("error") or ""
        self._note(Named(what=event.name, word=str(word), text=str(text)))

    def _note(self, named: Named) -> None:
        if self.at_naming is None:
            self.at_naming = self.picture()
        self.named.append(named)
        self._heard.set()

    def forget(self) -> None:
        """Begin anew."""
        self.named.clear()
        self.at_naming = None
        self._heard.clear()

    def picture(self) -> Picture:
        """What is shown now."""
        # Asked of the ledger at one moment, so that ages become times again without the clock moving in between.
        now_s = self._clock.now_s()
        balances = self._supervisor.account.ledger.balances(now_s=now_s)

        def text(amount: Decimal | None) -> str | None:
            return None if amount is None else format_amount(amount)

        return Picture(
            figures={
                asset: (text(each.total), text(each.held), text(each.available)) for asset, each in balances.items()
            },
            as_of_s={
                asset: None if each.age_s is None else round(now_s - each.age_s, 5) for asset, each in balances.items()
            },
            states={asset: each.state.value for asset, each in balances.items()},
        )

    async def ask(self, read: str) -> tuple[Picture, Picture]:
        """Make one read now, with all its attempts: what was shown before and after it. Suspends."""
        reader = self._supervisor._reader
        async with reader._turn:  # The schedule's own reads wait meanwhile.
            before = self.picture()
            await reader._read(read)
            return before, self.picture()

    async def named_within(self, seconds: float) -> bool:
        """Wait until something is named; whether it was. Suspends."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), seconds)
        return self._heard.is_set()

    async def ask_in_peace(self, *, within_s: float = 30.0) -> bool:
        """Read until believed, whatever went before; whether it was. Suspends."""
        end_s = self._clock.now_s() + within_s
        while not (await self._broker.refresh(timeout_s=10.0)).is_ok:
            if self._clock.now_s() > end_s:
                return False
            await asyncio.sleep(2.0)  # A rate limit is waited out.
        return True


def resident_mib() -> float | None:
    """Memory of this process now; None where the system does not tell."""
    return _status("VmRSS")


def peak_mib(*, begins_anew: bool = False) -> float | None:
    """The most it ever was, or was since this was last asked to begin anew; None where the system does not tell."""
    found = _status("VmHWM")
    if begins_anew:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    return found


def _status(name: str) -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), None)
