"""Coinbase Advanced: REST and the user's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.credentials import Credential
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, StreamWire
from holdfast.core.venue import Venue, VenueClient, VenueFacts
from holdfast.errors import ConfigError
from holdfast.venues.coinbase.client import CoinbaseClient
from holdfast.venues.coinbase.facts import FACTS
from holdfast.venues.coinbase.settings import Settings
from holdfast.venues.coinbase.sign import Signer, check_key_name, decode_secret, is_simulated
from holdfast.venues.coinbase.stream import CoinbaseStream

__all__ = ["COINBASE"]

_PRODUCTION: Final = FACTS.sites[0]


class _Coinbase:
    id: str = "coinbase"
    facts: VenueFacts = FACTS

    def is_simulator_key(self, key: str) -> bool:
        return is_simulated(key)

    def check_credential(self, credential: Credential) -> None:
        if credential.venue != self.id:
            raise ConfigError(f"coinbase: the credential is for {credential.venue}")
        check_key_name(credential.key)
        decode_secret(credential.reveal_secret())
        if credential.reveal_passphrase() is not None:
            raise ConfigError("coinbase: CDP keys have no passphrase; leave it out")

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
    ) -> CoinbaseClient:
        settings = Settings.of(options)
        self._check_address(rest_url, _PRODUCTION.rest_url, settings)
        signer = None
        if credential is not None:
            self.check_credential(credential)
            if self.is_simulator_key(credential.key) is not settings.must_be_simulator:
                raise ConfigError(
                    f"coinbase: {account} has a simulator's key outside the simulated environment, or a real one in it"
                )
            signer = Signer(credential.key, decode_secret(credential.reveal_secret()))
        return CoinbaseClient(
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
    ) -> CoinbaseStream:
        settings = Settings.of(options)
        self._check_address(ws_url, _PRODUCTION.ws_url, settings)
        if not isinstance(client, CoinbaseClient):
            raise TypeError("a Coinbase stream takes its tokens from a Coinbase client")
        return CoinbaseStream(wire=wire, client=client, clock=clock, emit=emit, ws_url=ws_url, account=account)

    def _check_address(self, url: str, production: str, settings: Settings) -> None:
        """A key is bound to its hosts: a swapped address never sees a token."""
        if not settings.must_be_simulator and url.rstrip("/") != production:
            raise ConfigError(f'coinbase: outside environment = "simulated" the address is {production}, not {url}')


COINBASE: Final[Venue] = _Coinbase()
"""Coinbase Advanced, as one value."""
