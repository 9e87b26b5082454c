"""
Steps at which a process kills itself, with SIGKILL: the ones that a kill at a random moment rarely hits.

A step names a function of ours and whether to die before it runs, after it ran, or while it does. Nothing in the
product knows of it: the function is replaced in the doomed process.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import signal
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

__all__ = ["STEPS", "Step", "arm"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """
    One place to die.

    ``needs`` is what the harness has to prepare: ``new`` a state folder without a store, ``old_rows`` a journal with
    days that are due to be dropped, ``backup`` a client that makes backups, ``burst`` events at the venue, ``delay`` a
    venue that takes its time, ``end`` a client that closes in order.
    """

    name: str
    target: str  # module:attribute[.attribute]
    when: Literal["before", "after", "during"]
    nth: int = 1
    url: str = ""  # Only calls whose request goes to such an address are counted.
    needs: str = ""


STEPS: Final = (
    Step(
        name="a new store is finished, under another name",
        target="holdfast.store.sqlite.schema:put_in_place",
        when="before",
        needs="new",
    ),
    Step(
        name="a new store has its name, and was never opened",
        target="holdfast.store.sqlite.engine:give_birth",
        when="after",
        needs="new",
    ),
    Step(
        name="dropping old rows: between two steps",
        target="holdfast.store.sqlite.journal:Journal.prune",
        when="after",
        needs="old_rows",
    ),
    Step(
        name="dropping old rows: before a step is committed",
        target="holdfast.store.sqlite.journal:Journal._transact",
        when="before",
        needs="old_rows",
    ),
    Step(name="opening: the lock is ours", target="holdfast.runtime.ownership:OwnerLock.take", when="after"),
    Step(name="opening: the store was judged", target="holdfast.store.sqlite.engine:Engine._connect", when="after"),
    Step(name="opening: the mark was compared", target="holdfast.store.sqlite.engine:Engine._compare", when="after"),
    Step(name="lane: entered", target="holdfast.runtime.lane_turn:FileTurn.__aenter__", when="after"),
    Step(
        name="lane: a nonce is allocated, not written",
        target="holdfast.runtime.lane_turn:FileTurn._hand_out",
        when="before",
        nth=2,
    ),
    Step(
        name="lane: a nonce is written, not synced",
        target="holdfast.runtime.marks:sync_file",
        when="before",
        nth=2,
    ),
    Step(
        name="lane: a nonce is durable, nothing is sent",
        target="holdfast.runtime.lane_turn:FileTurn._hand_out",
        when="after",
        nth=2,
    ),
    Step(
        name="lane: the request is under way",
        target="holdfast.runtime.wire:AiohttpWire.request",
        when="during",
        url="/private/BalanceEx",
        needs="delay",
    ),
    Step(
        name="lane: the answer is read, the lane is held",
        target="holdfast.runtime.wire:AiohttpWire.request",
        when="after",
        url="/private/",
        nth=2,
    ),
    Step(
        name="the first read is believed, nothing is in the journal",
        target="holdfast.runtime.reader:Reader._succeeded",
        when="after",
    ),
    Step(
        name="the first read is on its way to the disk",
        target="holdfast.store.sqlite.journal:Journal.commit",
        when="before",
    ),
    Step(
        name="commit: written, not committed",
        target="holdfast.store.sqlite.journal:_keep_facts",
        when="after",
    ),
    Step(
        name="commit: committed, the mark is behind",
        target="holdfast.store.sqlite.engine:Engine._remember",
        when="before",
    ),
    Step(
        name="commit: the mark is written, nobody was told",
        target="holdfast.store.sqlite.engine:Engine._remember",
        when="after",
    ),
    Step(
        name="burst: a pushed change is not judged yet",
        target="holdfast.core.ledger:Ledger.move",
        when="before",
        nth=7,
        needs="burst",
    ),
    Step(
        name="burst: a pushed change is believed, nothing is written",
        target="holdfast.core.ledger:Ledger.move",
        when="after",
        nth=7,
        needs="burst",
    ),
    Step(
        name="burst: rows are on their way to the disk",
        target="holdfast.store.sqlite.journal:Journal.commit",
        when="before",
        nth=12,
        needs="burst",
    ),
    Step(
        name="backup: the copy is finished, under another name",
        target="holdfast.store.sqlite.copies:put_in_place",
        when="before",
        needs="backup",
    ),
    Step(
        name="backup: the copy is being checked",
        target="holdfast.store.sqlite.copies:_check_copy",
        when="after",
        needs="backup",
    ),
    Step(
        name="closing: before the log is emptied",
        target="holdfast.store.sqlite.engine:Engine.tidy",
        when="before",
        needs="end",
    ),
    Step(
        name="closing: the log is emptied, the file is open",
        target="holdfast.store.sqlite.engine:Engine.tidy",
        when="after",
        needs="end",
    ),
)
"""Every named step, in the order in which a life comes by them."""

_DURING_S: Final = 0.004


def arm(step: Step) -> None:
    """Let this process die at *step*."""
    module, _, path = step.target.partition(":")
    holder: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    original = getattr(holder, name)
    is_bound = hasattr(original, "__self__")  # A class method: it was bound when it was looked up.
    doomed = _doomed(original, step)
    setattr(holder, name, staticmethod(doomed) if is_bound else doomed)


def _doomed(original: Callable[..., Any], step: Step) -> Callable[..., Any]:
    calls = 0

    def is_it(args: tuple[Any, ...]) -> bool:
        nonlocal calls
        if step.url and step.url not in getattr(args[1], "url", ""):
            return False
        calls += 1
        return calls == step.nth

    if asyncio.iscoroutinefunction(original):

        @functools.wraps(original)
        async def suspended(*args: Any, **named: Any) -> Any:
            mine = is_it(args)
            if mine and step.when == "before":
                _die()
            if mine and step.when == "during":
                asyncio.get_running_loop().call_later(_DURING_S, _die)
            result = await original(*args, **named)
            if mine:
                _die()
            return result

        return suspended

    @functools.wraps(original)
    def plain(*args: Any, **named: Any) -> Any:
        mine = is_it(args)
        if mine and step.when == "before":
            _die()
        result = original(*args, **named)
        if mine:
            _die()
        return result

    return plain


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
