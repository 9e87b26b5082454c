"""
Bad answers, one entry each: what reaches the client, and what it may do about it.

Rows are those of the fault catalogue: N network, H HTTP, B bodies, W streams. *Refused* means that no figure and no
time moves and that the error is named; *exact* that the answer may be believed, and then to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

__all__ = ["AMOUNT_MUTATIONS", "BAD_FRAMES", "BAD_READS", "BALANCE_READS", "Injection", "other_bodies"]

BALANCE_READS: Final = ("BalanceEx", "Balance")


class Injection(msgspec.Struct, frozen=True, kw_only=True):
    """
    One bad answer.

    ``rules`` go to the venue's fault plan. ``fronts`` is where it can be made to happen: in memory on virtual time,
    over real sockets, or both. ``seconds`` is about how long a client of good manners takes to give up.
    """

    row: str
    what: str
    rules: tuple[dict[str, Any], ...]
    expects: Literal["refused", "exact"] = "refused"
    fronts: tuple[str, ...] = ("memory", "sockets")


def _rest(action: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "rest", "name": list(BALANCE_READS), "action": action, **more}


def _one(row: str, what: str, action: dict[str, Any], **more: Any) -> Injection:
    return Injection(row=row, what=what, rules=(_rest(action),), **more)


def _body(row: str, what: str, body: Any, *, status: int = 200, **more: Any) -> Injection:
    text = body if isinstance(body, str) else json.dumps(body)
    return _one(row, what, {"do": "answer", "body": text, "status": status}, **more)


AMOUNT_MUTATIONS: Final[dict[str, str]] = {
    "nan": "`NaN`",
    "infinity": "`Infinity`",
    "minus_infinity": "`-Infinity`",
    "big_exponent": "`1e400`",
    "giant_exponent": "`1E+50000000`",
    "empty": 'nothing (`""`)',
    "inner_blank": "a blank inside",
    "outer_blank": "blanks around",
    "newline": "a line break behind",
    "underscore": "`1_000`",
    "comma": "`1,5`",
    "plus_sign": "`+1`",
    "foreign_digits": "Arabic digits",
    "null": "`null`",
    "true": "`true`",
    "nested": "an object",
}
"""B2: what no amount is, by the mutation's name. Tried in every amount of an answer."""


def _network() -> Iterator[Injection]:
    memory, sockets = ("memory",), ("sockets",)
    yield _one("N1", "connection refused", {"do": "unreachable", "how": "refused"}, fronts=memory)
    yield _one("N2", "connecting hangs", {"do": "unreachable", "how": "connect_timeout"}, fronts=memory)
    yield _one("N3", "the name is not found", {"do": "unreachable", "how": "dns"}, fronts=memory)
    yield _one("N14", "the handshake of TLS fails", {"do": "unreachable", "how": "tls"}, fronts=memory)
    yield _one("N5", "headers, some bytes, then silence", {"do": "cut_body", "at": 40, "how": "silence"})
    yield _one("N6", "one byte a second", {"do": "drip", "bytes_per_s": 1.0})
    for how in ("silence", "reset", "close"):
        yield _one("N8", f"the reply is lost: {how}", {"do": "lose_reply", "how": how})
        yield _one("N9", f"the request is lost: {how}", {"do": "lose_request", "how": how})
    yield _one("N12", "answered after 6 s", {"do": "delay", "low_s": 6.0, "where": "reply"})
    yield _one("N15", "a captive portal: 200 and HTML", {"do": "html_error", "status": 200})
    yield _one(
        "N16",
        "an idle connection that the venue closes while the next request leaves",
        {"do": "close_idle", "races": True},
        expects="exact",
        fronts=sockets,
    )


def _http() -> Iterator[Injection]:
    for retry_after in (None, "1", "-5", "1000000000", "soon", "Fri, 20 Nov 2026 10:00:00 GMT"):
        shown = "no `Retry-After`" if retry_after is None else f"`Retry-After: {retry_after}`"
        yield _one("H1", f"429, {shown}", {"do": "too_many", "retry_after": retry_after}, fronts=("memory",))
    for status in (500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526):
        fronts = ("memory", "sockets") if status in (502, 520) else ("memory",)
        yield _one("H2", f"{status} and HTML", {"do": "html_error", "status": status}, fronts=fronts)
    yield _body("H3", "500 with an error envelope", {"error": ["EService:Unavailable"]}, status=500)
    for error in (
        "EService:Unavailable",
        "EService:Busy",
        "EGeneral:Internal error",
        "EGeneral:Internal error:5",
        "EAPI:Rate limit exceeded",
        "EWhatever:Never heard of",
    ):
        yield _body("H4", f"200 with `{error}`", {"error": [error]}, fronts=("memory",))
    yield _body(
        "H4",
        "200 with an error beside a result",
        {"error": ["EService:Busy"], "result": {"ZUSD": {"balance": "0", "hold_trade": "0"}}},
    )
    yield _one(
        "H5",
        "a warning beside the result",
        {"do": "mutate", "how": "set", "field": "error", "value": '["WGeneral:Deprecated"]'},
        expects="exact",
    )
    for moved in (301, 302, 303, 307, 308):
        redirect = {"do": "redirect", "location": "http://203.0.113.9/", "status": moved}
        yield _one("H6", f"{moved} to another host", redirect)
    yield _one("H7", "200 without a body", {"do": "empty", "status": 200})
    yield _one("H7", "204", {"do": "empty", "status": 204})
    yield _one("H7", "a body 7 bytes shorter than declared", {"do": "wrong_length", "by": 7})
    yield _one("H7", "a body 3 bytes longer than declared", {"do": "wrong_length", "by": -3})
    cut = {"do": "cut_body", "at": 60, "chunked": True}
    yield _one("H7", "chunks without the last one, then closed", {**cut, "how": "close"})
    yield _one("H7", "chunks without the last one, then reset", {**cut, "how": "reset"})
    yield _one("H8", "labelled `text/html`", {"do": "mislabel", "content_type": "text/html"}, expects="exact")
    yield _one("H8", "a byte order mark in front", {"do": "mislabel", "bom": True}, expects="exact")
    for charset in ("utf-16", "utf-32", "utf-7"):
        yield _one("H8", f"encoded in {charset}", {"do": "mislabel", "charset": charset}, expects="exact")
    yield _one("H9", "claims gzip and is not", {"do": "mislabel", "content_encoding": "gzip"})
    yield _one("H9", "claims brotli and is not", {"do": "mislabel", "content_encoding": "br"})
    twice = {"do": "mislabel", "content_encoding": "gzip, gzip", "encodes": True}
    yield _one("H9", "packed with gzip twice", twice, expects="exact")
    yield _one("H9", "a gzip bomb: 1 GiB", {"do": "gzip_bomb", "unpacked_bytes": 1 << 30}, fronts=("sockets",))
    yield _one("H9", "a gzip bomb: 64 MiB", {"do": "gzip_bomb", "unpacked_bytes": 64 << 20})
    yield _one("H10", "a body without end", {"do": "endless_body", "total_bytes": 1 << 40}, fronts=("sockets",))
    yield _one("H10", "a body of 64 MiB", {"do": "endless_body", "total_bytes": 64 << 20}, fronts=("memory",))
    yield _one("H10", "a header of 1 MiB", {"do": "huge_headers", "count": 1, "value_bytes": 1 << 20})
    yield _one("H10", "100,000 headers", {"do": "huge_headers", "count": 100_000, "value_bytes": 1})


def other_bodies() -> dict[str, Any]:
    """B14: good JSON that answers another question, by what it is."""
    return {
        "an answer out of the blue": {"result": {}},
        "`Time`": {"error": [], "result": {"unixtime": 1790000000, "rfc1123": "Mon, 21 Sep 26 10:13:20 +0000"}},
        "`SystemStatus`": {"error": [], "result": {"status": "online", "timestamp": "2026-09-21T10:00:00Z"}},
        "`OpenOrders`": {"error": [], "result": {"open": {}}},
        "`TradesHistory`": {"error": [], "result": {"trades": {}, "count": 0}},
        "`GetWebSocketsToken`": {
            "error": [],
            "result": {"token": "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3", "expires": 900},
        },
        "`AddOrder`": {"error": [], "result": {"descr": {"order": "buy"}, "txid": ["OUF4EM-FRGI2-MQMWZD"]}},
        "Coinbase's accounts": {
            "accounts": [{"currency": "USD", "available_balance": {"value": "1", "currency": "USD"}}]
        },
        "OKX's balance": {"code": "0", "data": [{"details": [{"ccy": "USD", "cashBal": "1"}]}], "msg": ""},
        "a stream's heartbeat": {"channel": "heartbeat"},
        "a list": [],
        "`null`": None,
        "a number": 5,
        "a text": "x",
        "a result that is a list": {"error": [], "result": []},
        "a result that is a number": {"error": [], "result": 1},
        "amounts where rows should be": {"error": [], "result": {"ZUSD": 1}},
        "an error that is a text": {"error": "EAPI"},
        "an error that is a number": {"error": [1], "result": {}},
    }


def _bodies() -> Iterator[Injection]:
    for what, body in other_bodies().items():
        fronts = ("memory", "sockets") if "blue" in what or "Time" in what else ("memory",)
        yield _body("B14", what, body, fronts=fronts)
    yield _one("B6", "a key twice", {"do": "mutate", "how": "duplicate_key", "field": "ZUSD"})
    yield _one("B6", "a row twice", {"do": "mutate", "how": "duplicate_row", "field": "ZUSD"})
    yield _one("B6", "`result` twice", {"do": "mutate", "how": "duplicate_key", "field": "result"})
    yield _one("B6", "`error` twice", {"do": "mutate", "how": "duplicate_key", "field": "error"})
    rename = {"do": "mutate", "how": "rename"}
    yield _one("B7", "a code nobody lists", {**rename, "field": "SOL", "value": "NEWCOIN"})
    yield _one("B7", "two codes of one asset", {**rename, "field": "SOL", "value": "XBT"})
    yield _one("B9", "`result` is called `results`", {**rename, "field": "result", "value": "results"})
    yield _one("B9", "a row without `balance`", {"do": "mutate", "how": "remove", "field": "ZUSD.balance"})
    yield _one("B9", "a row without `hold_trade`", {"do": "mutate", "how": "remove", "field": "ZUSD.hold_trade"})
    yield _one(
        "B8",
        "an amount with an exponent",
        {"do": "mutate", "how": "exponent", "field": "ZUSD.balance"},
        expects="exact",
    )
    as_number = {"do": "mutate", "how": "retype", "field": "ZUSD.balance"}
    yield _one("B8", "an amount that is a number and no text", as_number, expects="exact")
    names = {
        "markup for a name": "<img src=x onerror=alert(1)>",
        "a line break in a name": "A\\\\nB",
        "NUL in a name": "A\\\\u0000B",
        "right-to-left marks in a name": "\u202eDSU",
        "a name of 100,000 letters": "A" * 100_000,
        "a name without letters": "",
    }
    for what, name in names.items():
        row = "B11" if "markup" in what else "B12"
        yield _one(row, what, {**rename, "field": "SOL", "value": name.replace("\\\\", "\\")})
    for depth in ("1000", "100000"):
        nest = {"do": "mutate", "how": "nest", "field": "ZUSD", "value": depth}
        yield _one("B13", f"nested {int(depth):,} deep", nest)
    page = "<script>alert(1)</script>" * 1000
    yield _body("B11", "markup in an error", {"error": [f"EGeneral:{page}"]})
    yield _body("B12", "a log line in an error", {"error": ["EGeneral:a\nlevel=error event=broker.halted"]})


BAD_READS: Final = (*_network(), *_http(), *_bodies())
"""Everything that can be wrong with one answer to a balance read, but for what is tried in every place of it."""


def _frame(row: str, what: str, action: dict[str, Any], *, kind: str = "update") -> Injection:
    rule = {"kind": "ws_out", "channel": "balances", "type": kind, "action": action, "count": 1}
    return Injection(row=row, what=what, rules=(rule,), fronts=("memory",))


def _frames() -> Iterator[Injection]:
    for how, shown in AMOUNT_MUTATIONS.items():
        for field in ("amount", "fee", "balance"):
            yield _frame("B2", f"a pushed `{field}` is {shown}", {"do": "mutate", "how": how, "field": field})
    for field in ("balance", "asset", "data", "sequence"):
        yield _frame("B6", f"a pushed `{field}` twice", {"do": "mutate", "how": "duplicate_key", "field": field})
        yield _frame("B9", f"a pushed row without `{field}`", {"do": "mutate", "how": "remove", "field": field})
    yield _frame(
        "B7", "a pushed asset nobody lists", {"do": "mutate", "how": "set", "field": "asset", "value": '"NEW"'}
    )
    yield _frame("B13", "a push nested 100,000 deep", {"do": "mutate", "how": "nest", "field": "data"})
    yield _frame("W5", "a push is lost", {"do": "drop"})
    yield _frame("W5", "a push comes twice", {"do": "duplicate"})
    yield _frame("W11", "a binary message", {"do": "send_binary"})
    yield _frame("W11", "a message that is not UTF-8", {"do": "invalid_utf8"})
    yield _frame("W11", "a message of 16 MiB", {"do": "huge_frame", "total_bytes": 16 << 20})
    yield _frame("W11", "a compressed message nobody agreed on", {"do": "deflate_bomb"})
    texts = {
        "an answer out of the blue": '{"result":{}}',
        "HTML": "<html><body>502 Bad Gateway</body></html>",
        "no JSON": "{",
        "nothing": "",
        "balances of nobody": '{"channel":"balances","type":"update","data":[]}',
        "a snapshot without rows or number": '{"channel":"balances","type":"snapshot"}',
        "Coinbase's user channel": '{"channel":"user","sequence_num":0,"events":[]}',
    }
    for what, text in texts.items():
        inject = {"do": "inject", "text": text, "where": "before"}
        yield _frame("B14", f"before a push: {what}", inject)


BAD_FRAMES: Final = tuple(_frames())
"""Everything that can be wrong with one pushed message."""
