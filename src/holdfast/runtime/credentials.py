"""
Where a broker's credential is read from, and how it is kept from being read again by somebody else.

In order: the files that the configuration names, the files that ``KRAKEN_MASTER_API_KEY_FILE`` and its relatives name,
the values of ``KRAKEN_MASTER_API_KEY`` and its relatives. A file has to be a plain file of ours with mode 0600, not a
link. A value is taken out of the process's environment once it is read, so that no child process inherits it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

import msgspec

from holdfast.config import BrokerConfig, Config
from holdfast.core.credentials import Credential
from holdfast.core.venue import Venue
from holdfast.errors import ConfigError

__all__ = ["CredentialSource", "read_credential", "sources_of"]

_MAX_BYTES: Final = 64 * 1024
_PARTS: Final = (("key", "API_KEY"), ("secret", "API_SECRET"), ("passphrase", "API_PASSPHRASE"))

# What was taken out of os.environ, so that a desk can be opened a second time in one process. It holds no more than
# the environment did, and neither child processes nor crash reports of the environment see it.
_taken: dict[str, str] = {}


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
    known = _known(environ)
    for part, suffix in _PARTS:
        variable = f"{broker.variable_prefix}_{suffix}"
        path = _configured_file(broker, part, config_path)
        if path is None and broker.credentials is None and known.get(f"{variable}_FILE"):
            path = Path(known[f"{variable}_FILE"])
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
        ConfigError: A part is missing, a file is not private, a value carries a line break or blanks around it, the
            venue's own rules refuse it, or simulator and real keys would meet. Names the variable or file and the
            fix, never the value.
    """
    parts: dict[str, str] = {}
    _refuse_both(broker, os.environ if environ is None else environ)
    for source in sources_of(broker, config_path=config.path, environ=environ):
        if source.kind == "file":
            parts[source.part] = _read_file(Path(source.name), broker=broker.name)
        elif source.is_there:
            parts[source.part] = _read_variable(source.name, environ)
    missing = [f"{broker.variable_prefix}_{suffix}" for part, suffix in _PARTS[:2] if part not in parts]
    if missing:
        raise ConfigError(
            f"brokers.{broker.name}: no credential: {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} not set; set {'them' if len(missing) > 1 else 'it'}, or name files"
            f" in {missing[0]}_FILE or under credentials in the configuration"
        )
    credential = Credential(
        venue=venue.id, key=parts["key"], secret=parts["secret"], passphrase=parts.get("passphrase")
    )
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
    return credential


def _refuse_both(broker: BrokerConfig, environ: Mapping[str, str]) -> None:
    """A value and a file for one part: one of them is forgotten, and only a person knows which."""
    if broker.credentials is not None:
        return
    for _, suffix in _PARTS:
        variable = f"{broker.variable_prefix}_{suffix}"
        if environ.get(variable) and environ.get(f"{variable}_FILE"):
            raise ConfigError(f"brokers.{broker.name}: {variable} and {variable}_FILE are both set: unset one of them")


def _known(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    return {**_taken, **os.environ} if environ is None else environ


def _configured_file(broker: BrokerConfig, part: str, config_path: str | None) -> Path | None:
    if broker.credentials is None:
        return None
    name = getattr(broker.credentials, f"{part}_file")
    if name is None:
        return None
    base = Path(config_path).parent if config_path is not None else Path.cwd()
    return base / Path(name).expanduser()


def _read_variable(name: str, environ: MutableMapping[str, str] | None) -> str:
    if environ is None:
        value = os.environ.pop(name, None)
        if value is None:
            value = _taken[name]
        else:
            _taken[name] = value
    else:
        value = environ.pop(name)
    if not value:
        raise ConfigError(f"{name} is empty: set it, or unset it")
    if value != value.strip():
        raise ConfigError(
            f"{name} has a blank or a line break around its value: set it without, for example with"
            f' export {name}="$(cat file)" in place of reading a file with its last newline'
        )
    return value


def _read_file(path: Path, *, broker: str) -> str:
    where = f"brokers.{broker}: credential file {path}"
    try:
        # Not through a link, at no point: whoever may turn the link would choose the key.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(f"{where} is a symbolic link: name the file itself") from None
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from None
    try:
        _check_private(path, os.fstat(descriptor), where)
        raw = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{where} is larger than {_MAX_BYTES} bytes: this is no key")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not UTF-8 text") from None
    # An editor's final newline is not part of a key; anything else around it is a mistake that signing would only
    # report as a wrong signature.
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError(f"{where} is empty")
    if text != text.strip():
        raise ConfigError(f"{where} has blanks or more than one line break around its value: keep the value alone")
    if text.startswith("\ufeff"):
        raise ConfigError(f"{where} begins with a byte order mark: save it as plain UTF-8")
    return text


def _check_private(path: Path, found: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{where} is not a plain file")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o177:
        raise ConfigError(f"{where} has mode {mode:04o}, more than its owner needs: chmod 600 {path}")
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{where} belongs to user {found.st_uid}, not to us ({os.geteuid()}): chown it")
