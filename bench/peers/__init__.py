"""Scripts that run in other clients' environments, with nothing of ours on the path but this folder."""
