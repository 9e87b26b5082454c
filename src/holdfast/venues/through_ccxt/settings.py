"""
What the runtime may set for an exchange behind ccxt.

Ids of exchanges: https://docs.ccxt.com/#/README?id=exchanges (checked 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from holdfast.core.seams import Randomness
from holdfast.errors import ConfigError

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the runtime may set.

    ``exchange``: ccxt's id of it, such as ``binance``.
    ``must_be_simulator``: the exchange's address is a simulator's; its key has to be, too.
    ``read_deadline_s``: seconds for one read, once it has the lane.
    ``random``: where jitter comes from.
    ``silence``: awaited before every unsigned call; raises while the venue asks for silence on the key.
    """

    exchange: str = ""
    must_be_simulator: bool = False
    read_deadline_s: float = 5.0
    random: Randomness | None = None
    silence: Callable[[], Awaitable[None]] | None = None

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """
        Settings out of the runtime's options.

        Raises:
            ConfigError: An option that does not exist, or no exchange; names it.
        """
        unknown = options.keys() - set(cls.__struct_fields__)
        if unknown:
            raise ConfigError(f"through_ccxt has no options {sorted(unknown)}; it has {sorted(cls.__struct_fields__)}")
        settings = cls(**options)  # type: ignore[arg-type]
        if not settings.exchange:
            raise ConfigError('through_ccxt: which exchange? set exchange = "binance", or another of ccxt\'s ids')
        return settings
