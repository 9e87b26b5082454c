"""
What an init system is told over its own socket: ready, reloading, stopping, alive.

The protocol is a datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names; nothing happens where it
names none. Source: sd_notify(3), https://www.freedesktop.org/software/systemd/man/sd_notify.html (checked 2026-11-20)
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notices"]


class Notices:
    """
    Tells the init system that started us; says nothing where there is none. Never suspends, never raises.

    Attributes:
        alive_every_s: How often it wants to hear that we live, seconds; None where it does not.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        found = os.environ if environ is None else environ
        address = found.get("NOTIFY_SOCKET", "")
        # A path, or an abstract name that begins with @.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.alive_every_s = self._interval_s(found)

    @staticmethod
    def _interval_s(environ: Mapping[str, str]) -> float | None:
        with contextlib.suppress(ValueError):
            if environ.get("WATCHDOG_PID") in (None, "", str(os.getpid())):
                bound_us = int(environ.get("WATCHDOG_USEC", ""))
                return bound_us / 3_000_000 if bound_us > 0 else None
        return None

    def ready(self, status: str) -> None:
        """What was asked for is up."""
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Configuration is read again; ``ready`` follows."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """It ends."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """The event loop turns."""
        self._say("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for people."""
        self._say(f"STATUS={text}")

    def _say(self, text: str) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.setblocking(False)
                notify.sendto(text.encode(), self._address)
