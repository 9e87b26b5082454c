"""
What the runtime may set for Coinbase.

Source of the token's clock: https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication
(checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from holdfast.core.limits import MakeCounter
from holdfast.core.seams import Randomness
from holdfast.core.venue import VenueClock
from holdfast.errors import ConfigError

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the runtime may set for this venue.

    ``must_be_simulator``: every answer has to carry the simulator's header (True) or must not (False).
    ``read_deadline_s``: seconds for one read with all its attempts, once it has the lane; each page has its own.
    ``random``: where jitter comes from.
    ``counter``: makes the counters of the credential's calls; ``DecayingCounter`` of this process where None.
    ``venue_time``: the venue's clock that tokens are signed by, shared with the runtime; one of its own where None.
    """

    must_be_simulator: bool = False
    read_deadline_s: float = 5.0
    random: Randomness | None = None
    counter: MakeCounter | None = None
    venue_time: VenueClock | None = None

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """
        Settings out of the runtime's options.

        Raises:
            ConfigError: An option that does not exist, or a value that does not fit; names it.
        """
        unknown = options.keys() - set(cls.__struct_fields__)
        if unknown:
            raise ConfigError(f"coinbase has no options {sorted(unknown)}; it has {sorted(cls.__struct_fields__)}")
        settings = cls(**options)  # type: ignore[arg-type]
        if type(settings.must_be_simulator) is not bool:
            raise ConfigError("coinbase option must_be_simulator must be true or false")
        value = settings.read_deadline_s
        if type(value) not in (int, float) or not 0 < value < 86_400:
            raise ConfigError("coinbase option read_deadline_s must be a number of seconds above 0 and below 86400")
        return settings
