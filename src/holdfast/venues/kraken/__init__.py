"""Kraken Spot: REST and WebSocket v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.credentials import Credential
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, StreamWire
from holdfast.core.venue import Venue, VenueClient, VenueFacts
from holdfast.errors import ConfigError
from holdfast.venues.kraken.client import KrakenClient
from holdfast.venues.kraken.facts import FACTS
from holdfast.venues.kraken.settings import Settings
from holdfast.venues.kraken.sign import Signer, decode_secret
from holdfast.venues.kraken.stream import KrakenStream

__all__ = ["KRAKEN"]

_PRODUCTION: Final = FACTS.sites[0]


class _Kraken:
    id: str = "kraken"
    facts: VenueFacts = FACTS

    def is_simulator_key(self, key: str) -> bool:
        return key.startswith("SIM")

    def check_credential(self, credential: Credential) -> None:
        if credential.venue != self.id:
            raise ConfigError(f"kraken: the credential is for {credential.venue}")
        key = credential.key
        if key != key.strip():
            raise ConfigError("kraken: the API key has blanks or a newline around it; store it without them")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                "kraken: the API key is not printable text; copy the whole 'API Key' of Kraken's API page"
            )
        decode_secret(credential.reveal_secret())
        if _is_padded(credential.reveal_passphrase() or ""):
            raise ConfigError("kraken: the API passphrase (two-factor password) has blanks or a newline around it")

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
    ) -> KrakenClient:
        settings = Settings.of(options)
        self._check_address(rest_url, _PRODUCTION.rest_url, settings)
        signer = None
        if credential is not None:
            self.check_credential(credential)
            if self.is_simulator_key(credential.key) is not settings.must_be_simulator:
                raise ConfigError(
                    f"kraken: {account} has a simulator's key outside the simulated environment, or a real one in it"
                )
            signer = Signer(decode_secret(credential.reveal_secret()))
        return KrakenClient(
            http=http,
            lane=lane,
            credential=credential,
            signer=signer,
            clock=clock,
            emit=emit,
            rest_url=rest_url,
            account=account,
            settings=settings,
        )

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
    ) -> KrakenStream:
        settings = Settings.of(options)
        self._check_address(ws_url, _PRODUCTION.ws_url, settings)
        if not isinstance(client, KrakenClient):
            raise TypeError("a Kraken stream takes its tokens from a Kraken client")
        return KrakenStream(wire=wire, client=client, clock=clock, emit=emit, ws_url=ws_url, account=account)

    def _check_address(self, url: str, production: str, settings: Settings) -> None:
        """A key is bound to its hosts: a swapped address never sees a signature."""
        if not settings.must_be_simulator and url.rstrip("/") != production:
            raise ConfigError(f'kraken: outside environment = "simulated" the address is {production}, not {url}')


KRAKEN: Final[Venue] = _Kraken()
"""Kraken Spot, as one value."""


def _is_padded(text: str) -> bool:
    return text != text.strip()
