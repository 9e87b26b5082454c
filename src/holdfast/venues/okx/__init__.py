"""OKX v5, spot mode: REST and WebSocket."""
