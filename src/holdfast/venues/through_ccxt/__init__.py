"""Any other exchange, through ccxt's unified calls: read, labelled and traded like the rest, without a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.credentials import Credential
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, StreamWire
from holdfast.core.venue import Venue, VenueClient, VenueFacts, VenueStream
from holdfast.errors import ConfigError
from holdfast.venues.through_ccxt.facts import FACTS
from holdfast.venues.through_ccxt.settings import Settings
from holdfast.venues.through_ccxt.stream import NoStream

__all__ = ["THROUGH_CCXT"]


class _ThroughCcxt:
    id: str = "through_ccxt"
    facts: VenueFacts = FACTS

    def is_simulator_key(self, key: str) -> bool:
        # Every simulator of ours marks its keys; each mark is foreign to real ones.
        return key.startswith(("SIM", "organizations/00000000-", "00000000-"))

    def check_credential(self, credential: Credential) -> None:
        if credential.venue != self.id:
            raise ConfigError(f"through_ccxt: the credential is for {credential.venue}")

    def client(
        self,
        *,
        http: HttpWire,
        lane: Lane,
        credential: Credential | None,
        clock: Clock,
        emit: Emit,
        rest_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> VenueClient:
        try:
            from holdfast.venues.through_ccxt.calls import Calls
            from holdfast.venues.through_ccxt.client import ThroughCcxtClient
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{account}: exchanges behind ccxt need the extra: pip install 'holdfast[ccxt]' ({error.name})"
            ) from None
        settings = Settings.of(options)
        calls = Calls(
            exchange=settings.exchange,
            credential=credential,
            lane=lane,
            clock=clock,
            emit=emit,
            account=account,
            rest_url=rest_url if settings.must_be_simulator else None,
            read_deadline_s=settings.read_deadline_s,
            silence=settings.silence,
        )
        return ThroughCcxtClient(calls, clock=clock, account=account)

    def stream(
        self,
        *,
        wire: StreamWire,
        client: VenueClient,
        clock: Clock,
        emit: Emit,
        ws_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> VenueStream:
        del wire, client, clock, emit, ws_url, account, options
        return NoStream()


THROUGH_CCXT: Final[Venue] = _ThroughCcxt()
"""Any exchange of ccxt's, as one value; which one is the option ``exchange``."""
