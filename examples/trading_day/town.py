"""Three local venues, and one configuration with a broker at each."""

import contextlib
from collections.abc import Iterator
from typing import Any

from holdfast.testing import LocalVenue, local_venue

VENUES = ("kraken", "coinbase", "okx")


@contextlib.contextmanager
def three_venues() -> Iterator[dict[str, LocalVenue]]:
    """Every venue, by its broker's name. Blocks while they start."""
    with contextlib.ExitStack() as running:
        yield {f"{name}-master": running.enter_context(local_venue(name)) for name in VENUES}


def config_of(venues: dict[str, LocalVenue]) -> dict[str, Any]:
    """One configuration for all of them; state is kept beside the first."""
    first = next(iter(venues.values())).config
    brokers = {name: venue.config["brokers"][name] for name, venue in venues.items()}
    return {**first, "brokers": brokers}


def show(name: str, diary: Any) -> None:
    """A day, as a person reads it."""
    print(f"{name}: {diary.symbol}, worth {diary.worth[0]:f} in the morning and {diary.worth[-1]:f} in the evening")
    for intent_id, side, state, _, filled, cost in diary.orders:
        print(f"  {intent_id}: {side} {state}, {filled.normalize():f} for {cost:.2f}")
    print(f"  denied: {', '.join(diary.denied)}")
