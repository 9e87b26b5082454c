"""
What the runtime may set for OKX.

Source of regions and environments: https://www.okx.com/docs-v5/en/#overview-production-trading-services (checked
2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from holdfast.core.limits import MakeCounter
from holdfast.core.seams import Randomness
from holdfast.core.venue import VenueClock
from holdfast.errors import ConfigError
from holdfast.venues.okx.facts import REGIONS

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the runtime may set for this venue.

    ``must_be_simulator``: every answer has to carry the simulator's header (True) or must not (False).
    ``environment``: ``production``, ``demo`` or ``simulated``; demo calls carry OKX's header for it.
    ``region``: where the account was registered, one of ``facts.REGIONS``; the first of them where None.
    ``read_deadline_s``: seconds for one read with all its attempts, once it has its turn.
    ``random``: where jitter comes from.
    ``counter``: makes the counters of the credential's calls; counters of this process where None.
    ``venue_time``: OKX's clock as everything of this broker knows it; one of the client's own where None.
    """

    must_be_simulator: bool = False
    environment: str | None = None
    region: str | None = None
    read_deadline_s: float = 5.0
    random: Randomness | None = None
    counter: MakeCounter | None = None
    venue_time: VenueClock | None = None

    @property
    def is_demo(self) -> bool:
        """Whether calls go to OKX's own demo trading."""
        return self.environment == "demo"

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """
        Settings out of the runtime's options.

        Raises:
            ConfigError: An option that does not exist, or a value that does not fit; names it.
        """
        unknown = options.keys() - set(cls.__struct_fields__)
        if unknown:
            raise ConfigError(f"okx has no options {sorted(unknown)}; it has {sorted(cls.__struct_fields__)}")
        settings = cls(**options)  # type: ignore[arg-type]
        if type(settings.must_be_simulator) is not bool:
            raise ConfigError("okx option must_be_simulator must be true or false")
        if settings.environment not in (None, "production", "demo", "simulated"):
            raise ConfigError("okx option environment must be production, demo or simulated")
        environment = settings.environment or ("simulated" if settings.must_be_simulator else "production")
        if (environment == "simulated") is not settings.must_be_simulator:
            raise ConfigError("okx: environment simulated speaks to a simulator, and no other one does")
        if settings.region is not None and settings.region not in REGIONS:
            raise ConfigError(f"okx option region must be one of {', '.join(REGIONS)}")
        value = settings.read_deadline_s
        if type(value) not in (int, float) or not 0 < value < 86_400:
            raise ConfigError("okx option read_deadline_s must be a number of seconds above 0 and below 86400")
        return settings
