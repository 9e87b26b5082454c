"""The tree of commands. Bodies are named by import path, so that only the one called is loaded."""

from __future__ import annotations

from cyclopts import App

import holdfast

__all__ = ["COMMANDS", "build_app"]

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("holdfast.cli.demo:demo", "Watch it work: a local venue, live balances, cuts that heal. No keys needed."),
    "up": ("holdfast.cli.up:up", "Own the configured brokers and keep them live in the foreground."),
    "status": ("holdfast.cli.status:status", "Health, stream, store and nonces of each broker."),
    "balances": ("holdfast.cli.balances:balances", "Every balance, with state, age and source."),
    "explain": ("holdfast.cli.explain:explain", "Why a figure is what it is."),
    "history": ("holdfast.cli.history:history", "The journal: every accepted change with its cause."),
    "backup": ("holdfast.cli.backup:backup", "Write a consistent copy of a broker's store."),
    "restore": ("holdfast.cli.backup:restore", "Put a backup in the place of a broker's store."),
}
"""Top-level commands: name to import path and one line of help."""

GROUPS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "sim": (
        "Serve a local venue that speaks the real wire.",
        {"kraken": ("holdfast.cli.sim:kraken", "A local Kraken: REST and WebSocket v2 on one port.")},
    ),
    "config": (
        "Check, show or start a configuration.",
        {
            "check": ("holdfast.cli.config:check", "Read the configuration and say everything that is wrong with it."),
            "show": ("holdfast.cli.config:show", "Show what is in force, without secrets."),
            "init": ("holdfast.cli.config:init", "Write a first configuration to start from."),
        },
    ),
    "nonce": (
        "Nonces of a credential.",
        {"doctor": ("holdfast.cli.nonce:doctor", "Find out why a venue refuses nonces, and what to do.")},
    ),
}
"""Groups of commands: name to help and its commands."""


def build_app() -> App:
    """The whole command tree; nothing of it is imported until it is called."""
    app = App(
        name="holdfast",
        help="The account layer for trading bots that tells the truth.",
        version=holdfast.__version__,
        help_format="plaintext",
    )
    for name, (path, text) in COMMANDS.items():
        app.command(path, name=name, help=text)
    for group, (text, commands) in GROUPS.items():
        sub = App(name=group, help=text, help_format="plaintext")
        for name, (path, command_text) in commands.items():
            sub.command(path, name=name, help=command_text)
        app.command(sub)
    app.register_install_completion_command()
    return app
