"""``holdfast config``: check, show or start a configuration."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from holdfast.cli.common import Common, print_json, say
from holdfast.cli.exits import Exit
from holdfast.cli.session import load
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config import Config

__all__ = ["check", "init", "show"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


def check(*, common: Common = Common()) -> int:  # noqa: B008
    """
    Read the configuration, every credential and every alert address it names, and say everything that is wrong.

    Nothing is sent. Exits with 0 when all is well, 3 when not. What could not be checked is said, too.
    """
    config = load(common.config)
    problems = _credential_problems(config)
    unchecked = _check_exchanges(config, problems)
    if common.is_json:
        print_json(
            {"schema_version": 1, "path": config.path, "brokers": list(config.brokers), "problems": list(problems)}
            | ({"unchecked": unchecked} if unchecked else {})
        )
    else:
        sys.stdout.write(f"{config.path}: {len(config.brokers)} broker(s): {', '.join(config.brokers)}\n")
    for problem in [*problems, *unchecked]:
        say(f"holdfast: {problem}")
    return Exit.CONFIG if problems else Exit.OK


def _credential_problems(config: Config) -> list[str]:
    from holdfast.runtime.alert_addresses import check_extra, read_addresses
    from holdfast.runtime.credentials import read_credential
    from holdfast.runtime.parts import venue_called

    problems = []
    try:
        if read_addresses(config):
            check_extra()
    except ConfigError as error:
        problems.append(str(error))
    for broker in config.brokers.values():
        try:
            read_credential(broker, venue_called(broker.venue), config=config)
        except ConfigError as error:
            problems.append(str(error))
    return problems


def _check_exchanges(config: Config, problems: list[str]) -> list[str]:
    """Exchanges behind ccxt: what ccxt does not know goes to *problems*, what nobody could look up is returned."""
    from holdfast.runtime.exchange_names import is_exchange_known

    unchecked = []
    for broker in config.brokers.values():
        try:
            if not is_exchange_known(broker):
                unchecked.append(
                    f"brokers.{broker.name}: exchange {broker.exchange!a} was not checked: ccxt is not installed "
                    "(pip install 'holdfast[ccxt]')"
                )
        except ConfigError as error:
            problems.append(str(error))
    return unchecked


def show(*, common: Common = Common()) -> int:  # noqa: B008
    """Show the configuration in force, defaults filled in. It holds no secret."""
    config = load(common.config)
    document: dict[str, Any] = msgspec.to_builtins(config)
    if common.is_json:
        print_json({"schema_version": 1, **document})
    else:
        sys.stdout.write(f"# {document.pop('path')}\n{toml_text(document)}")
    return Exit.OK


def init(
    path: Annotated[Path, Parameter(help="Where to write it.")] = Path("holdfast.toml"),
    /,
    *,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write a first configuration, with every setting explained. An existing file is never touched."""
    from holdfast.config import config_template

    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise ConfigError(f"{path} exists already; it was left as it is") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(config_template())
    if common.is_json:
        print_json({"schema_version": 1, "path": str(path.absolute())})
    else:
        sys.stdout.write(f"{path}\n")
        say(f"next: edit {path}, set its two credential variables, then run `holdfast config check`")
    return Exit.OK


def toml_text(tables: dict[str, Any], prefix: str = "") -> str:
    """Nested tables as TOML; unset values are left out, as TOML has no word for them."""
    lines: list[str] = []
    inner: list[str] = []
    for key, value in tables.items():
        name = key if _BARE_KEY.match(key) else _text(key)
        if isinstance(value, dict) and value:
            inner.append(toml_text(value, f"{prefix}{name}."))
        elif value is not None and key != "name":
            lines.append(f"{name} = {_toml_value(value)}")
    head = f"\n[{prefix[:-1]}]\n" if prefix and lines else ""
    return head + "".join(f"{line}\n" for line in lines) + "".join(inner)


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{}"  # Said, because a table that is left out has its default.
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()
