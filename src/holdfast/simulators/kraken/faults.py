"""The faults that only the venue itself can act out."""

from __future__ import annotations

__all__ = ["Impairments"]


class Impairments:
    """Which faults are being acted out now."""

    def __init__(self) -> None:
        self.is_stream_mute = False
