"""
What a run looks at in the venue's listing and its market data: products, candles, names.

Nothing of it needs a credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from holdfast.core.readiness import Finding
from holdfast.core.readiness.judging import (
    CANDLE_INTERVAL_S,
    earned,
    judge_candle_age,
    judge_candle_order,
    judge_candles,
    judge_products,
    judge_round_trip,
    judge_unsupported,
    judge_usd,
    lost,
)
from holdfast.core.symbols import normalize_symbol
from holdfast.runtime.readiness.looks import Looks
from holdfast.runtime.readiness.subject import Subject

__all__ = ["LooksAtMarkets"]

_CHUNK: Final = 25


class LooksAtMarkets:
    """The looks of one run at what is listed and what it costs."""

    def __init__(self, subject: Subject, looks: Looks) -> None:
        self._subject = subject
        self._looks = looks
        self.by_check: dict[str, Callable[[], Awaitable[Finding]]] = {
            "market.products": self.products,
            "market.candles": self.candles,
            "market.candle_order": self.candle_order,
            "market.candle_age": self.candle_age,
            "symbols.round_trip": self.round_trip,
            "symbols.unsupported": self.unsupported,
            "symbols.usd": self.usd,
        }

    async def products(self) -> Finding:
        answer = await self._looks.answers.ask("listing", self._looks.client.load)
        if answer.error is not None:
            return self._looks.lost_by(answer.error, check="market.products", what="The venue's listing")
        return judge_products(self._looks.client.instruments)

    async def candles(self) -> Finding:
        client, reference = self._looks.client, self._looks.reference()
        answer = await self._looks.answers.ask(
            "candles", lambda: client.candles(reference.symbol, interval_s=CANDLE_INTERVAL_S)
        )
        if answer.value is None:
            assert answer.error is not None
            return self._looks.lost_by(answer.error, check="market.candles", what=f"Candles of {reference.symbol}")
        return judge_candles(answer.value, symbol=reference.symbol)

    async def candle_order(self) -> Finding:
        answer = self._looks.answers.known("candles")
        assert answer is not None
        return judge_candle_order(answer.value or [])

    async def candle_age(self) -> Finding:
        answer = self._looks.answers.known("candles")
        assert answer is not None
        return judge_candle_age(answer.value or [], venue_now_s=self._looks.venue_now_s())

    # Symbols

    async def round_trip(self) -> Finding:
        client, good = self._looks.client, 0
        self._looks.listed()
        bad: list[str] = []
        instruments = list(client.instruments.values())
        for start in range(0, len(instruments), _CHUNK):
            more, worse = judge_round_trip(
                instruments[start : start + _CHUNK],
                venue=self._subject.venue,
                listed=client.instruments,
                assets=client.assets,
            )
            good, bad = good + more, bad + worse
            await asyncio.sleep(0)  # Others of this loop have orders to send.
        if bad:
            return lost(
                f"{len(bad)} of {good + len(bad)} names do not lead back to themselves: {', '.join(bad[:3])}.",
                "Do not trade those; a newer holdfast may know the venue's new spelling.",
            )
        return earned(f"{good} of {good} names lead to the venue's spelling and back.")

    async def unsupported(self) -> Finding:
        client = self._looks.client
        self._looks.listed()
        return judge_unsupported(
            lambda text: (
                normalize_symbol(
                    text, venue=self._subject.venue, instruments=client.instruments, assets=client.assets
                ).symbol
            ),
            client.instruments,
        )

    async def usd(self) -> Finding:
        return judge_usd(self._looks.listed(), venue=self._subject.venue, assets=self._looks.client.assets)
