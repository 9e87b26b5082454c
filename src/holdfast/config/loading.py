"""
Find the configuration, read it whole, and refuse it with every problem at once.

A value that is not understood is never ignored: an unknown key names the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.config.contradictions import contradictions, routing_problems, shown, venue_problems
from holdfast.config.exact import read_exact
from holdfast.config.health import HealthSettings
from holdfast.config.orders import OrderSettings
from holdfast.config.settings import (
    BrokerConfig,
    Config,
    ReadingSettings,
    choices_in,
    description_of,
    exact_kind_of,
    struct_in,
)
from holdfast.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "find_config", "load_config"]

CONFIG_VARIABLE: Final = "HOLDFAST_CONFIG"
"""Environment variable that names the configuration file."""

_FILE_NAME: Final = "holdfast.toml"
_MAX_BYTES: Final = 1 << 20
# What a broker may have for itself alone; what it leaves unset comes from the table of the same name at the top.
_SHARED: Final[dict[str, type[msgspec.Struct]]] = {
    "reading": ReadingSettings,
    "orders": OrderSettings,
    "health": HealthSettings,
}

# What is found where one of these belongs may be the secret that it should only name: it is never shown.
_A_FILE: Final = "expected the name of a file that holds it, mode 0600"
_NEVER_SHOWN: Final = {
    "credentials": "expected a table that names files: { key_file = ..., secret_file = ... }",
    "key_file": _A_FILE,
    "secret_file": _A_FILE,
    "passphrase_file": _A_FILE,
    "url_file": _A_FILE,
    "tls_key_file": _A_FILE,
    "state_dir": "expected a folder of this host",
}

_BROKER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}\Z")


def find_config(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Path:
    """
    The configuration file to use: *path*, else ``HOLDFAST_CONFIG``, else ``./holdfast.toml``, else the user's own.

    Raises:
        ConfigError: The file named is not there, or none was found; the message lists where it was looked for.
    """
    environ = os.environ if environ is None else environ
    if path is not None:
        return _existing(Path(path), "named on the command line or in the call")
    named = environ.get(CONFIG_VARIABLE)
    if named:
        return _existing(Path(named), f"named by {CONFIG_VARIABLE}")
    import platformdirs  # Only needed here.

    places = [Path(_FILE_NAME), platformdirs.user_config_path("holdfast", appauthor=False) / _FILE_NAME]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise ConfigError(
        f"no configuration: --config and {CONFIG_VARIABLE} are unset, and there is no {looked}; "
        "'holdfast config init' writes one"
    )


def _existing(path: Path, how: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file ({how})")
    return path


def load_config(
    source: str | os.PathLike[str] | Mapping[str, Any] | Config | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """
    Read and check a configuration.

    Args:
        source: A path, the same tables as a mapping, a ``Config`` (returned as it is), or ``None`` to find the file.
        environ: Instead of the process's own environment.

    Raises:
        ConfigError: Anything is unknown, missing, out of bounds or contradictory; every problem is listed.
    """
    if isinstance(source, Config):
        return source
    if isinstance(source, Mapping):
        return _checked(source, origin="configuration", path=None)
    path = find_config(source, environ=environ)
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; this is not a configuration")
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return _checked(raw, origin=str(path), path=str(path.absolute()))


def _checked(raw: Mapping[str, Any], *, origin: str, path: str | None) -> Config:
    problems: list[str] = []
    tables = {key: raw[key] for key in raw if key != "brokers"}
    top = _fields_of(Config, tables, "", problems, leave_out=("brokers", "path"), also_known=("brokers",))
    brokers = _brokers_of(raw.get("brokers"), tables, problems)
    problems += routing_problems(top.get("routing"), brokers)
    told = list(problems)
    problems += [each for each in contradictions(Config(brokers=brokers, path=path)) if not _is_told(each, told)]
    if not problems:
        return Config(brokers=brokers, path=path, **top)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise ConfigError("\n".join([f"{origin}: {count}", *(f"  {problem}" for problem in problems)]))


def _is_told(problem: str, told: list[str]) -> bool:
    """Whether a contradiction is only what a faulty value, told already, left behind: its key has its default here."""
    subject, _, sentence = problem.partition(": ")
    for each in told:
        place, _, key = each.partition(": ")[0].rpartition(".")
        broker = next((subject.removesuffix(f".{name}") for name in _SHARED if subject.endswith(f".{name}")), subject)
        is_same = place in _SHARED or f"{place}.".startswith(f"{broker}.")
        if is_same and re.search(rf"\b{re.escape(key)}\b", sentence):
            return True
    return False


def _brokers_of(raw: Any, shared: Mapping[str, Any], problems: list[str]) -> dict[str, BrokerConfig]:
    if not isinstance(raw, Mapping) or not raw:
        problems.append("brokers: at least one [brokers.NAME] table is needed; 'holdfast config init' shows one")
        return {}
    brokers = {}
    for name, table in raw.items():
        where = f"brokers.{name}."
        if not _BROKER_NAME.match(name):
            problems.append(f"brokers.{name}: a name is lower-case letters, digits, '-' and '_', at most 48")
        elif not isinstance(table, Mapping):
            problems.append(f"brokers.{name}: expected a table, found {shown(table)}")
        else:
            values = _fields_of(
                BrokerConfig, table, where, problems, leave_out=("name", *_SHARED), also_known=tuple(_SHARED)
            )
            merged: dict[str, Any] = {
                key: _merged(kind, key, shared=shared.get(key), own=table.get(key), where=where, problems=problems)
                for key, kind in _SHARED.items()
            }
            if "venue" in values and "environment" in values:
                brokers[name] = BrokerConfig(name=name, **merged, **values)
            elif "venue" in values:
                problems += [f"brokers.{name}: {problem}" for problem in venue_problems(values["venue"])]
    return brokers


def _merged(
    kind: type[msgspec.Struct], key: str, *, shared: Any, own: Any, where: str, problems: list[str]
) -> msgspec.Struct:
    """A broker's own table over the shared one; a fault in the shared one was told at the top, once for all brokers."""
    if isinstance(own, Mapping):
        _fields_of(kind, own, f"{where}{key}.", problems)
    elif own is not None:
        problems.append(f"{where}{key}: expected a table, found {shown(own)}")
    tables = [each for each in (shared, own) if isinstance(each, Mapping)]
    return kind(**_fields_of(kind, {name: each[name] for each in tables for name in each}, "", []))


def _fields_of(
    kind: type[msgspec.Struct],
    raw: Mapping[str, Any],
    where: str,
    problems: list[str],
    *,
    leave_out: tuple[str, ...] = (),
    also_known: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The checked values of one table, each field by itself so that every problem is found in one go."""
    fields = {field.name: field for field in msgspec.structs.fields(kind) if field.name not in leave_out}
    for key in raw:
        if key not in fields and key not in also_known:
            near = difflib.get_close_matches(str(key), [*fields, *also_known], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join([*also_known, *fields])}"
            problems.append(f"{where}{key}: unknown key; {hint}")
    values = {}
    for name, field in fields.items():
        if name not in raw:
            if field.required:
                problems.append(f"{where}{name}: missing; {description_of(field)}")
            continue
        inner = struct_in(field.type)
        if inner is not None and isinstance(raw[name], Mapping):
            before = len(problems)
            inner_values = _fields_of(inner, raw[name], f"{where}{name}.", problems)
            if len(problems) == before:
                values[name] = inner(**inner_values)
            continue
        exact = exact_kind_of(field)
        if exact is not None:
            value, wrong = read_exact(exact, raw[name])
            problems += [f"{where}{name}{below}: {sentence}" for below, sentence in wrong]
            if not wrong:
                values[name] = value
            continue
        if name in _NEVER_SHOWN and _is_misplaced(name, raw[name]):
            problems.append(f"{where}{name}: {_NEVER_SHOWN[name]}; what is there now is not shown")
            continue
        try:
            values[name] = msgspec.convert(raw[name], field.type)
        except msgspec.ValidationError as error:
            choices = choices_in(field.type)
            if choices and isinstance(raw[name], str):
                near = difflib.get_close_matches(raw[name].lower(), choices, n=1, cutoff=0.55)
                hint = f"; did you mean {near[0]}?" if near else ""
                problems.append(f"{where}{name}: {shown(raw[name])} is none of {', '.join(choices)}{hint}")
                continue
            told = str(error).replace("Expected", "expected").replace(" | null`", "`")
            problems.append(f"{where}{name}: {told}, found {shown(raw[name])}")
    return values


def _is_misplaced(name: str, value: Any) -> bool:
    """Whether *value* can be no file's name, or no table of files' names."""
    if name == "credentials":
        return not isinstance(value, Mapping)
    return not isinstance(value, str) or "\n" in value or "://" in value
