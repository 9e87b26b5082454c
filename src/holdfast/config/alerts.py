"""What a user may set about alerts: how long what has to last before somebody is told, and how much is told at all."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.core.alerts import AlertKind, AlertSettings

__all__ = ["AlertingSettings"]


class AlertingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    When people are told of trouble.

    Where to is a secret and stands in no configuration: a file that this names, or the environment.
    """

    enabled: Annotated[
        bool, Meta(description="False: nobody is told of anything, whatever addresses the environment names.")
    ] = True
    url_file: Annotated[
        str | None,
        Meta(
            description="File of mode 0600 with one apprise URL a line; unset: HOLDFAST_ALERT_URLS_FILE, then "
            "HOLDFAST_ALERT_URLS.",
            examples=["alert.urls"],
        ),
    ] = None
    breaker_open_after_s: Annotated[
        float, Meta(ge=0, le=86_400, description="A breaker that is open for this long is told.")
    ] = 0.0
    figures_stale_after_s: Annotated[
        float, Meta(ge=0, le=86_400, description="Figures that are stale or unknown for this long are told.")
    ] = 60.0
    stream_lost_after_s: Annotated[
        float, Meta(ge=0, le=86_400, description="A stream that is not live for this long is told.")
    ] = 60.0
    discrepancy_after_s: Annotated[
        float, Meta(ge=0, le=86_400, description="Two sources that disagree for this long are told.")
    ] = 300.0
    credential_parked_after_s: Annotated[
        float, Meta(ge=0, le=86_400, description="A credential that is parked for this long is told.")
    ] = 0.0
    recovered_after_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="What stays away for this long is over, and told as recovered; sooner it is the same episode.",
        ),
    ] = 60.0
    remind_every_s: Annotated[
        float, Meta(ge=0, le=2_592_000, description="What lasts is told again this often; 0: never.")
    ] = 21_600.0
    notices_per_hour: Annotated[
        int, Meta(ge=1, le=3600, description="At most so many notices leave in an hour; the next one counts the rest.")
    ] = 30
    send_within_s: Annotated[
        float, Meta(ge=1, le=300, description="A notice that an address has not taken by then has failed there.")
    ] = 15.0

    def times(self, *, in_doubt_after_s: float) -> AlertSettings:
        """One broker's times; an order's doubt is told when its own setting says that it has lasted too long."""
        return AlertSettings(
            after_s={
                AlertKind.BREAKER_OPEN: self.breaker_open_after_s,
                AlertKind.FIGURES_STALE: self.figures_stale_after_s,
                AlertKind.STREAM_LOST: self.stream_lost_after_s,
                AlertKind.DISCREPANCY: self.discrepancy_after_s,
                AlertKind.CREDENTIAL_PARKED: self.credential_parked_after_s,
                AlertKind.ORDER_IN_DOUBT: in_doubt_after_s,
            },
            recovered_after_s=self.recovered_after_s,
            remind_every_s=self.remind_every_s,
        )
