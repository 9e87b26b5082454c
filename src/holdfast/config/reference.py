"""The settings as a list for the reference, and as a file to start from."""

from __future__ import annotations

import typing
from types import NoneType
from typing import Any, Final

import msgspec

from holdfast.config.settings import BrokerConfig, Config, description_of, exact_kind_of, struct_in

__all__ = ["SETTINGS", "Setting", "config_template"]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing a user may set, for the reference.

    ``key`` is dotted; ``default`` is TOML, ``unset`` where something else decides, or ``None`` where it is required;
    ``example`` is a TOML value that would do.
    """

    key: str
    type: str
    default: str | None
    example: str
    meaning: str


def _type_text(kind: Any) -> str:
    inner = getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
    parts = typing.get_args(inner)
    if NoneType in parts:
        (inner,) = (part for part in parts if part is not NoneType)
        inner = getattr(inner, "__origin__", inner) if hasattr(inner, "__metadata__") else inner
    if typing.get_origin(inner) is tuple:
        return f"list of {_type_text(typing.get_args(inner)[0])}"
    if typing.get_origin(inner) is tuple:
        return f"list of {_type_text(typing.get_args(inner)[0])}"
    text = inner.__name__ if isinstance(inner, type) else str(inner)
    if text.startswith("typing.Literal["):
        return " | ".join(text.removeprefix("typing.Literal[").removesuffix("]").replace("'", '"').split(", "))
    return text.replace("str", "text").replace("float", "number").replace("int", "whole number")


def _settings() -> list[Setting]:
    found: list[Setting] = []

    def walk(kind: type[msgspec.Struct], where: str, leave_out: tuple[str, ...]) -> None:
        for field in msgspec.structs.fields(kind):
            if field.name in leave_out:
                continue
            if kind is Config and field.name == "brokers":
                walk(BrokerConfig, "brokers.NAME.", ("name", "reading", "orders", "health"))
            elif (inner := struct_in(field.type)) is not None:
                walk(inner, f"{where}{field.name}.", ())
            else:
                default = None if field.required else _toml(_default_of(field))
                found.append(
                    Setting(
                        key=where + field.name,
                        type=exact_kind_of(field) or _type_text(field.type),
                        default=default,
                        example=_example(field, default),
                        meaning=description_of(field),
                    )
                )

    walk(Config, "", ("path",))
    return found


def _example(field: Any, default: str | None) -> str:
    for part in getattr(field.type, "__metadata__", ()):
        if isinstance(part, msgspec.Meta) and part.examples:
            return _toml(part.examples[0])
    return default or '"..."'


def _default_of(field: Any) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _toml(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}" if value else "{}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


SETTINGS: Final[list[Setting]] = _settings()
"""Every setting there is; the reference page is generated from it."""


def config_template() -> str:
    """A configuration to start from: one simulated broker, and every other setting commented out at its default."""
    tables: dict[str, list[str]] = {}
    for setting in SETTINGS:
        table, _, name = setting.key.rpartition(".")
        tables.setdefault(table, []).extend((f"# {setting.meaning}", f"# {name} = {setting.example}"))
    lines = ["# holdfast configuration. An unknown key is an error; durations are seconds.", "", *tables.pop("")]
    lines += ["", *_BROKER]
    for table, entries in tables.items():
        if not table.startswith("brokers."):
            lines += ["", f"# [{table}]", *entries]
    return "\n".join(lines) + "\n"


_BROKER: Final = (
    "[brokers.kraken-master]",
    'venue = "kraken"',
    'environment = "simulated"            # production | demo | simulated; there is no default',
    'rest_url = "http://127.0.0.1:18080"  # only where environment = "simulated"; so is ws_url',
    'ws_url = "ws://127.0.0.1:18080/v2"',
    '# Against the real venue: environment = "production", no addresses, and the key in the environment as',
    "# KRAKEN_MASTER_API_KEY and KRAKEN_MASTER_API_SECRET, or better in files of mode 0600:",
    '# credentials = { key_file = "kraken.key", secret_file = "kraken.secret" }',
    "# What is never spent, and what each bot may claim and spend: an amount, or a share of the account:",
    '# floors = { USD = "100" }',
    '# budgets = { bot-a = { USD = "500", BTC = "25 %" } }',
)
