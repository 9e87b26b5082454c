"""
Where a broker's credential is read from, and how it is kept from being read again by somebody else.

In order: the files that the configuration names, the files that ``KRAKEN_MASTER_API_KEY_FILE`` and its relatives name,
the values of ``KRAKEN_MASTER_API_KEY`` and its relatives. A file has to be a plain file of ours with mode 0600, not a
link. A value is taken out of the process's environment once it is read, so that no child process inherits it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

import msgspec

from holdfast.config import BrokerConfig, Config
from holdfast.core.credentials import Credential, Secret
from holdfast.core.venue import PassphraseUse, Venue
from holdfast.errors import ConfigError
from holdfast.runtime.secrets import (
    configured_file,
    known_variables,
    named_file,
    read_secret_file,
    read_secret_variable,
)

__all__ = ["CredentialAbsentError", "CredentialSource", "check_place", "read_credential", "sources_of"]

_PARTS: Final = (("key", "API_KEY"), ("secret", "API_SECRET"), ("passphrase", "API_PASSPHRASE"))


class CredentialAbsentError(ConfigError):
    """A part of the credential is nowhere: there is nothing that could be malformed."""


class CredentialSource(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where one part of a credential comes from; never its value.

    ``part`` is ``key``, ``secret`` or ``passphrase``; ``kind`` is ``file`` or ``environment``; ``name`` is the path or
    the variable; ``is_there`` says whether something is there, not whether it is any good.
    """

    part: str
    kind: str
    name: str
    is_there: bool


def sources_of(
    broker: BrokerConfig, *, config_path: str | None, environ: Mapping[str, str] | None = None
) -> list[CredentialSource]:
    """Where each part of *broker*'s credential would be read from now; reads nothing."""
    found = []
    known = known_variables(environ)
    for part, suffix in _PARTS:
        variable = f"{broker.variable_prefix}_{suffix}"
        path = _configured_file(broker, part, config_path)
        if path is None and broker.credentials is None:
            path = named_file(f"{variable}_FILE", environ)
        if path is not None:
            found.append(CredentialSource(part=part, kind="file", name=str(path), is_there=path.is_file()))
        elif broker.credentials is None and (part != "passphrase" or variable in known):
            found.append(CredentialSource(part=part, kind="environment", name=variable, is_there=variable in known))
    return found


def read_credential(
    broker: BrokerConfig, venue: Venue, *, config: Config, environ: MutableMapping[str, str] | None = None
) -> Credential:
    """
    Read, check and return *broker*'s credential; its values leave *environ* with that.

    Reads small files; does not suspend.

    Raises:
        ConfigError: A part is missing, a file is not private, a value carries a line break or blanks around it (a PEM
            text may end with line breaks), the venue's own rules refuse it, or simulator and real keys would meet.
            Names the variable or file and the fix, never the value.
    """
    parts: dict[str, Secret] = {}
    _refuse_both(broker, environ)
    for part, suffix in _PARTS:
        found = _read_part(broker, part, f"{broker.variable_prefix}_{suffix}", config.path, environ)
        if found is not None:
            parts[part] = found
    needed = _PARTS if venue.facts.passphrase is PassphraseUse.REQUIRED else _PARTS[:2]
    missing = [f"{broker.variable_prefix}_{suffix}" for part, suffix in needed if part not in parts]
    if missing:
        raise CredentialAbsentError(
            f"brokers.{broker.name}: no credential: {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} not set; set {'them' if len(missing) > 1 else 'it'}, or name files"
            f" in {missing[0]}_FILE or under credentials in the configuration"
        )
    passphrase = parts.get("passphrase")
    if passphrase is not None and venue.facts.passphrase is PassphraseUse.NONE:
        raise ConfigError(
            f"brokers.{broker.name}: a passphrase is set, and {venue.id}'s keys have none: leave it out, or look "
            "whether the key is another venue's"
        )
    credential = Credential(
        venue=venue.id,
        key=parts["key"].reveal(),
        secret=parts["secret"].reveal(),
        passphrase=None if passphrase is None else passphrase.reveal(),
    )
    check_place(broker, venue, credential)
    return credential


def check_place(broker: BrokerConfig, venue: Venue, credential: Credential) -> None:
    """
    Refuse a credential that cannot be *broker*'s: simulator and real keys never meet, and a venue has rules of its own.

    Raises:
        ConfigError: Names the broker and the fix, never the value.
    """
    is_simulator_key = venue.is_simulator_key(credential.key)
    if is_simulator_key and broker.environment != "simulated":
        raise ConfigError(
            f"brokers.{broker.name}: this is a simulator's key and environment is {broker.environment}: "
            "use the real key, or environment = simulated with the simulator's addresses"
        )
    if not is_simulator_key and broker.environment == "simulated":
        raise ConfigError(
            f"brokers.{broker.name}: this is not a simulator's key and environment is simulated: a real key is never"
            f" sent to a simulator; use the key that 'holdfast sim {broker.venue}' prints"
        )
    try:
        venue.check_credential(credential)
    except ConfigError as error:
        raise ConfigError(f"brokers.{broker.name}: {error}") from None


def _read_part(
    broker: BrokerConfig, part: str, variable: str, config_path: str | None, environ: MutableMapping[str, str] | None
) -> Secret | None:
    """One part from where ``sources_of`` says, or None where it is nowhere."""
    path = _configured_file(broker, part, config_path)
    if path is None and broker.credentials is not None:
        return None
    if path is None:
        path = named_file(f"{variable}_FILE", environ)
    if path is not None:
        return _read_file(path, broker=broker.name)
    return _read_variable(variable, environ) if variable in known_variables(environ) else None


def _refuse_both(broker: BrokerConfig, environ: Mapping[str, str] | None) -> None:
    """A value and a file for one part: one of them is forgotten, and only a person knows which."""
    if broker.credentials is not None:
        return
    for _, suffix in _PARTS:
        variable = f"{broker.variable_prefix}_{suffix}"
        if _is_set(variable, environ) and _is_set(f"{variable}_FILE", environ):
            raise ConfigError(f"brokers.{broker.name}: {variable} and {variable}_FILE are both set: unset one of them")


def _is_set(name: str, environ: Mapping[str, str] | None) -> bool:
    return bool(os.environ.get(name) if environ is None else environ.get(name))


def _configured_file(broker: BrokerConfig, part: str, config_path: str | None) -> Path | None:
    if broker.credentials is None:
        return None
    name = getattr(broker.credentials, f"{part}_file")
    if name is None:
        return None
    return configured_file(name, config_path=config_path, where=f"brokers.{broker.name}.credentials.{part}_file")


def _read_variable(name: str, environ: MutableMapping[str, str] | None) -> Secret:
    secret = read_secret_variable(name, environ).without_last_breaks()
    if secret.is_padded:
        raise ConfigError(
            f"{name} has a blank or a line break around its value: set it without, for example with"
            f' export {name}="$(cat file)" in place of reading a file with its last newline'
        )
    return secret


def _read_file(path: Path, *, broker: str) -> Secret:
    where = f"brokers.{broker}: credential file"
    secret = read_secret_file(path, where=where).without_last_breaks()
    if secret.is_padded:
        raise ConfigError(
            f"{where} {path} has blanks or more than one line break around its value: keep the value alone"
        )
    return secret
