"""
The owner as a daemon: an HTTP API, a page for people, metrics, and what an init system wants to know.

A face over the public API, like the command line: it holds no rule of its own. Nothing in here is imported before
``holdfast up --port`` (or a client of it) asks for it.
"""
