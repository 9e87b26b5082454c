"""A hook of the documentation's build: no page may load anything from elsewhere."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.exceptions import PluginError

# What a browser fetches by itself; links that a reader clicks may lead anywhere.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\ssrc\s*=\s*["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["']?(?:stylesheet|preconnect|preload|icon|modulepreload))[^>]*?\shref\s*=\s*"""
    r"""["']?((?:https?:)?//[^"'\s>]+)""",
    re.IGNORECASE,
)


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Fail the build at the first page that would fetch something from another host."""
    for match in _LOADED.finditer(output):
        raise PluginError(f"{page.file.src_uri} loads {match[1] or match[2]}: the pages have to work offline")
    return output
