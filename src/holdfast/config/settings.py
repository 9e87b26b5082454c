"""
Everything a user may set, with its bounds, its default and one sentence of meaning.

The sentences are the documentation's source: the reference is generated from them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from holdfast.config.alerts import AlertingSettings
from holdfast.config.daemon import DaemonSettings
from holdfast.config.exact import amounts_of, budgets_of
from holdfast.config.health import HealthSettings
from holdfast.config.orders import OrderSettings
from holdfast.config.routing import RoutingSettings
from holdfast.config.venues import KNOWN_VENUES
from holdfast.core.assets import AssetCode
from holdfast.core.budgets import Budget

__all__ = [
    "KNOWN_VENUES",
    "BrokerConfig",
    "Config",
    "CredentialFiles",
    "DaemonSettings",
    "JournalSettings",
    "LaneSettings",
    "LogSettings",
    "ReadingSettings",
    "choices_in",
    "description_of",
    "exact_kind_of",
    "struct_in",
]


class ReadingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a broker's figures are kept true."""

    max_age_s: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="A figure older than this is stale; without a live stream REST is read twice as often.",
        ),
    ] = 30.0
    anchor_max_age_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="A pushed figure is live only while REST confirmed it within this time."),
    ] = 300.0
    reconcile_quiet_s: Annotated[
        float,
        Meta(ge=5, le=3600, description="Time between REST reads while the stream is live and nothing happens."),
    ] = 60.0
    reconcile_fault_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="A REST read follows a fill or a fault within this time."),
    ] = 10.0
    rest_lag_s: Annotated[
        float | None,
        Meta(
            description="How far REST may lag the stream; unset: what the venue is known for (Kraken 60, others 5).",
            examples=[60.0],
        ),
    ] = None
    snapshot_within_s: Annotated[
        float | None,
        Meta(
            description="Subscribed and no snapshot for this long: the stream is dead; unset: the venue's (10).",
            examples=[10.0],
        ),
    ] = None
    silent_after_s: Annotated[
        float | None,
        Meta(
            description="No frame of any kind for this long: the stream is dead; unset: the venue's (Kraken 5, "
            "Coinbase 10, OKX 20).",
            examples=[5.0],
        ),
    ] = None
    read_deadline_s: Annotated[
        float, Meta(gt=0, le=120, description="Bound on one REST read, from asking to the last byte.")
    ] = 5.0


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The turn to send with one credential, and its nonces."""

    wait_s: Annotated[
        float, Meta(gt=0, le=600, description="How long a call waits for the credential's lane before it is denied.")
    ] = 10.0
    forward_buffer_us: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Nonces run ahead of the clock by this many microseconds.")
    ] = 1500


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The record of every accepted change."""

    keep_days: Annotated[
        int, Meta(ge=1, le=36_500, description="Whole days of journal older than this are dropped.")
    ] = 90
    on_damage: Annotated[
        Literal["refuse", "quarantine"],
        Meta(description="A damaged store is refused, or moved aside for a new one that starts halted."),
    ] = "refuse"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, on stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe events that are logged.")
    ] = "info"
    format: Annotated[
        Literal["auto", "human", "json"],
        Meta(description="Human lines, JSON lines, or auto: human on a terminal and JSON elsewhere."),
    ] = "auto"


class CredentialFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files that hold a credential, one value each, mode 0600; relative paths start at the configuration's folder."""

    key_file: Annotated[str, Meta(min_length=1, description="File that holds the public key.", examples=["kraken.key"])]
    secret_file: Annotated[
        str, Meta(min_length=1, description="File that holds the secret.", examples=["kraken.secret"])
    ]
    passphrase_file: Annotated[
        str | None,
        Meta(description="File that holds the passphrase, where the venue has one.", examples=["kraken.passphrase"]),
    ] = None


class BrokerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One broker: a venue, an account, a credential and an environment."""

    name: str
    venue: Annotated[str, Meta(description="The venue's id: kraken, coinbase or okx.", examples=["kraken"])]
    environment: Annotated[
        Literal["production", "demo", "simulated"],
        Meta(
            description="Which money this is. There is no default, so that nobody trades on a guess.",
            examples=["simulated"],
        ),
    ]
    region: Annotated[
        str | None,
        Meta(
            description="Which of the venue's sites the account was registered at, where it has several; unset: its "
            "first.",
            examples=["eea"],
        ),
    ] = None
    exchange: Annotated[
        str | None,
        Meta(
            description="Which exchange of ccxt's, by ccxt's id; only with venue = through_ccxt, and needed there.",
            examples=["binance"],
        ),
    ] = None
    rest_url: Annotated[
        str | None,
        Meta(description="REST address; only with environment = simulated.", examples=["http://127.0.0.1:18080"]),
    ] = None
    ws_url: Annotated[
        str | None,
        Meta(description="Stream address; only with environment = simulated.", examples=["ws://127.0.0.1:18080/v2"]),
    ] = None
    allow_remote_simulator: Annotated[
        bool, Meta(description="Let a simulator's address be another host than this one.")
    ] = False
    ca_file: Annotated[
        str | None,
        Meta(
            description="PEM file of the simulator's own CA; only with environment = simulated.",
            examples=["simulator-ca.pem"],
        ),
    ] = None
    credentials: Annotated[
        CredentialFiles | None,
        Meta(description="Files of the credential; unset: VENUE_ACCOUNT_API_KEY and its relatives decide."),
    ] = None
    auto_earn_spendable: Annotated[
        bool,
        Meta(description="Count auto-earn rows (Kraken XBT.F) as available, as the venue documents for orders."),
    ] = True
    rate_tier: Annotated[
        Literal["starter", "intermediate", "pro"] | None,
        Meta(
            description="The key's verification tier at Kraken, which decides how many calls it allows; unset: the "
            "smallest, starter, and where environment = simulated the simulator's own, pro.",
            examples=["pro"],
        ),
    ] = None
    nonce_window: Annotated[
        int,
        Meta(ge=0, description="The key's nonce window as set at the venue, in nonce steps; 0: strictly increasing."),
    ] = 0
    requests_in_flight: Annotated[
        Annotated[int, Meta(ge=1, le=16)] | None,
        Meta(
            description="Signed requests under way at once; unset: 1 where the venue has nonces, where more than 1 "
            "needs a nonce window, else what suits the venue (8).",
            examples=[1],
        ),
    ] = None
    reading: Annotated[
        ReadingSettings, Meta(description="This broker's own reading settings; what is unset comes from [reading].")
    ] = ReadingSettings()
    floors: Annotated[
        dict[str, str],
        Meta(
            description="What is never spent, by asset.",
            extra={"exact": "amounts by asset"},
            examples=[{"USD": "100"}],
        ),
    ] = {}
    budgets: Annotated[
        dict[str, dict[str, str]],
        Meta(
            description="What each bot may claim and spend of an asset: an amount, or a share of the account. Of an "
            "asset that any bot has a budget of, the others get nothing.",
            extra={"exact": "budgets by bot and asset"},
            examples=[{"bot-a": {"USD": "500", "BTC": "25 %"}}],
        ),
    ] = {}
    orders: Annotated[
        OrderSettings, Meta(description="This broker's own order settings; what is unset comes from [orders].")
    ] = OrderSettings()
    health: Annotated[
        HealthSettings, Meta(description="This broker's own health settings; what is unset comes from [health].")
    ] = HealthSettings()

    @property
    def floor_amounts(self) -> dict[AssetCode, Decimal]:
        """``floors``, exact."""
        return amounts_of(self.floors)

    @property
    def bot_budgets(self) -> dict[str, dict[AssetCode, Budget]]:
        """``budgets``, exact, by bot and asset."""
        return budgets_of(self.budgets)

    @property
    def variable_prefix(self) -> str:
        """The start of this broker's environment variables, such as ``KRAKEN_MASTER`` for ``kraken-master``."""
        account = self.name.removeprefix(f"{self.venue}-").removeprefix(f"{self.venue}_")
        return f"{self.venue}_{account}".upper().replace("-", "_")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration, checked. Holds no secret; ``path`` is the file it came from, None for a mapping."""

    brokers: Annotated[dict[str, BrokerConfig], Meta(description="The brokers, by name.")]
    reading: Annotated[ReadingSettings, Meta(description="Reading settings of every broker.")] = ReadingSettings()
    orders: Annotated[OrderSettings, Meta(description="Order settings of every broker.")] = OrderSettings()
    health: Annotated[HealthSettings, Meta(description="Breakers of every broker.")] = HealthSettings()
    routing: Annotated[RoutingSettings, Meta(description="Which broker an order goes to that names none.")] = (
        RoutingSettings()
    )
    alerts: Annotated[AlertingSettings, Meta(description="Who is told of trouble, and when.")] = AlertingSettings()
    lane: Annotated[LaneSettings, Meta(description="Lanes and nonces.")] = LaneSettings()
    journal: Annotated[JournalSettings, Meta(description="The journal.")] = JournalSettings()
    log: Annotated[LogSettings, Meta(description="Logging.")] = LogSettings()
    daemon: Annotated[DaemonSettings, Meta(description="The HTTP API and the dashboard.")] = DaemonSettings()
    state_dir: Annotated[
        str | None,
        Meta(
            description="Where state is kept; unset: HOLDFAST_STATE_DIR, then the user's own state folder.",
            examples=["/var/lib/holdfast"],
        ),
    ] = None
    path: str | None = None


def struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that a field's annotation names, through ``Annotated`` and ``| None``."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    for part in getattr(kind, "__args__", ()):
        found = struct_in(part)
        if found is not None:
            return found
    return None


def choices_in(kind: Any) -> tuple[str, ...]:
    """The words that a field's annotation allows, where it is a choice of words."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next((found for part in getattr(kind, "__args__", ()) if (found := choices_in(part))), ())


def description_of(field: Any) -> str:
    """The sentence that explains one field of the structs above."""
    for part in getattr(field.type, "__metadata__", ()):
        if isinstance(part, Meta) and part.description:
            return part.description
    return ""


def exact_kind_of(field: Any) -> str | None:
    """The kind of exact setting (see ``EXACT_KINDS``) that one field of the structs above is, or None."""
    for part in getattr(field.type, "__metadata__", ()):
        if isinstance(part, Meta) and part.extra and "exact" in part.extra:
            return str(part.extra["exact"])
    return None
