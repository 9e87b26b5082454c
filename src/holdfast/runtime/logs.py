"""
Events as log lines: for a person on a terminal, one JSON object a line everywhere else; always on stderr.

A logger of our own, not structlog's global one: a bot that uses structlog too keeps its settings.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

from holdfast.config import LogSettings
from holdfast.core.events import Event
from holdfast.core.seams import Emit

__all__ = ["log_events"]


def log_events(settings: LogSettings, *, stream: TextIO | None = None) -> Emit:
    """
    An ``Emit`` that writes each event as one line.

    Args:
        settings: Level and form; ``auto`` is human where *stream* is a terminal.
        stream: Where to; stderr when None.

    Text that came from a venue cannot start a new line, colour the terminal or turn the reading direction.
    """
    import structlog  # 25 ms that a bot without our logs does not pay.

    target = sys.stderr if stream is None else stream
    is_terminal = target.isatty()
    is_human = settings.format == "human" or (settings.format == "auto" and is_terminal)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=24)
        if is_human
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    least = logging.getLevelNamesMapping()[settings.level.upper()]
    logger = structlog.wrap_logger(
        structlog.PrintLogger(target),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        context_class=dict,
    )
    write = {name: getattr(logger, name) for name in ("debug", "info", "warning", "error")}

    def emit(happened: Event) -> None:
        write[happened.level](happened.name, **happened.fields)

    return emit


def _one_line(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in fields.items():
        if isinstance(value, str) and not value.isprintable():
            fields[name] = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in value)
    return fields
