"""A client that is killed, refused or misled, and what stands afterwards: the small versions of the soak."""
