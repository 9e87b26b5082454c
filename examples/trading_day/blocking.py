"""A synchronous bot: the same day at one venue after the other."""

import time
from typing import Any

from decisions import Day, Diary, Pause, trading_day
from town import config_of, show, three_venues

import holdfast


def play(broker: holdfast.BlockingBroker, day: Day) -> Diary:
    """Ask what the day wants asked, and tell it the answer; a refusal is an answer, too."""
    try:
        ask = next(day)
        while True:
            if isinstance(ask, Pause):
                time.sleep(ask.seconds)
                ask = day.send(None)
                continue
            try:
                answer = getattr(broker, ask.call)(*ask.arguments, **ask.options)
            except holdfast.HoldfastError as refusal:
                ask = day.throw(refusal)
            else:
                ask = day.send(answer)
    except StopIteration as over:
        diary: Diary = over.value
        return diary


def run(config: dict[str, Any]) -> dict[str, Diary]:
    """A day at every broker of *config*."""
    with holdfast.open_blocking(config) as desk:
        desk.ready(timeout_s=60)
        return {broker.name: play(broker, trading_day(broker.name)) for broker in desk}


if __name__ == "__main__":
    with three_venues() as venues:
        for name, diary in run(config_of(venues)).items():
            show(name, diary)
