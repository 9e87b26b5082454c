"""
Where alerts go: apprise URLs, which are secrets, because whoever has one may write in its owner's name.

They come in as a credential does: from the file that ``[alerts] url_file`` names, from the file that
``HOLDFAST_ALERT_URLS_FILE`` names, or from ``HOLDFAST_ALERT_URLS`` itself, one a line. What is ever shown of one is its
number and its service (``tgram`` of ``tgram://…``).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

import msgspec

from holdfast.config import Config
from holdfast.core.credentials import Secret
from holdfast.errors import ConfigError
from holdfast.runtime.secrets import (
    configured_file,
    known_variables,
    named_file,
    read_secret_file,
    read_secret_variable,
)

__all__ = ["MISSING_EXTRA", "AlertAddress", "check_extra", "read_addresses"]

_VARIABLE: Final = "HOLDFAST_ALERT_URLS"
_MAX: Final = 16
_SERVICE: Final = re.compile(r"\s*([a-z][a-z0-9+.-]{0,31})://\S")

MISSING_EXTRA: Final = (
    "alerts are sent through apprise, which is not installed: `pip install 'holdfast[alerts]'` (in a checkout `pip "
    "install --require-hashes -r requirements/alerts.txt`), or say enabled = false under [alerts]"
)
"""What to do where apprise is missing."""


class AlertAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One place that alerts go to: its number from 1, its service, and its URL, which is never shown."""

    number: int
    service: str
    url: Secret

    @property
    def shown(self) -> str:
        """As it may be shown: ``2 (tgram)``."""
        return f"{self.number} ({self.service})"


def check_extra() -> None:
    """
    Make sure that apprise is there; it is not imported yet.

    Raises:
        ConfigError: It is not; names the fix.
    """
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError(MISSING_EXTRA)


def read_addresses(config: Config, *, environ: MutableMapping[str, str] | None = None) -> list[AlertAddress]:
    """
    Every address that alerts go to, in order; none where none is named, or alerts are not enabled.

    Reads a small file; does not suspend. A variable that held them leaves *environ* with that.

    Raises:
        ConfigError: The file is missing or not private, variable and file are both set, a line is no apprise URL, or
            there are more than 16. Names file or variable and line, never the value.
    """
    if not config.alerts.enabled:
        return []
    path = _file_of(config, environ)
    if path is not None:
        where = f"alert URLs: {path}"
        text = read_secret_file(path, where="alert URLs: the file")
    elif _VARIABLE in known_variables(environ):
        where = f"alert URLs: {_VARIABLE}"
        text = read_secret_variable(_VARIABLE, environ)
    else:
        return []
    found, problem = _addresses_in(text)
    if problem is not None:
        raise ConfigError(f"{where}: {problem}")
    return found


def _file_of(config: Config, environ: Mapping[str, str] | None) -> Path | None:
    if config.alerts.url_file is not None:
        return configured_file(config.alerts.url_file, config_path=config.path, where="alerts.url_file")
    named = named_file(f"{_VARIABLE}_FILE", environ)
    if named is not None and _VARIABLE in known_variables(environ):
        raise ConfigError(f"alert URLs: {_VARIABLE} and {_VARIABLE}_FILE are both set: unset one of them")
    return named


def _addresses_in(text: Secret) -> tuple[list[AlertAddress], str | None]:
    """The addresses, and what is wrong with them; never raises, so that no traceback has one."""
    found: list[AlertAddress] = []
    for number, line in enumerate(text.reveal().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _SERVICE.match(line)
        if match is None:
            return [], f"line {number} is no apprise URL, such as json://host/path (what is there is not shown)"
        found.append(AlertAddress(number=len(found) + 1, service=match[1], url=Secret(line.strip())))
    if not found:
        return [], "no URL is in it; remove it, or say enabled = false under [alerts]"
    if len(found) > _MAX:
        return [], f"{len(found)} URLs, and at most {_MAX} are served"
    return found, None
