"""Settings that are fine one by one and cannot all be meant: each is named, none is repaired in silence."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from holdfast.config.health import HealthSettings
from holdfast.config.orders import OrderSettings
from holdfast.config.routing import RoutingSettings
from holdfast.config.settings import BrokerConfig, Config, ReadingSettings
from holdfast.config.venues import KNOWN_VENUES, VenueTraits, traits_of

__all__ = ["contradictions", "routing_problems", "shown", "venue_problems"]


def contradictions(config: Config) -> list[str]:
    """Every contradiction in *config*, as sentences that begin with the key."""
    problems = []
    prefixes: dict[str, str] = {}
    folder = Path.cwd() if config.path is None else Path(config.path).parent
    for broker in config.brokers.values():
        where = f"brokers.{broker.name}"
        problems += [f"{where}: {problem}" for problem in _address_problems(broker)]
        problems += [f"{where}: {problem}" for problem in _ca_problems(broker, folder)]
        problems += [f"{where}.reading: {problem}" for problem in _reading_problems(broker.reading)]
        traits = traits_of(broker.venue)
        problems += [f"{where}.orders: {problem}" for problem in _order_problems(broker.orders, broker.reading, traits)]
        problems += [f"{where}.health: {problem}" for problem in _health_problems(broker.health)]
        problems += [f"{where}: {problem}" for problem in _sequence_problems(broker, traits)]
        problems += [f"{where}: {problem}" for problem in _exchange_problems(broker, traits)]
        if broker.credentials is None:
            other = prefixes.setdefault(broker.variable_prefix, broker.name)
            if other != broker.name:
                problems.append(
                    f"{where}: takes its key from {broker.variable_prefix}_API_KEY, and so does brokers.{other}; "
                    "rename one, or name files under credentials"
                )
    return problems


def venue_problems(venue: str) -> list[str]:
    """What is wrong with a venue's id."""
    if venue in KNOWN_VENUES:
        return []
    near = difflib.get_close_matches(venue.lower(), KNOWN_VENUES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return [f"venue {shown(venue)} has no adapter; {hint}there are: {', '.join(KNOWN_VENUES)}"]


def routing_problems(routing: RoutingSettings | None, brokers: Mapping[str, BrokerConfig]) -> list[str]:
    """What is wrong with whom a configuration routes between."""
    if routing is None:
        return []
    problems = []
    for name in dict.fromkeys(routing.brokers):
        if name not in brokers:
            near = difflib.get_close_matches(name, brokers, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            problems.append(
                f"routing.brokers: no broker {shown(name)}; {hint}there are: {', '.join(brokers) or 'none'}"
            )
        elif routing.brokers.count(name) > 1:
            problems.append(f"routing.brokers: {name} stands there {routing.brokers.count(name)} times")
    environments = sorted({brokers[name].environment for name in routing.brokers if name in brokers})
    if len(environments) > 1:
        problems.append(
            f"routing.brokers: they are of several environments ({', '.join(environments)}), and no order may go from "
            "one to another: name those of one"
        )
    return problems


def _exchange_problems(broker: BrokerConfig, traits: VenueTraits | None) -> list[str]:
    if traits is None:
        return []
    if traits.is_of_many and broker.exchange is None:
        return [f'{traits.id} stands for many exchanges: set exchange = "binance", or another of ccxt\'s ids']
    if not traits.is_of_many and broker.exchange is not None:
        return [f"exchange means nothing at {traits.name}: it is for venue = through_ccxt"]
    return []


def _sequence_problems(broker: BrokerConfig, traits: VenueTraits | None) -> list[str]:
    in_flight = broker.requests_in_flight or 1
    if traits is not None and not traits.has_nonces:
        if broker.nonce_window:
            return [f"nonce_window means nothing at {traits.name}, which has no nonces"]
        return []
    if in_flight > 1 and broker.nonce_window < in_flight:
        problem = (
            f"requests_in_flight ({in_flight}) needs a nonce_window of at least as many"
            f" steps, and it is {broker.nonce_window}: raise it at the venue first, then here"
        )
        return [problem]
    return []


def _ca_problems(broker: BrokerConfig, folder: Path) -> list[str]:
    if broker.ca_file is None or broker.environment != "simulated":
        return []
    path = folder / Path(broker.ca_file).expanduser()
    return [] if path.is_file() else [f"ca_file: {path}: no such file"]


def _reading_problems(reading: ReadingSettings) -> list[str]:
    problems = []
    if reading.anchor_max_age_s < reading.reconcile_quiet_s:
        problems.append(
            f"anchor_max_age_s ({reading.anchor_max_age_s:g}) is less than reconcile_quiet_s"
            f" ({reading.reconcile_quiet_s:g}): figures would stop being live between two reads"
        )
    if reading.reconcile_fault_s > reading.reconcile_quiet_s:
        problems.append(
            f"reconcile_fault_s ({reading.reconcile_fault_s:g}) is more than reconcile_quiet_s"
            f" ({reading.reconcile_quiet_s:g}): faults would slow reading down"
        )
    if reading.read_deadline_s >= reading.max_age_s / 2:
        problems.append(
            f"read_deadline_s ({reading.read_deadline_s:g}) is not less than half of max_age_s ({reading.max_age_s:g}):"
            " an answer could be stale when it arrives"
        )
    for name, low, high in (
        ("rest_lag_s", 0.0, 600.0),
        ("snapshot_within_s", 1.0, 120.0),
        ("silent_after_s", 2.0, 60.0),
    ):
        value = getattr(reading, name)
        if value is not None and not low <= value <= high:
            problems.append(f"{name} ({value:g}) is not between {low:g} and {high:g}")
    return problems


def _order_problems(orders: OrderSettings, reading: ReadingSettings, traits: VenueTraits | None) -> list[str]:
    problems = []
    default_s, longest_s = (5.0, 55.0) if traits is None else (traits.validity_s, traits.validity_max_s)
    validity_s = default_s if orders.validity_s is None else orders.validity_s
    if validity_s > longest_s:
        where = "" if traits is None else f" at {traits.name}"
        problems.append(f"validity_s ({validity_s:g}) is more than {longest_s:g}, the longest{where}")
    if orders.unsent_ttl_s < validity_s:
        problems.append(
            f"unsent_ttl_s ({orders.unsent_ttl_s:g}) is less than validity_s ({validity_s:g}): a reservation"
            " could end while its order is still valid"
        )
    if orders.orders_per_minute is not None and not 1 <= orders.orders_per_minute <= 60_000:
        problems.append(f"orders_per_minute ({orders.orders_per_minute}) is not between 1 and 60000")
    if orders.degraded_max_age_s is not None and orders.degraded_max_age_s > 3600:
        problems.append(f"degraded_max_age_s ({orders.degraded_max_age_s:g}) is more than 3600")
    if orders.dead_man_s and orders.dead_man_s < 15:
        problems.append(f"dead_man_s ({orders.dead_man_s}) is neither 0 nor at least 15")
    if orders.dead_man_s and traits is not None:
        problems += _dead_man_problems(orders.dead_man_s, traits)
    if 0 < orders.dead_man_s <= validity_s:
        problems.append(
            f"dead_man_s ({orders.dead_man_s}) is not more than validity_s ({validity_s:g}): an order could be"
            " taken after everything was cancelled"
        )
    if orders.degraded_max_age_s is not None and orders.degraded_max_age_s < reading.max_age_s:
        problems.append(
            f"degraded_max_age_s ({orders.degraded_max_age_s:g}) is less than max_age_s ({reading.max_age_s:g}): no"
            " figure would ever be old enough for it"
        )
    return problems


def _dead_man_problems(timeout_s: int, traits: VenueTraits) -> list[str]:
    reason = traits.lacks.get("dead-man-switch")
    if reason is not None or traits.dead_man_s is None:
        return [f"dead_man_s ({timeout_s}) means nothing at {traits.name}: {reason or 'it has no such switch'}"]
    low, high = traits.dead_man_s
    if not low <= timeout_s <= high:
        return [f"dead_man_s ({timeout_s}) is not between {low} and {high}, as {traits.name} takes it"]
    return []


def _health_problems(health: HealthSettings) -> list[str]:
    problems = []
    if health.break_max_s < health.break_initial_s:
        problems.append(
            f"break_max_s ({health.break_max_s:g}) is less than break_initial_s ({health.break_initial_s:g}): the first"
            " break would be longer than any may be"
        )
    if health.stuck_after_s < health.break_max_s:
        problems.append(
            f"stuck_after_s ({health.stuck_after_s:g}) is less than break_max_s ({health.break_max_s:g}): a breaker"
            " would be called stuck before its trial"
        )
    return problems


def _address_problems(broker: BrokerConfig) -> list[str]:
    problems = venue_problems(broker.venue)
    traits = traits_of(broker.venue)
    if traits is not None and broker.environment not in (*traits.environments, "simulated"):
        why = traits.lacks.get("demo-environment", "it has no such environment")
        problems.append(f"no {broker.environment} environment at {traits.name}: {why}; use simulated or production")
    if traits is not None and broker.region is not None and broker.region not in traits.regions:
        there_are = f"there are: {', '.join(traits.regions)}" if traits.regions else f"{traits.name} has one site"
        problems.append(f"region {shown(broker.region)} is unknown; {there_are}")
    if broker.environment != "simulated":
        for name in ("rest_url", "ws_url", "ca_file"):
            if getattr(broker, name) is not None:
                problems.append(f"{name} may be set only where environment = simulated; real keys go to the real venue")
        if broker.allow_remote_simulator:
            problems.append("allow_remote_simulator means nothing where environment is not simulated")
        return problems
    for name, schemes in (("rest_url", ("http", "https")), ("ws_url", ("ws", "wss"))):
        url = getattr(broker, name)
        if url is None:
            problems.append(f"{name} is needed where environment = simulated; 'holdfast sim {broker.venue}' prints it")
        else:
            problems += [f"{name} {problem}" for problem in _url_problems(url, schemes, broker.allow_remote_simulator)]
    return problems


def _url_problems(url: str, schemes: tuple[str, ...], may_be_remote: bool) -> list[str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [f"{_shown_address(url)} is not an address"]
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        beginnings = " or ".join(f"{scheme}://" for scheme in schemes)
        return [f"{_shown_address(url)} is not an address that starts with {beginnings}"]
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return ["may hold a host, a port and a path only: no user, query or fragment"]
    if not may_be_remote and not _is_loopback(parts.hostname):
        return [
            f"names the host {shown(parts.hostname)}, which is not this one: that needs allow_remote_simulator = true"
        ]
    return []


def _is_loopback(host: str) -> bool:
    # Only what says so by itself: spellings like 0x7f.1 or 2130706433 mean loopback to some resolvers only.
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown_address(url: str) -> str:
    """An address without what may be a password: before an ``@``, and in a query."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return shown(url) if "@" not in url and "?" not in url else "what is there (not shown)"
    rest = rest.rpartition("@")[2].partition("?")[0]
    return shown(f"{scheme}://{rest}")


def shown(value: object) -> str:
    """*value* as it may stand in a message: ASCII, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
