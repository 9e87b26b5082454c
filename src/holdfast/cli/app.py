"""The tree of commands. Bodies are named by import path, so that only the one called is loaded."""

from __future__ import annotations

import importlib
import inspect
import itertools
from collections.abc import Sequence
from typing import Final

from cyclopts import App

import holdfast

__all__ = ["COMMANDS", "GROUPS", "asked_help", "build_app", "with_default"]

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("holdfast.cli.demo:demo", "Watch it work: a local venue, live balances, cuts that heal. No keys needed."),
    "up": ("holdfast.cli.up:up", "Own the configured brokers and keep them live; serve the API and the dashboard."),
    "dashboard": ("holdfast.cli.dashboard:dashboard", "A link that signs a browser in to the dashboard, once."),
    "status": ("holdfast.cli.status:status", "Health, stream, store and nonces of each broker."),
    "balances": ("holdfast.cli.balances:balances", "Every balance, with state, age and source."),
    "verify-balance": ("holdfast.cli.verify_balance:verify_balance", "Whether an amount may be promised now."),
    "verify-end-to-end": (
        "holdfast.cli.verify_end_to_end:verify_end_to_end",
        "Is a broker ready for real money: 110 points, with evidence.",
    ),
    "route": ("holdfast.cli.route:route", "Which broker an order would go to now, and why not to the others."),
    "halt": ("holdfast.cli.trading:halt", "Take cancels only, until resumed."),
    "reduce": ("holdfast.cli.trading:reduce", "Take exits and cancels only, until resumed."),
    "resume": ("holdfast.cli.trading:resume", "Take every order again."),
    "reset-circuit-breaker": (
        "holdfast.cli.repair:reset_circuit_breaker",
        "Close a broker's breakers, and read the account again.",
    ),
    "force-balance-refresh": ("holdfast.cli.repair:force_balance_refresh", "Read the account from the venue now."),
    "emergency-repair": (
        "holdfast.cli.repair:emergency_repair",
        "Find out what is wrong, and mend what may be mended.",
    ),
    "doctor": ("holdfast.cli.doctor:doctor", "Examine configuration, secrets, store, clock, venue and disk."),
    "audit": ("holdfast.cli.audit:audit", "Who repaired, reset, halted or examined what, and what changed."),
    "explain": ("holdfast.cli.explain:explain", "Why a figure is what it is."),
    "history": ("holdfast.cli.history:history", "The journal: every accepted change with its cause."),
    "backup": ("holdfast.cli.backup:backup", "Write a consistent copy of a broker's store."),
    "restore": ("holdfast.cli.backup:restore", "Put a backup in the place of a broker's store."),
}
"""Top-level commands: name to import path and one line of help."""

GROUPS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "orders": (
        "What is open on the account, ours and everybody else's.",
        {
            "list": ("holdfast.cli.orders:list_", "Every open order."),
            "show": ("holdfast.cli.orders:show", "One of our orders."),
            "cancel": ("holdfast.cli.orders:cancel", "Cancel an open order."),
        },
    ),
    "reservations": (
        "What is claimed for orders, and why.",
        {
            "list": ("holdfast.cli.reservations:list_", "Every live reservation."),
            "show": ("holdfast.cli.reservations:show", "One reservation, and each of its changes."),
            "release": ("holdfast.cli.reservations:release", "Give a reservation's money back."),
        },
    ),
    "sim": (
        "Serve a local venue that speaks the real wire.",
        {
            "kraken": ("holdfast.cli.sim:kraken", "A local Kraken: REST and WebSocket v2 on one port."),
            "coinbase": ("holdfast.cli.sim:coinbase", "A local Coinbase Advanced: REST and WebSocket on one port."),
            "okx": ("holdfast.cli.sim:okx", "A local OKX: REST and WebSocket v5 on one port."),
        },
    ),
    "config": (
        "Check, show or start a configuration.",
        {
            "check": ("holdfast.cli.config:check", "Read the configuration and say everything that is wrong with it."),
            "show": ("holdfast.cli.config:show", "Show what is in force, without secrets."),
            "init": ("holdfast.cli.config:init", "Write a first configuration to start from."),
        },
    ),
    "tokens": (
        "Who may use the HTTP API.",
        {
            "create": ("holdfast.cli.tokens:create", "Make a token for a program or a person."),
            "list": ("holdfast.cli.tokens:list_", "Every token that counts."),
            "revoke": ("holdfast.cli.tokens:revoke", "End a token."),
        },
    ),
    "alerts": (
        "What reaches people when something is wrong.",
        {"test": ("holdfast.cli.alerts:test", "Send a test notice to every address that alerts go to.")},
    ),
    "nonce": (
        "Nonces of a credential.",
        {"doctor": ("holdfast.cli.nonce:doctor", "Find out why a venue refuses nonces, and what to do.")},
    ),
}
"""Groups of commands: name to help and its commands."""


DEFAULTS: Final = {"orders": "list", "reservations": "list"}
"""Groups that mean one of their commands where none is named."""


def with_default(argv: Sequence[str]) -> list[str]:
    """The command line with the command that a group alone stands for."""
    words = list(argv)
    if words and words[0] in DEFAULTS and (len(words) == 1 or words[1].startswith("-")):
        asks_help = len(words) > 1 and words[1] in ("--help", "-h")
        if not asks_help:
            words.insert(1, DEFAULTS[words[0]])
    return words


def asked_help(argv: Sequence[str]) -> tuple[str, ...]:
    """The command whose help a command line asks for, as its words; nothing where it asks for none."""
    if not {"--help", "-h"}.intersection(argv):
        return ()
    return tuple(itertools.takewhile(lambda word: not word.startswith("-"), argv))


def build_app(*, described: Sequence[str] = ()) -> App:
    """
    The whole command tree; nothing of it is imported until it is called.

    Lists have one line per command. *described* names the one whose own help is wanted: its docstring is loaded for it.
    """
    app = App(
        name="holdfast",
        help="The account layer for trading bots that tells the truth.",
        version=holdfast.__version__,
        help_format="plaintext",
    )
    for name, (path, text) in COMMANDS.items():
        app.command(path, name=name, help=_help(path, text, is_whole=tuple(described[:1]) == (name,)))
    for group, (text, commands) in GROUPS.items():
        sub = App(name=group, help=text, help_format="plaintext")
        for name, (path, command_text) in commands.items():
            is_whole = tuple(described[:2]) == (group, name)
            sub.command(path, name=name, help=_help(path, command_text, is_whole=is_whole))
        app.command(sub)
    app.register_install_completion_command()
    return app


def _help(path: str, text: str, *, is_whole: bool) -> str:
    if not is_whole:
        return text
    module, _, function = path.partition(":")
    document = inspect.cleandoc(getattr(importlib.import_module(module), function).__doc__ or text)
    # Broken again where the terminal ends, not where the source did.
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in document.split("\n\n"))
