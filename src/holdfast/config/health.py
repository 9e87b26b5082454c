"""What a user may set about breakers: when they open, how long they stay open, and when somebody should look."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.core.breakers import BreakerSettings

__all__ = ["HealthSettings"]


class HealthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How faults are counted, and what they lead to."""

    failure_threshold: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="So many consecutive counted errors open a breaker and make a broker unavailable.",
        ),
    ] = 3
    break_initial_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="How long a breaker stays open at first, before a trial decides."),
    ] = 5.0
    break_max_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="A break doubles with each failed trial up to this; the break of reads up to 30 at most.",
        ),
    ] = 300.0
    slow_call_s: Annotated[
        float,
        Meta(gt=0, le=600, description="A call that is answered and takes this long counts like an error."),
    ] = 4.0
    trials: Annotated[int, Meta(ge=1, le=100, description="Orders that may be under way as trials at once.")] = 1
    stuck_after_s: Annotated[
        float,
        Meta(gt=0, le=604_800, description="A breaker that trials could not close for this long is told, as stuck."),
    ] = 900.0

    def breaker(self, *, trial_within_s: float, break_max_s: float | None = None, trials: int = 1) -> BreakerSettings:
        """
        One breaker's bounds.

        Args:
            trial_within_s: The longest that one call of its kind may take, waiting included.
            break_max_s: A smaller bound than the setting's, where there is one.
            trials: Calls under way as trials at once.
        """
        longest_s = self.break_max_s if break_max_s is None else min(self.break_max_s, break_max_s)
        return BreakerSettings(
            failure_threshold=self.failure_threshold,
            break_initial_s=self.break_initial_s,
            break_max_s=longest_s,
            slow_call_s=self.slow_call_s,
            trials=trials,
            trial_within_s=trial_within_s,
            stuck_after_s=self.stuck_after_s,
        )
