"""
Which account each broker of a desk belongs to, so that keys of several accounts are not mixed up.

A store is pinned to the account that its first key was proved to belong to. Two keys that were exchanged in the
configuration would each be refused by the venue's answer alone; here it is said before anything is sent, by both names.
"""

from __future__ import annotations

from holdfast.errors import ConfigError
from holdfast.runtime.supervisor import PinnedAccount

__all__ = ["Identities"]


class Identities:
    """What is pinned of every broker that this desk has opened."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[PinnedAccount | None, str]] = {}

    def know(self, name: str, pinned: PinnedAccount | None, fingerprint: str) -> None:
        """
        Note a broker that is being opened: what its store is pinned to, and the fingerprint of its key now.

        Raises:
            ConfigError: Its key was last proved to be another broker's, of another account, or the other way round:
                they were exchanged. Names both, and no key.
        """
        self._known.pop(name, None)
        for other, (theirs, used) in self._known.items():
            if pinned is None or theirs is None or pinned.account_id == theirs.account_id:
                continue
            if theirs.fingerprint == fingerprint or pinned.fingerprint == used:
                raise ConfigError(
                    f"the credentials of {name} and {other} are mixed up: the key that is configured for "
                    f"{name if theirs.fingerprint == fingerprint else other} was proved to belong to "
                    f"{other if theirs.fingerprint == fingerprint else name}, which is another account; "
                    "exchange them back. No order was sent"
                )
        self._known[name] = (pinned, fingerprint)

    def broker_of(self, account_id: str) -> str | None:
        """The broker whose store is pinned to that account, or None."""
        for name, (pinned, _) in self._known.items():
            if pinned is not None and pinned.account_id == account_id:
                return name
        return None
