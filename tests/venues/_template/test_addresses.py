"""Where Template is asked: what a configuration says of it, and what may carry a signed request."""

from __future__ import annotations

from urllib.parse import urlsplit

from holdfast.core.venue import Venue
from holdfast.venues._template import TEMPLATE


def test_no_address_of_the_venue_goes_without_tls() -> None:
    venue: Venue = TEMPLATE

    for site in venue.facts.sites:
        assert urlsplit(site.rest_url).scheme == "https"
        assert urlsplit(site.ws_url).scheme == "wss"
