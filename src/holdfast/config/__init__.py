"""
What a user may set: one TOML file, read whole, checked whole, and refused with every problem at once.

Nothing in here is secret: credentials are named, not contained (``holdfast.runtime.credentials`` reads them).
"""

from __future__ import annotations

from holdfast.config.alerts import AlertingSettings
from holdfast.config.daemon import DaemonSettings
from holdfast.config.loading import CONFIG_VARIABLE, find_config, load_config
from holdfast.config.orders import OrderSettings
from holdfast.config.reference import SETTINGS, Setting, config_template
from holdfast.config.routing import RoutingSettings
from holdfast.config.settings import (
    KNOWN_VENUES,
    BrokerConfig,
    Config,
    CredentialFiles,
    JournalSettings,
    LaneSettings,
    LogSettings,
    ReadingSettings,
)

__all__ = [
    "CONFIG_VARIABLE",
    "KNOWN_VENUES",
    "SETTINGS",
    "AlertingSettings",
    "BrokerConfig",
    "Config",
    "CredentialFiles",
    "DaemonSettings",
    "JournalSettings",
    "LaneSettings",
    "LogSettings",
    "OrderSettings",
    "ReadingSettings",
    "RoutingSettings",
    "Setting",
    "config_template",
    "find_config",
    "load_config",
]
