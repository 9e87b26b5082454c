"""
What the runtime may set for Kraken.

Source of the tiers: https://docs.kraken.com/exchange/guides/rest/ratelimits (checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from holdfast.core.limits import MakeCounter
from holdfast.core.seams import Randomness
from holdfast.errors import ConfigError
from holdfast.venues.kraken import limits

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the runtime may set for this venue.

    ``must_be_simulator``: every answer has to carry the simulator's header (True) or must not (False).
    ``auto_earn_spendable``: whether earning rows (``.F``) count as available.
    ``rate_tier``: the key's verification tier, ``starter``, ``intermediate`` or ``pro``.
    ``read_deadline_s``: seconds for one read with all its attempts, once it has the lane.
    ``lockout_s``: seconds of silence after ``EGeneral:Temporary lockout``.
    ``random``: where jitter comes from.
    ``counter``: makes the counter of the credential's calls; a ``DecayingCounter`` of this process where None.
    """

    must_be_simulator: bool = False
    auto_earn_spendable: bool = True
    rate_tier: str = limits.DEFAULT_TIER
    read_deadline_s: float = 5.0
    lockout_s: float = limits.LOCKOUT_S
    random: Randomness | None = None
    counter: MakeCounter | None = None

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """
        Settings out of the runtime's options.

        Raises:
            ConfigError: An option that does not exist, or a value that does not fit; names it.
        """
        unknown = options.keys() - set(cls.__struct_fields__)
        if unknown:
            raise ConfigError(f"kraken has no options {sorted(unknown)}; it has {sorted(cls.__struct_fields__)}")
        settings = cls(**options)  # type: ignore[arg-type]
        for name in ("must_be_simulator", "auto_earn_spendable"):
            if type(getattr(settings, name)) is not bool:
                raise ConfigError(f"kraken option {name} must be true or false")
        if settings.rate_tier not in limits.TIERS:
            raise ConfigError(f"kraken option rate_tier must be one of {sorted(limits.TIERS)}")
        for name in ("read_deadline_s", "lockout_s"):
            value = getattr(settings, name)
            if type(value) not in (int, float) or not 0 < value < 86_400:
                raise ConfigError(f"kraken option {name} must be a number of seconds above 0 and below 86400")
        return settings
