"""A process that writes to a store and says what was acknowledged, until it is killed: see test_sqlite_durability."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from holdfast.runtime.journal_mark import JournalMark
from holdfast.store.sqlite import SqliteStore
from tests.store.rows import DAY_US, NOON_US, intent, money

STEPS = 3
"""How often each intent is written; it ends with the last."""


def wall_us() -> int:
    return time.time_ns() // 1000


def say(text: str) -> None:
    # One short write: a reader sees whole lines, however suddenly this process ends.
    os.write(1, f"{text}\n".encode())


async def main(path: str, run: str) -> None:
    store = await SqliteStore.open(path, wall_us=wall_us, journal_mark=JournalMark.open(f"{path}.mark"))
    say("open")
    # Another day each run, so that pruning has something to do.
    now_us = NOON_US + int(run) * DAY_US

    async def caller(name: str) -> None:
        number = 0
        while True:
            number += 1
            said = f"{run}.{number}"
            rows = [money(name, said, wall_us=now_us)] * (number % 3 + 1)
            seq = await store.append(rows)
            say(f"row {seq} {name} {said}")

    async def trader(name: str) -> None:
        number = 0
        while True:
            number += 1
            intent_id = f"{run}.{name}.{number}"
            for step in range(1, STEPS + 1):
                row = intent(intent_id, str(step), is_ended=step == STEPS, wall_us=now_us)
                # A row with each intent and a fact with some: all of a call is there, or nothing of it.
                await store.keep([row], [money(f"T{name}", f"{intent_id}.{step}", wall_us=now_us)])
                say(f"intent {intent_id} {step}")

    async def keeper() -> None:
        number = 0
        while True:
            number += 1
            await store.keep_fact("round", f"[{run}, {number}]")
            say(f"fact [{run}, {number}]")
            await store.prune(wall_us=now_us)

    async with asyncio.TaskGroup() as group:
        for index in range(8):
            group.create_task(caller(f"A{index}"))
        for index in range(4):
            group.create_task(trader(str(index)))
        group.create_task(keeper())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
