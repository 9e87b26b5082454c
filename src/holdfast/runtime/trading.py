"""Which orders a broker takes: what a person said, what an invariant did, and a store that is behind."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from holdfast.core.seams import Store
from holdfast.core.verdicts import TradingState
from holdfast.errors import ClosedError, HaltedError, StoreCorruptError, StoreError

__all__ = ["Trading"]

_FACT: Final = "trading"
_HALTED_FACT: Final = "halted"
_AGAIN_S: Final = 1.0


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of it."""

    state: TradingState = TradingState.ACTIVE
    reason: str | None = None
    broken: str | None = None


class Trading:
    """One broker's trading state; durable across restarts."""

    def __init__(self) -> None:
        self._said = _Said()
        self._restored: str | None = None
        self._store: Store | None = None
        self._shown = TradingState.ACTIVE
        self._keeping: set[asyncio.Task[None]] = set()

    async def restore(self, store: Store) -> None:
        """Read what was said before. Suspends; raises ``StoreError``."""
        self._store = store
        text = await store.fact(_FACT)
        if text is not None:
            try:
                self._said = msgspec.json.decode(text, type=_Said)
            except msgspec.DecodeError as error:
                raise StoreCorruptError(f"the trading state in the store cannot be read: {error}") from None
        self._shown = self.state

    @property
    def state(self) -> TradingState:
        """The state in force."""
        if self._said.broken is not None or self._halted_store() is not None:
            return TradingState.HALTED
        return self._said.state

    @property
    def reason(self) -> str | None:
        """Why it is not active: a fixed word of ours, or a person's own."""
        return self._said.broken or self._halted_store() or self._said.reason

    @property
    def halted_word(self) -> str | None:
        """Why it is halted, as one fixed word; None where it is not."""
        if self.state is not TradingState.HALTED:
            return None
        return self._halted_store() or self._said.broken or "by_command"

    def _halted_store(self) -> str | None:
        return None if self._store is None else self._store.status().halted

    def broken(self, reason: str, store: Store) -> None:
        """An invariant does not hold: cancels only, at once, until a person resumes; kept as soon as can be."""
        if self._said.broken is None:
            self._said = msgspec.structs.replace(self._said, broken=reason)
            task = asyncio.get_running_loop().create_task(self._keep_at_last(store), name="trading state kept")
            self._keeping.add(task)
            task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._keeping.discard(task)
        if not task.cancelled():
            task.exception()  # The store's own status tells.

    async def set(self, state: TradingState, *, reason: str | None, accepts_restored: bool, store: Store) -> None:
        """
        A person's word; ``active`` also ends what an invariant did. Suspends until it is durable.

        Args:
            state: From now on.
            reason: A person's own words, for the status.
            accepts_restored: Lift the halt of a restored, older store too: what was done since is not in it.
            store: Where it is kept.

        Raises:
            HaltedError: It is to be active, the store is an older copy, and that was not accepted.
            StoreError: It could not be kept; a stricter state is in force all the same, and ``active`` is not.
        """
        halted = self._halted_store()
        if state is TradingState.ACTIVE and halted is not None:
            if not accepts_restored:
                raise HaltedError(
                    f"the store is behind what was already done ({halted}): orders and claims made since are not in "
                    "it. Compare open orders with the venue's, then resume with accept-restored"
                )
            await store.keep_fact(_HALTED_FACT, None)
        broken = None if state is TradingState.ACTIVE else self._said.broken
        said = _Said(state=state, reason=None if state is TradingState.ACTIVE else reason, broken=broken)
        if state is not TradingState.ACTIVE:
            self._said = said
            await self._keep(store, said)
            return
        before = self._said
        await self._keep(store, said)
        if self._said is before:  # Else an invariant broke meanwhile, or somebody said otherwise.
            self._said = said

    async def _keep(self, store: Store, said: _Said) -> None:
        await store.keep_fact(_FACT, msgspec.json.encode(said).decode())

    async def _keep_at_last(self, store: Store) -> None:
        """Keep what is in force, however often the store has to be asked; until it is closed."""
        while True:
            try:
                await self._keep(store, self._said)
            except ClosedError:
                return
            except StoreError:
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    def drain(self) -> tuple[TradingState, TradingState, str | None] | None:
        """The state shown before and now, with its reason, where it changed since the last call."""
        before, self._shown = self._shown, self.state
        return None if before is self._shown else (before, self._shown, self.reason)
