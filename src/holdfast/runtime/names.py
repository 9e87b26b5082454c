"""Whether a venue lists an asset, and which one was meant where it does not."""

from __future__ import annotations

import difflib
from collections.abc import Container, Mapping

from holdfast.core.assets import AssetCode, asset_code
from holdfast.core.instruments import AssetInfo
from holdfast.core.symbols import near_symbols
from holdfast.errors import UnknownNameError

__all__ = ["check_asset", "near_symbols"]


def check_asset(
    asset: AssetCode, *, venue: str, listed: Mapping[AssetCode, AssetInfo], known: Container[AssetCode]
) -> None:
    """
    Refuse an asset that does not exist.

    Args:
        asset: What was asked for.
        venue: Its id, for the message.
        listed: What the venue lists; while that is empty everything with the form of a code passes.
        known: Assets with a figure, which exist whatever is listed.

    Raises:
        UnknownNameError: The venue lists no such asset; the message names the nearest ones.
    """
    asset_code(asset)
    if not listed or asset in listed or asset in known:
        return
    for code, info in listed.items():
        if asset.upper() != code and asset.upper() in (info.venue_symbol, info.venue_altname):
            raise UnknownNameError(f"{venue} lists no asset {asset!a}: {venue}'s {asset} is {code} here")
    near = difflib.get_close_matches(asset.upper(), listed, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"it lists {len(listed)} assets, such as BTC and USD"
    raise UnknownNameError(f"{venue} lists no asset {asset!a}: {hint}")
