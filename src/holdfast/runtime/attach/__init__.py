"""
One owner, and every other process of this host through it.

The owner serves a unix socket per broker (``serving``); an attached process keeps a mirror of what the owner pushes
(``mirror``), asks it by calls (``remote``) and takes its place when it dies (``succession``). What goes over the socket
is in ``protocol`` and ``values``; the sockets themselves are behind ``lines``, so that tests do without.
"""
