"""
Local venues that speak the real wire, for tests and demonstrations.

A simulator shares ``holdfast.core``'s amounts, asset names and seams with the client and nothing else: one that
imported the adapter's parser would agree with its mistakes.
"""
