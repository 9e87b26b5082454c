"""An asynchronous bot: the same day at every venue at once."""

import asyncio
import inspect
from typing import Any

from decisions import Day, Diary, Pause, trading_day
from town import config_of, show, three_venues

import holdfast


async def play(broker: holdfast.Broker, day: Day) -> Diary:
    """Ask what the day wants asked, and tell it the answer; a refusal is an answer, too."""
    try:
        ask = next(day)
        while True:
            if isinstance(ask, Pause):
                await asyncio.sleep(ask.seconds)
                ask = day.send(None)
                continue
            try:
                answer = getattr(broker, ask.call)(*ask.arguments, **ask.options)
                if inspect.isawaitable(answer):
                    answer = await answer
            except holdfast.HoldfastError as refusal:
                ask = day.throw(refusal)
            else:
                ask = day.send(answer)
    except StopIteration as over:
        diary: Diary = over.value
        return diary


async def run(config: dict[str, Any]) -> dict[str, Diary]:
    """A day at every broker of *config*, all at once."""
    async with holdfast.open(config) as desk:
        await desk.ready(timeout_s=60)
        brokers = list(desk)
        diaries = await asyncio.gather(*(play(broker, trading_day(broker.name)) for broker in brokers))
        return {broker.name: diary for broker, diary in zip(brokers, diaries, strict=True)}


if __name__ == "__main__":
    with three_venues() as venues:
        for name, diary in asyncio.run(run(config_of(venues))).items():
            show(name, diary)
