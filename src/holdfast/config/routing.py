"""What a user may set about routing: who is asked, in which order they come, and when flow moves and returns."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from holdfast.core.routing import RoutingRules

__all__ = ["RoutingSettings"]


class RoutingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which broker an order goes to that names none (`desk.route`, `desk.place_market_order`)."""

    policy: Annotated[
        Literal["priority", "lowest_fee", "most_spendable", "round_robin"],
        Meta(description="How brokers that are fit, funded and list the instrument are ranked."),
    ] = "priority"
    brokers: Annotated[
        tuple[str, ...],
        Meta(
            description="Who is routed between, the first being preferred; empty: every broker, as configured. All of "
            "them have to be of one environment.",
            examples=[("kraken-master",)],
        ),
    ] = ()
    fail_back_after_s: Annotated[
        float,
        Meta(ge=0, le=86_400, description="A broker that failed is preferred again once it has been well for so long."),
    ] = 120.0
    heard_within_s: Annotated[
        float,
        Meta(gt=0, le=60, description="A venue not heard for longer is asked its time first, and left out if silent."),
    ] = 5.0
    answer_within_s: Annotated[
        float,
        Meta(gt=0, le=60, description="While an order waits longer for its answer, new ones go elsewhere."),
    ] = 3.0
    decide_within_s: Annotated[
        float, Meta(gt=0, le=60, description="How long brokers may take to say whether they would do.")
    ] = 3.0
    tries_max: Annotated[
        int, Meta(ge=1, le=16, description="At how many brokers one order may be tried, one after the other.")
    ] = 3
    after_rejection: Annotated[
        Literal["unfit", "any", "never"],
        Meta(
            description="Which refusals of a venue send an order on to the next broker: those that say something of "
            "the venue or the key and nothing of the order (unfit), all of them, or none."
        ),
    ] = "unfit"

    @property
    def rules(self) -> RoutingRules:
        """The bounds that the rule takes."""
        return RoutingRules(
            fail_back_after_s=self.fail_back_after_s,
            heard_within_s=self.heard_within_s,
            answer_within_s=self.answer_within_s,
        )
