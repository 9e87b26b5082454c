"""``holdfast.wrap``: one line that makes a ccxt exchange object truthful."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from holdfast.config import BrokerConfig, Config, load_config
from holdfast.core.credentials import Credential
from holdfast.core.venue import Venue
from holdfast.errors import ConfigError
from holdfast.runtime.credentials import check_place
from holdfast.runtime.parts import venue_called
from holdfast.wrapping.exchanges import VENUE_OF, target_of

if TYPE_CHECKING:
    from holdfast.wrapping.engine import Account

__all__ = ["wrap"]

E = TypeVar("E")

_FIGURES_WAIT_S: Final = 20.0
_DOUBT_WAIT_S: Final = 120.0


def wrap(
    exchange: E,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | Config | None = None,
    broker: str | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    figures_wait_s: float = _FIGURES_WAIT_S,
    doubt_wait_s: float = _DOUBT_WAIT_S,
) -> E:
    """
    Make a ccxt exchange object truthful, in place: ``exchange = holdfast.wrap(ccxt.kraken({...}))``.

    Takes objects of ``ccxt``, ``ccxt.async_support`` and ``ccxt.pro``. From then on its signed calls share the
    key's lane with every process of this host, so that nonces cannot collide; ``fetch_balance`` answers live,
    labelled figures in ccxt's shape (``info["holdfast"]`` says how old, from where, and how far to be trusted);
    ``create_order`` judges and reserves the money first, sends once, and awaits the evidence where an answer is
    lost; ``cancel_order`` and ``cancel_all_orders`` go the same way. What is refused is raised in ccxt's own
    classes, the original as its cause. Everything else stays ccxt's. No daemon is needed: whoever is first owns the
    account, the others of this host use it through that process, and take it over when it ends.

    Args:
        exchange: A Kraken, Coinbase Advanced or OKX object with its key set. Wrapping it again changes nothing.
        config: A holdfast configuration, for its settings; none is needed. Its own credential is not read.
        broker: The configuration's broker that this account is; needed where it has several.
        state_dir: Where state is kept; ``HOLDFAST_STATE_DIR`` or the user's own state folder when None.
        figures_wait_s: How long ``fetch_balance`` waits for figures that were never confirmed, seconds.
        doubt_wait_s: How long ``create_order`` waits for the evidence on a lost answer, seconds.

    Returns:
        *exchange* itself. Returns at once: nothing is asked of the venue before the first call.

    Raises:
        ConfigError: It is no such object, has no key, sends to an address that is not the venue's, or the
            configuration does not fit it.
    """
    from holdfast.wrapping.acts import Bond

    if getattr(type(exchange), "_is_holdfast", False):
        return exchange
    account = _account_of(
        exchange,
        config=config,
        broker=broker,
        state_dir=None if state_dir is None else os.fspath(state_dir),
        waits_s=(figures_wait_s, doubt_wait_s),
    )
    kind = type(exchange)
    exchange.__class__ = _wrapped_class(kind, is_async=not getattr(exchange, "synchronous", True))
    exchange._bond = Bond(account)  # type: ignore[attr-defined]
    return exchange


def _wrapped_class(kind: type, *, is_async: bool) -> type:
    """*kind* with ours before it; ccxt's second spellings lead to ours too."""
    from holdfast.wrapping.mixins import OVERRIDES, AsyncWrapped, SyncWrapped

    mixin = AsyncWrapped if is_async else SyncWrapped
    names: dict[str, Any] = {"_is_holdfast": True, "__doc__": kind.__doc__, "__module__": kind.__module__}
    names |= {alias: getattr(mixin, name) for name, alias in OVERRIDES.items()}
    return type(kind.__name__, (mixin, kind), names)


def _account_of(
    exchange: Any,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | Config | None,
    broker: str | None,
    state_dir: str | None,
    waits_s: tuple[float, float],
) -> Account:
    from holdfast.wrapping.engine import Account

    venue = _venue_of(exchange)
    credential = _credential_of(exchange, venue)
    if config is None:
        loaded = _own_config(exchange, venue, name=broker or _name_of(credential), state_dir=state_dir)
    else:
        loaded = load_config(config)
        if state_dir is not None:
            raise ConfigError("wrap: give state_dir, or a config that says it, not both")
    chosen = _chosen(loaded, broker if config is not None else None, venue)
    try:
        check_place(chosen, venue, credential)
    except ConfigError as error:
        raise ConfigError(f"wrap: {error}") from None
    if config is not None:
        _check_same_place(chosen, exchange, venue)
    return Account(
        config=loaded,
        broker=chosen,
        venue=venue,
        credential=credential,
        figures_wait_s=waits_s[0],
        doubt_wait_s=waits_s[1],
    )


def _venue_of(exchange: Any) -> Venue:
    if not hasattr(exchange, "fetch2") or not isinstance(getattr(exchange, "id", None), str):
        raise ConfigError(f"wrap takes an exchange object of ccxt, and this is a {type(exchange).__name__}")
    known = VENUE_OF.get(exchange.id)
    if known is None:
        raise ConfigError(f"wrap: no adapter for ccxt's {exchange.id!a}; there are: {', '.join(VENUE_OF)}")
    return venue_called(known[0])


def _credential_of(exchange: Any, venue: Venue) -> Credential:
    missing = [name for name in ("apiKey", "secret") if not getattr(exchange, name, None)]
    if missing:
        raise ConfigError(f"wrap: this {exchange.id} object has no {' and no '.join(missing)}: set it before wrapping")
    return Credential(
        venue=venue.id,
        key=str(exchange.apiKey),
        secret=str(exchange.secret),
        passphrase=str(exchange.password) if getattr(exchange, "password", None) else None,
    )


def _name_of(credential: Credential) -> str:
    """The broker that a key gets where nobody names one: two keys are never taken for one account."""
    return f"{credential.venue}-{credential.fingerprint[:8]}"


def _own_config(exchange: Any, venue: Venue, *, name: str, state_dir: str | None) -> Config:
    """The configuration that an exchange object amounts to: one broker."""
    target = target_of(exchange, venue, ca_file=_ca_file_of(exchange))
    place = {
        "venue": target.venue,
        "environment": target.environment,
        "region": target.region,
        "rest_url": target.rest_url,
        "ws_url": target.ws_url,
        "ca_file": target.ca_file,
    }
    tables: dict[str, Any] = {"brokers": {name: {key: value for key, value in place.items() if value is not None}}}
    if state_dir is not None:
        tables["state_dir"] = state_dir
    return load_config(tables)


def _ca_file_of(exchange: Any) -> str | None:
    """The authority that a bot told ccxt to trust, for a simulator with TLS: ccxt's two forms have two ways."""
    given = getattr(exchange, "cafile", None) or getattr(exchange, "verify", None)
    if isinstance(given, str) and "certifi" not in given:
        return given
    return os.environ.get("REQUESTS_CA_BUNDLE") or None


def _chosen(config: Config, name: str | None, venue: Venue) -> BrokerConfig:
    fitting = [each for each in config.brokers.values() if each.venue == venue.id]
    if name is not None:
        found = config.brokers.get(name)
        if found is None or found.venue != venue.id:
            known = ", ".join(each.name for each in fitting) or "none"
            raise ConfigError(f"wrap: the configuration has no {venue.id} broker {name!a}; there are: {known}")
        return found
    if len(fitting) != 1:
        known = ", ".join(each.name for each in fitting) or "none"
        raise ConfigError(f"wrap: name the {venue.id} broker that this account is, with broker=…; there are: {known}")
    return fitting[0]


def _check_same_place(broker: BrokerConfig, exchange: Any, venue: Venue) -> None:
    """A bot that reads one place through ccxt and trades at another through us would believe neither."""
    target = target_of(exchange, venue)
    if target.environment != broker.environment:
        raise ConfigError(
            f"wrap: this {exchange.id} object sends to the {target.environment} environment, and brokers."
            f"{broker.name} is {broker.environment}: make them the same"
        )
