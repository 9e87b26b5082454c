"""
What owner and attached process say to each other: one JSON object per line, each of one kind.

An attached process says ``hello`` and then asks; the owner says ``hello`` and then pushes. Nothing in here does I/O.
Times are our clock, ``Clock.now_s``, which is the same for every process of a host.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.instruments import AssetInfo
from holdfast.core.verdicts import Verdict
from holdfast.runtime.views import BalancesChanged, BrokerStatus, Order, ReservationView

__all__ = [
    "FRAME_MAX",
    "REQUEST_MAX",
    "VERSION",
    "Accepted",
    "Ask",
    "Bye",
    "ClientHello",
    "Failed",
    "Failure",
    "Follow",
    "FrameError",
    "Frames",
    "FromClient",
    "FromOwner",
    "Happened",
    "Listed",
    "OwnerHello",
    "Pushed",
    "Result",
    "Stop",
    "decode_from_client",
    "decode_from_owner",
    "encode",
    "encode_value",
]

VERSION: Final = 1
"""Both ends have to be of one version: one package serves both, and a guess at money is worse than a refusal."""

REQUEST_MAX: Final = 256 * 1024
"""Most bytes of one line to the owner."""

FRAME_MAX: Final = 4 * 1024 * 1024
"""Most bytes of one line from the owner."""


class FrameError(Exception):
    """What arrived is no message; ``reason`` is a fixed word: ``too_large``, ``malformed``, ``too_deep``."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


# From an attached process


class ClientHello(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="hello"):
    """The first line: who attaches, and whether it wants the owner's events too."""

    version: int
    pid: int
    wants_events: bool = False
    command: str | None = None  # What was typed, or the program's name: for the record, and never a secret.


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="ask"):
    """A call. Read by the owner after ``valid_until_s`` it is discarded; ``id`` is the caller's, rising."""

    id: int
    method: str
    valid_until_s: float
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="stop"):
    """Nobody waits for this call any more: what of it is not durable need not happen."""

    id: int


class Follow(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="follow"):
    """Send the owner's events from now on, or do not."""

    wants_events: bool


FromClient = ClientHello | Ask | Stop | Follow


# From the owner


class OwnerHello(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="hello"):
    """The owner's first line: who it is, and whose figures follow."""

    version: int
    pid: int
    host: str
    broker: str
    venue: str
    environment: str
    now_s: float
    max_age_s: float | None = None  # A fresh figure is stale beyond this age, whether the owner says so or not.


class Listed(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="listed"):
    """Every asset the venue lists, by code; said once it is known, and again when it changed."""

    assets: dict[AssetCode, AssetInfo]


class Pushed(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="pushed"):
    """
    What the owner knows as of ``sent_s``; said when something changed and at least once a second.

    ``is_whole`` on the first one: what is not in ``balances`` has no figure. Later ones name what differs: figures in
    ``balances``, mere age in ``as_of_s``, and what has no figure any more in ``gone``. ``other`` is the answer for an
    asset that the account was never seen to hold. ``None`` lists are as they were.
    """

    sent_s: float
    status: BrokerStatus
    error_count: int
    has_figures: bool
    is_whole: bool = False
    balances: dict[AssetCode, Balance] = {}
    as_of_s: dict[AssetCode, float | None] = {}
    gone: tuple[AssetCode, ...] = ()
    other: Balance | None = None
    open_orders: list[Order] | None = None
    reservations: list[ReservationView] | None = None
    budgets: dict[str, dict[AssetCode, Decimal | None]] | None = None
    changes: tuple[BalancesChanged, ...] = ()


class Happened(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="event"):
    """An event of the owner."""

    name: str
    level: str
    fields: dict[str, Any]


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="accepted"):
    """The call begins: said before anything of it is done."""

    id: int


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="result"):
    """What the call returned."""

    id: int
    value: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error by the name of its class, with the facts it carries; never a secret."""

    kind: str
    message: str
    verdict: Verdict | None = None
    facts: dict[str, Any] = {}


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="failed"):
    """What the call raised, or why it was not begun."""

    id: int
    failure: Failure


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="bye"):
    """The last line before the owner drops the connection, and why, as a fixed word and a sentence."""

    reason: str
    detail: str = ""


FromOwner = OwnerHello | Listed | Pushed | Happened | Accepted | Result | Failed | Bye

_encoder: Final = msgspec.json.Encoder(decimal_format="string")


# Made when the first line comes: most processes never speak to another, and these know every view there is.
@functools.cache
def _from_client() -> msgspec.json.Decoder[FromClient]:
    return msgspec.json.Decoder(FromClient)


@functools.cache
def _from_owner() -> msgspec.json.Decoder[FromOwner]:
    return msgspec.json.Decoder(FromOwner)


def encode(message: FromClient | FromOwner) -> bytes:
    """One line, its end included. JSON text holds no newline of its own."""
    return _encoder.encode(message) + b"\n"


def encode_value(value: Any) -> msgspec.Raw:
    """A call's arguments or result, for the field that holds it; money as exact text."""
    return msgspec.Raw(_encoder.encode(value))


def decode_from_client(line: bytes) -> FromClient:
    """
    One line of an attached process.

    Raises:
        FrameError: It is no message.
    """
    try:
        return _from_client().decode(line)
    except RecursionError:
        raise FrameError("the message is nested too deeply", reason="too_deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"not a message: {error}"[:300], reason="malformed") from None


def decode_from_owner(line: bytes) -> FromOwner:
    """
    One line of an owner.

    Raises:
        FrameError: It is no message of this version.
    """
    try:
        return _from_owner().decode(line)
    except RecursionError:
        raise FrameError("the message is nested too deeply", reason="too_deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"not a message: {error}"[:300], reason="malformed") from None


class Frames:
    """Cuts what arrives into lines of at most *limit* bytes."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """
        The lines that *data* completes, in order, without their ends.

        Raises:
            FrameError: A line is longer than the limit; nothing after it can be trusted.
        """
        *ended, rest = data.split(b"\n")
        lines = []
        for piece in ended:
            if self._size + len(piece) > self._limit:
                raise self._too_large()
            self._pieces.append(piece)
            lines.append(b"".join(self._pieces))
            self._pieces, self._size = [], 0
        if rest:
            self._size += len(rest)
            if self._size > self._limit:
                raise self._too_large()
            self._pieces.append(rest)
        return lines

    def _too_large(self) -> FrameError:
        self._pieces = []
        return FrameError(f"a line is longer than {self._limit} bytes", reason="too_large")
