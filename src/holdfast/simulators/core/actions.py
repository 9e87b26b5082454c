"""
Everything the fault plan can do to a request, a reply, a handshake or a stream frame.

Each action is one class; its ``do`` in JSON is the tag, its fields are the JSON fields. The reference page
``docs/reference/simulators/faults.md`` is tested against these classes. Nothing here acts: a front does.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from holdfast.simulators.core.mutations import MUTATIONS

__all__ = [
    "ACTIONS",
    "Action",
    "Answer",
    "Burst",
    "Close",
    "CloseIdle",
    "CutBody",
    "DeflateBomb",
    "Delay",
    "Drip",
    "Drop",
    "Duplicate",
    "DuplicateRequest",
    "Empty",
    "EndlessBody",
    "Fragment",
    "GzipBomb",
    "HoldRequest",
    "HtmlError",
    "HugeFrame",
    "HugeHeaders",
    "Inject",
    "InvalidUtf8",
    "LoseReply",
    "LoseRequest",
    "Mislabel",
    "Mutate",
    "Mute",
    "Redirect",
    "Refuse",
    "SendBinary",
    "Swap",
    "TooMany",
    "Truncate",
    "Unmute",
    "Unreachable",
    "WrongLength",
]

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Status = Annotated[int, Meta(ge=200, le=599)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Size = Annotated[int, Meta(ge=1, le=1 << 40)]
Offset = Annotated[int, Meta(ge=0)]
CloseCode = Annotated[int, Meta(ge=1000, le=4999)]
Ending = Literal["silence", "reset", "close"]


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="do"):
    """Base of every action."""


class Delay(Action, frozen=True, kw_only=True, tag="delay"):
    """
    Wait before going on: a fixed time, or uniform between two bounds.

    On ``rest``, ``where`` says whether the request waits before the venue acts, or the reply after it. A delayed
    request is still processed when its client has given up meanwhile.
    """

    low_s: Seconds
    high_s: Seconds | None = None
    where: Literal["request", "reply"] = "request"


class LoseRequest(Action, frozen=True, kw_only=True, tag="lose_request"):
    """The request never reaches the venue; the client sees silence, a reset, or an orderly close."""

    how: Ending = "silence"


class LoseReply(Action, frozen=True, kw_only=True, tag="lose_reply"):
    """The venue acts, and the whole answer is lost; the client sees silence, a reset, or an orderly close."""

    how: Ending = "silence"


class Unreachable(Action, frozen=True, kw_only=True, tag="unreachable"):
    """
    No connection comes about, so provably nothing was sent.

    In memory the client gets exactly the named failure. A socket that accepted cannot take that back: there the
    connection is reset before the venue sees anything.
    """

    how: Literal["refused", "dns", "tls", "connect_timeout"] = "refused"


class HoldRequest(Action, frozen=True, kw_only=True, tag="hold_request"):
    """Reorder: hold the request until another one with the same key was processed, at most so long."""

    for_s: Seconds


class DuplicateRequest(Action, frozen=True, kw_only=True, tag="duplicate_request"):
    """The same bytes reach the venue twice; the client gets the answer named by ``reply``."""

    reply: Literal["first", "second"] = "first"


class Answer(Action, frozen=True, kw_only=True, tag="answer"):
    """
    Answer with this instead: an error envelope, another endpoint's body, a warning, anything.

    ``commits`` decides whether the venue processes the request first (its own answer is then thrown away).
    """

    body: str
    status: Status = 200
    headers: dict[str, str] = {}
    commits: bool = False


class HtmlError(Action, frozen=True, kw_only=True, tag="html_error"):
    """A gateway's HTML page (502, 503, 520 ...; 200 is a captive portal), before or after the venue has acted."""

    status: Status = 502
    commits: bool = False


class TooMany(Action, frozen=True, kw_only=True, tag="too_many"):
    """A gateway's 429, or another status, with any ``Retry-After`` text: seconds, a date, or nonsense."""

    status: Status = 429
    retry_after: str | None = None
    commits: bool = False


class Redirect(Action, frozen=True, kw_only=True, tag="redirect"):
    """A redirect to another place; the venue does not see the request."""

    location: str
    status: Literal[301, 302, 303, 307, 308] = 302


class Empty(Action, frozen=True, kw_only=True, tag="empty"):
    """Nothing in the body, after the venue has acted."""

    status: Literal[200, 204] = 200


class CutBody(Action, frozen=True, kw_only=True, tag="cut_body"):
    """
    Headers and the first bytes of the body, then a reset, an orderly close, or silence.

    ``at`` counts body bytes; null takes a seeded random place. The declared length is the whole one, or the body is
    ``chunked`` without its last chunk.
    """

    at: Offset | None = None
    how: Ending = "reset"
    chunked: bool = False


class Truncate(Action, frozen=True, kw_only=True, tag="truncate"):
    """Only the first bytes of the body or frame, with a matching length: transport fine, text torn."""

    at: Offset | None = None


class WrongLength(Action, frozen=True, kw_only=True, tag="wrong_length"):
    """Declare a body longer (``by`` above 0) or shorter (below 0) than what is sent, then close."""

    by: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 1


class Mutate(Action, frozen=True, kw_only=True, tag="mutate"):
    """
    Change one place of the JSON text and leave every other byte as it was.

    ``field`` names the member to change, dotted from the right where one name is not enough (``XXBT.hold_trade``);
    null takes a seeded random amount. Where a mutation is about rows or the whole text, ``field`` names the row's
    holder or is ignored. ``value`` is the JSON text of ``set``, the new name of ``rename``, or the depth of ``nest``.
    """

    how: str
    field: str | None = None
    value: str | None = None

    def __post_init__(self) -> None:
        if self.how not in MUTATIONS:
            raise ValueError(f"how is one of {', '.join(MUTATIONS)}; not {self.how!r}")
        if self.how in ("set", "rename") and self.value is None:
            raise ValueError(f"{self.how} needs a value")
        if self.how == "nest" and self.value is not None and not self.value.isdecimal():
            raise ValueError("nest takes its depth as value: digits")


class Mislabel(Action, frozen=True, kw_only=True, tag="mislabel"):
    """
    Keep the answer and dress it wrongly: content type, character encoding, byte order mark, content encoding.

    ``charset`` really re-encodes the text. ``content_encoding`` is only claimed, unless ``encodes`` compresses the
    body once per ``gzip`` or ``deflate`` named.
    """

    content_type: str | None = None
    charset: Literal["utf-8", "utf-16", "utf-32", "latin-1", "utf-7"] | None = None
    bom: bool = False
    content_encoding: str | None = None
    encodes: bool = False
    headers: dict[str, str] = {}


class GzipBomb(Action, frozen=True, kw_only=True, tag="gzip_bomb"):
    """A small gzip body that unpacks to so many bytes."""

    unpacked_bytes: Size = 1 << 30


class EndlessBody(Action, frozen=True, kw_only=True, tag="endless_body"):
    """A body that goes on: blanks after the real text until so many bytes were sent, or the client leaves."""

    total_bytes: Size = 1 << 40


class HugeHeaders(Action, frozen=True, kw_only=True, tag="huge_headers"):
    """So many more headers, each with a value of so many bytes."""

    count: Count = 1
    value_bytes: Annotated[int, Meta(ge=1, le=16 << 20)] = 1 << 20


class Drip(Action, frozen=True, kw_only=True, tag="drip"):
    """Send the body slowly, in small pieces."""

    bytes_per_s: Annotated[float, Meta(gt=0, le=1e9)] = 1.0


class CloseIdle(Action, frozen=True, kw_only=True, tag="close_idle"):
    """
    Close the connection's idle keep-alive so long after the answer.

    With ``races`` the next request meets the closing: it is reset unread, and its client cannot know.
    """

    after_s: Seconds = 0.0
    races: bool = False


class Drop(Action, frozen=True, kw_only=True, tag="drop"):
    """This stream message does not arrive; on a venue's channel that is a gap in its sequence."""


class Duplicate(Action, frozen=True, kw_only=True, tag="duplicate"):
    """This stream message arrives so many times more."""

    times: Count = 1


class Swap(Action, frozen=True, kw_only=True, tag="swap"):
    """Reorder: this stream message arrives after the next one, or after so long where none comes."""

    for_s: Seconds = 5.0


class Inject(Action, frozen=True, kw_only=True, tag="inject"):
    """One more stream message with this text, before or after this one."""

    text: str
    where: Literal["before", "after"] = "after"


class Burst(Action, frozen=True, kw_only=True, tag="burst"):
    """So many copies of this message, or of the text given, at once."""

    frames: Count
    text: str | None = None


class Mute(Action, frozen=True, kw_only=True, tag="mute"):
    """
    The connection stays open and falls silent, protocol pings included; null is for ever.

    ``direction`` is as the client sees it: ``in`` is what it would receive, ``out`` what it sends.
    """

    for_s: Seconds | None = None
    direction: Literal["in", "out", "both"] = "in"


class Unmute(Action, frozen=True, kw_only=True, tag="unmute"):
    """Let a muted connection speak again; what was said meanwhile is lost."""


class Close(Action, frozen=True, kw_only=True, tag="close"):
    """
    End the stream connection: with a close code, or with none (``code`` 1006: the socket is just gone).

    On a frame, ``delivers`` lets that frame through first. On ``handshake`` the connection opens and closes at once.
    """

    code: CloseCode = 1006
    reason: str = ""
    delivers: bool = False


class Refuse(Action, frozen=True, kw_only=True, tag="refuse"):
    """Refuse the stream handshake with an HTTP status; 0 never answers it."""

    status: Annotated[int, Meta(ge=0, le=599)] = 502
    headers: dict[str, str] = {}


class Fragment(Action, frozen=True, kw_only=True, tag="fragment"):
    """The same text in so many WebSocket fragments; in memory it arrives whole."""

    parts: Annotated[int, Meta(ge=2, le=1000)] = 3


class SendBinary(Action, frozen=True, kw_only=True, tag="send_binary"):
    """The same bytes as a binary message."""


class InvalidUtf8(Action, frozen=True, kw_only=True, tag="invalid_utf8"):
    """A text message whose bytes are not UTF-8."""


class DeflateBomb(Action, frozen=True, kw_only=True, tag="deflate_bomb"):
    """A compressed text message, though compression was never agreed on, that unpacks to so many bytes."""

    unpacked_bytes: Annotated[int, Meta(ge=1, le=1 << 30)] = 1 << 26


class HugeFrame(Action, frozen=True, kw_only=True, tag="huge_frame"):
    """The same text, padded with blanks to so many bytes."""

    total_bytes: Annotated[int, Meta(ge=1, le=256 << 20)] = 16 << 20


_BODY = ("rest",)
_OUT = ("ws_out",)
_BOTH_WAYS = ("ws_in", "ws_out")

ACTIONS: Final[dict[type[Action], tuple[str, ...]]] = {
    Delay: ("rest", "ws_in", "ws_out", "handshake"),
    LoseRequest: _BODY,
    LoseReply: _BODY,
    Unreachable: ("rest", "handshake"),
    HoldRequest: _BODY,
    DuplicateRequest: _BODY,
    Answer: _BODY,
    HtmlError: _BODY,
    TooMany: _BODY,
    Redirect: _BODY,
    Empty: _BODY,
    CutBody: _BODY,
    Truncate: ("rest", "ws_out"),
    WrongLength: _BODY,
    Mutate: ("rest", "ws_out"),
    Mislabel: _BODY,
    GzipBomb: _BODY,
    EndlessBody: _BODY,
    HugeHeaders: _BODY,
    Drip: _BODY,
    CloseIdle: _BODY,
    Drop: _BOTH_WAYS,
    Duplicate: _BOTH_WAYS,
    Swap: _BOTH_WAYS,
    Inject: _OUT,
    Burst: _OUT,
    Mute: ("ws_in", "ws_out", "handshake", "streams"),
    Unmute: ("streams",),
    Close: ("ws_in", "ws_out", "handshake", "streams"),
    Refuse: ("handshake",),
    Fragment: _OUT,
    SendBinary: _OUT,
    InvalidUtf8: _OUT,
    DeflateBomb: _OUT,
    HugeFrame: _OUT,
}
"""Every action, with the kinds of rule it may stand in."""
