"""The store on one machine: one SQLite file per account, one writer, every commit synced."""

from holdfast.store.sqlite.copies import quarantine, restore, verify
from holdfast.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "quarantine", "restore", "verify"]
